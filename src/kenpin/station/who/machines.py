"""Machine tokens: a name, rights and a secret that is shown once, for programs that hand in parts or read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.station.store.account_tables import machine_tokens
from kenpin.station.who.accounts import check_account_name, name_key
from kenpin.station.who.entries import TOKEN_MADE, TOKEN_REVOKED
from kenpin.station.who.rights import TOKEN_RIGHTS, Person, Right
from kenpin.station.who.secret import Secret, new_secret
from kenpin.visible import visible

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from kenpin.station.trail import Trail

PREFIX = "kenpin_"
"""What every machine token begins with, so that one that lies in the open is found."""

# made once: every part that is handed in asks for one
_VALID = select(machine_tokens).where(
    machine_tokens.c.token_hash.in_(bindparam("hashes", expanding=True)), machine_tokens.c.revoked_us.is_(None)
)


@dataclass(frozen=True, slots=True)
class MachineToken:
    """A machine token as people see it: never its secret."""

    name: str
    rights: frozenset[Right]
    made_us: int
    made_by: str
    used_us: int | None
    """When it was used last, to the minute; None where never."""
    revoked_us: int | None

    @property
    def machine(self) -> Person:
        """Who asks by it."""
        return Person(f"token {self.name}", None, self.rights, None)


def check_token_rights(words: Iterable[str]) -> frozenset[Right]:
    """Rights that a token can have. Raises OptionError."""
    rights = set()
    for word in words:
        if word not in list(Right):
            raise OptionError(f"there is no right {word!r:.40}; {did_you_mean(word, sorted(TOKEN_RIGHTS))}")
        if word not in TOKEN_RIGHTS:
            raise OptionError(
                f"a token cannot have the right {word}, for decisions are people's; it may have "
                f"{', '.join(sorted(TOKEN_RIGHTS))}."
            )
        rights.add(Right(word))
    if not rights:
        raise OptionError(f"the token has no rights; give it some of {', '.join(sorted(TOKEN_RIGHTS))}.")
    return frozenset(rights)


def make_token(
    connection: Connection, trail: Trail, by: Person, name: str, rights: Iterable[str], now_us: int
) -> Secret:
    """Make a token, whose secret nobody can see again. A name is used once, for the trail knows the token by it.

    Raises NotAllowedError, OptionError.
    """
    by.check(Right.ADMINISTER)
    given = check_token_rights(rights)
    for right in sorted(given):
        by.check(right)
    secret = new_secret(PREFIX)
    row = {
        "name": check_account_name(name),
        "name_key": name_key(name),
        "rights": " ".join(sorted(given)),
        "token_hash": secret.hash,
        "made_us": now_us,
        "made_by": by.name,
    }
    try:
        with connection.begin_nested():
            connection.execute(machine_tokens.insert().values(row))
    except IntegrityError as error:
        raise OptionError(f"there is or was a token {name} already; choose another name.") from error
    trail.append(by.name, TOKEN_MADE, {"token": name, "rights": sorted(given)})
    return secret


def revoke_token(connection: Connection, trail: Trail, by: Person, name: str, now_us: int) -> None:
    """End a token for ever. Raises NotAllowedError, OptionError where there is none of this name."""
    by.check(Right.ADMINISTER)
    names = {name_key(token.name): token.name for token in list_tokens(connection)}
    if (known := names.get(name_key(name))) is None:
        raise OptionError(f"there is no token {visible(name)!r:.80}; {did_you_mean(name, names.values())}")
    its = (machine_tokens.c.name == known) & machine_tokens.c.revoked_us.is_(None)
    if connection.execute(machine_tokens.update().where(its).values(revoked_us=now_us)).rowcount:
        trail.append(by.name, TOKEN_REVOKED, {"token": known})


def list_tokens(connection: Connection) -> list[MachineToken]:
    """All tokens, by their names; revoked ones too."""
    rows = connection.execute(select(machine_tokens).order_by(machine_tokens.c.name_key))
    return [_token(row) for row in rows]


def find_token(connection: Connection, secret: Secret) -> MachineToken | None:
    """The token with this secret; None where there is none, or it was revoked."""
    return find_tokens(connection, [secret]).get(secret)


def find_tokens(connection: Connection, secrets: Collection[Secret]) -> dict[Secret, MachineToken]:
    """The tokens with these secrets, without those that were revoked."""
    by_hash = {secret.hash: secret for secret in secrets}
    rows = connection.execute(_VALID, {"hashes": [*by_hash]})
    return {by_hash[row.token_hash]: _token(row) for row in rows}


def note_used(connection: Connection, secret: Secret, now_us: int) -> None:
    """Note that a token was used."""
    its = machine_tokens.c.token_hash == secret.hash
    connection.execute(machine_tokens.update().where(its).values(used_us=now_us))


def _token(row: Row[Any]) -> MachineToken:
    rights = frozenset(Right(word) for word in row.rights.split())
    return MachineToken(row.name, rights, row.made_us, row.made_by, row.used_us, row.revoked_us)
