"""Accounts: names, roles and password hashes in the store; whatever changes one is an entry of the trail first.

Each function works in the caller's transaction and appends to the trail as its last step: where that fails, nothing
was changed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast, get_args

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.plural import counted
from kenpin.station.store.account_tables import account_links, accounts
from kenpin.station.who.entries import ACCOUNT_ADDED, ACCOUNT_CHANGED, SIGNED_OUT
from kenpin.station.who.rights import RESERVED_NAMES, RIGHTS_OF, Person, Right, Role
from kenpin.station.who.sessions import end_all_sessions
from kenpin.station.who.tries import forget_account
from kenpin.visible import visible
from kenpin.words import Language

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from kenpin.station.trail import Trail

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?")
_LONGEST_DISPLAY_NAME = 100


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands in the store."""

    id: int
    name: str
    display_name: str
    role: Role
    language: Language | None
    disabled: bool
    password_hash: str = field(repr=False)

    @property
    def person(self) -> Person:
        """Who signs in with it."""
        return Person(self.name, self.role, RIGHTS_OF[self.role], self.language, self.display_name)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    display_name: str = ""
    """What pages show; empty: the name."""
    language: Language | None = None


def check_account_name(name: str) -> str:
    """The name of an account or of a machine token. Raises OptionError."""
    if not _NAME.fullmatch(name) or name.casefold() in RESERVED_NAMES:
        raise OptionError(
            f"the name {name!r:.80} is not one that an account can have; take 1 to 64 of a to z, A to Z, 0 to 9, dot, "
            f"underline, @ and -, a letter or digit first and last, and none of {', '.join(sorted(RESERVED_NAMES))}."
        )
    return name


def check_display_name(text: str) -> str:
    """A name for pages, of any script, in one form. Raises OptionError."""
    normal = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(normal) <= _LONGEST_DISPLAY_NAME or visible(normal) != normal:
        raise OptionError(
            f"the display name has {counted(len(normal), 'character')}, or some that are not seen; take 1 to "
            f"{_LONGEST_DISPLAY_NAME} of any script."
        )
    return normal


def check_role(word: str) -> Role:
    """The role of this name. Raises OptionError."""
    if word not in list(Role):
        raise OptionError(f"there is no role {word!r:.40}; {did_you_mean(word, list(Role))}")
    return Role(word)


def check_language(word: str | None) -> Language | None:
    """A language of the pages, None for the station's. Raises OptionError."""
    if word is not None and word not in get_args(Language):
        raise OptionError(f"there is no language {word!r:.40}; {did_you_mean(word, get_args(Language))}")
    return cast("Language | None", word)


# ---- reading ----


def has_accounts(connection: Connection) -> bool:
    """Whether there is any account."""
    return connection.execute(select(accounts.c.id).limit(1)).first() is not None


def list_accounts(connection: Connection) -> list[Account]:
    """All accounts, by their names."""
    return [account_of(row) for row in connection.execute(select(accounts).order_by(accounts.c.name_key))]


def find_account(connection: Connection, name: str) -> Account | None:
    """The account of this name, whatever its case; None where there is none."""
    if not _NAME.fullmatch(name):
        return None  # some of what a person can type, no store takes: NUL, halves of surrogate pairs
    row = connection.execute(select(accounts).where(accounts.c.name_key == name_key(name))).first()
    return None if row is None else account_of(row)


def the_account(connection: Connection, name: str) -> Account:
    """The account of this name, whatever its case. Raises OptionError where there is none."""
    if (account := find_account(connection, name)) is None:
        known = [one.name for one in list_accounts(connection)]
        raise OptionError(f"there is no account {visible(name)!r:.80}; {did_you_mean(name, known)}")
    return account


def name_key(name: str) -> str:
    """What is equal for names that differ in case alone."""
    return name.casefold()


# ---- changing ----


def add_account(connection: Connection, trail: Trail, by: Person, new: NewAccount, now_us: int) -> Account:
    """Make an account. Raises NotAllowedError, OptionError where there is one of this name already."""
    by.check(Right.ADMINISTER)
    return insert_account(connection, trail, by.name, new, now_us)


def insert_account(connection: Connection, trail: Trail, by: str, new: NewAccount, now_us: int) -> Account:
    """Make an account for somebody whose right to it was checked. by: their name. Raises as `add_account` does."""
    values = {
        "name": check_account_name(new.name),
        "name_key": name_key(new.name),
        "display_name": check_display_name(new.display_name or new.name),
        "role": new.role.value,
        "password_hash": new.password_hash,
        "language": check_language(new.language),
        "disabled": False,
        "made_us": now_us,
        "changed_us": now_us,
    }
    try:
        with connection.begin_nested():  # the transaction goes on where another has the name
            connection.execute(accounts.insert().values(values))
    except IntegrityError as error:
        raise OptionError(f"there is an account {new.name} already; choose another name.") from error
    account = the_account(connection, new.name)
    trail.append(by, ACCOUNT_ADDED, {"account": account.name, "role": account.role.value})
    return account


def set_role(connection: Connection, trail: Trail, by: Person, name: str, role: Role, now_us: int) -> Account:
    """Give an account another role; its sessions end. Raises NotAllowedError, OptionError."""
    by.check(Right.ADMINISTER)
    account = the_account(connection, name)
    if role is not Role.ADMIN:
        _check_not_last_admin(connection, account)
    return _change(connection, trail, by, account, now_us, "role", role.value, {"from": account.role.value})


def set_disabled(connection: Connection, trail: Trail, by: Person, name: str, disabled: bool, now_us: int) -> Account:
    """Disable an account, whose sessions end, or enable it again. Raises NotAllowedError, OptionError."""
    by.check(Right.ADMINISTER)
    account = the_account(connection, name)
    if disabled:
        _check_not_last_admin(connection, account)
    return _change(connection, trail, by, account, now_us, "disabled", disabled, {})


def set_password(
    connection: Connection, trail: Trail, by: Person, name: str, password_hash: str, now_us: int
) -> Account:
    """Give an account another password; its sessions and locks end. Raises NotAllowedError, OptionError.

    by: somebody who administers the station, or whose own account it is and whose old password was compared.
    """
    account = the_account(connection, name)
    if by.name != account.name:
        by.check(Right.ADMINISTER)
    forget_account(connection, account.name)
    return _change(connection, trail, by, account, now_us, "password_hash", password_hash, None)


def set_display_name(connection: Connection, trail: Trail, by: Person, name: str, text: str, now_us: int) -> Account:
    """Give an account another display name, one's own or as somebody who administers. Raises NotAllowedError,
    OptionError."""
    account, text = the_account(connection, name), check_display_name(text)
    if by.name != account.name:
        by.check(Right.ADMINISTER)
    about = {"from": account.display_name}
    return _change(connection, trail, by, account, now_us, "display_name", text, about)


def set_language(
    connection: Connection, trail: Trail, by: Person, name: str, language: str | None, now_us: int
) -> Account:
    """Choose the language of an account, one's own or as somebody who administers. Raises NotAllowedError,
    OptionError."""
    account, chosen = the_account(connection, name), check_language(language)
    if by.name != account.name:
        by.check(Right.ADMINISTER)
    return _change(connection, trail, by, account, now_us, "language", chosen, {"from": account.language})


def end_sessions(connection: Connection, trail: Trail, by: Person, name: str) -> None:
    """End all sessions of an account, one's own or as somebody who administers. Raises NotAllowedError, OptionError."""
    account = the_account(connection, name)
    if by.name != account.name:
        by.check(Right.ADMINISTER)
    end_all_sessions(connection, account.id)
    trail.append(by.name, SIGNED_OUT, {"account": account.name, "everywhere": True})


def end_wait(connection: Connection, trail: Trail, by: Person, name: str) -> None:
    """Hear the next try to sign in to an account at once, whatever failed before. Raises NotAllowedError,
    OptionError."""
    by.check(Right.ADMINISTER)
    account = the_account(connection, name)
    forget_account(connection, account.name)
    trail.append(by.name, ACCOUNT_CHANGED, {"account": account.name, "failed_tries": "forgotten"})


_ENDS_SESSIONS = frozenset({"role", "disabled", "password_hash"})
_ENDS_LINKS = frozenset({"disabled", "password_hash"})


def _change(
    connection: Connection,
    trail: Trail,
    by: Person,
    account: Account,
    now_us: int,
    column: str,
    value: Any,
    former: dict[str, Any] | None,
) -> Account:
    """Change a column; its value stands in the trail unless `former` is None, as for a secret."""
    change = {column: value, "changed_us": now_us}
    connection.execute(accounts.update().where(accounts.c.id == account.id).values(change))
    if column in _ENDS_SESSIONS:
        end_all_sessions(connection, account.id)
    if column in _ENDS_LINKS:
        connection.execute(delete(account_links).where(account_links.c.account_id == account.id))
    about = {"password": "changed"} if former is None else {column: value, **former}
    trail.append(by.name, ACCOUNT_CHANGED, {"account": account.name, **about})
    return the_account(connection, account.name)


def _check_not_last_admin(connection: Connection, account: Account) -> None:
    """Raises OptionError for the only account that can administer the station."""
    if account.role is not Role.ADMIN or account.disabled:
        return
    # locked, so that of two admins who remove each other at once one is refused; SQLite has one writer anyway
    admins = select(accounts.c.id).where(accounts.c.role == Role.ADMIN.value, accounts.c.disabled.is_(False))
    if len(connection.execute(admins.with_for_update()).all()) == 1:
        raise OptionError(f"{account.name} is the last account with the role admin; give it to another one first.")


def account_of(row: Row[Any]) -> Account:
    """The account in a row that has all columns of the table."""
    language = cast("Language | None", row.language)
    role = Role(row.role)
    return Account(row.id, row.name, row.display_name, role, language, row.disabled, row.password_hash)
