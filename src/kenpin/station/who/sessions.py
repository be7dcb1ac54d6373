"""Sessions: random tokens of which the store holds the hash, so that one that is ended is ended on every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, or_, select

from kenpin.station.clock import DAY_US, HOUR_US, MINUTE_US
from kenpin.station.store.account_tables import accounts, known_browsers, sessions
from kenpin.station.who.rights import Role
from kenpin.station.who.secret import Secret, new_secret
from kenpin.visible import short

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

IDLE_US, LONGEST_US = 2 * HOUR_US, 12 * HOUR_US
"""A session ends when nothing was asked in it for so long, and at the latest after a shift."""
VIEWER_US = 30 * DAY_US
"""That of a viewer, who can change nothing: a screen on the wall."""
CONFIRMED_US = 15 * MINUTE_US
"""How long a typed password lets its session change accounts."""
_NOTED_US = MINUTE_US
_PER_ACCOUNT = 20
_BROWSER_KNOWN_US = 90 * DAY_US
_LONGEST_ADDRESS, _LONGEST_BROWSER = 64, 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from."""

    address: str
    """IP address; empty where it is not known."""
    browser: str = ""
    """What the browser says that it is."""
    known_as: Secret | None = None
    """The secret by which this browser is known to have signed in before."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that a person sees in the list of theirs."""

    id: str
    """Hash of its token; it opens nothing."""
    made_us: int
    seen_us: int
    address: str
    browser: str


def start_session(connection: Connection, account_id: int, role: Role, visitor: Visitor, now_us: int) -> Secret:
    """Begin a session with a token of its own, whatever the browser sent before. The oldest beyond 20 of an account
    end."""
    idle_us, longest_us = (VIEWER_US, VIEWER_US) if role is Role.VIEWER else (IDLE_US, LONGEST_US)
    clear_ended(connection, now_us)
    of_account = select(sessions.c.token_hash).where(sessions.c.account_id == account_id)
    kept = connection.execute(of_account.order_by(sessions.c.seen_us.desc())).scalars().all()
    for token_hash in kept[_PER_ACCOUNT - 1 :]:
        connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
    secret = new_secret()
    row = {
        "token_hash": secret.hash,
        "account_id": account_id,
        "made_us": now_us,
        "seen_us": now_us,
        "confirmed_us": now_us,
        "idle_us": idle_us,
        "ends_us": now_us + longest_us,
        "address": visitor.address[:_LONGEST_ADDRESS],
        "browser": short(visitor.browser, _LONGEST_BROWSER - 10)[:_LONGEST_BROWSER],
    }
    connection.execute(sessions.insert().values(row))
    return secret


def find_session(connection: Connection, secret: Secret, now_us: int) -> Row[Any] | None:
    """The columns of the account whose session it is, and `seen_us`; None where it ended or the account is disabled."""
    found = (
        select(accounts, sessions.c.seen_us)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.token_hash == secret.hash, accounts.c.disabled.is_(False), ~_has_ended(now_us))
    )
    return connection.execute(found).first()


def is_worth_noting(seen_us: int, now_us: int) -> bool:
    """Whether it is so long ago that it was seen that this is written down."""
    return abs(now_us - seen_us) >= _NOTED_US


def note_seen(connection: Connection, secret: Secret, now_us: int) -> None:
    """Note that something was asked in a session."""
    connection.execute(sessions.update().where(sessions.c.token_hash == secret.hash).values(seen_us=now_us))


def note_confirmed(connection: Connection, secret: Secret, now_us: int) -> None:
    """Note that the person of a session typed their password."""
    connection.execute(sessions.update().where(sessions.c.token_hash == secret.hash).values(confirmed_us=now_us))


def is_confirmed(connection: Connection, secret: Secret, now_us: int) -> bool:
    """Whether the person of a session typed their password lately."""
    found = select(sessions.c.confirmed_us).where(sessions.c.token_hash == secret.hash, ~_has_ended(now_us))
    confirmed_us = connection.execute(found).scalar()
    # one that lies ahead comes from a clock that was set back
    return confirmed_us is not None and 0 <= now_us - confirmed_us < CONFIRMED_US


def list_sessions(connection: Connection, account_id: int, now_us: int) -> Sequence[OpenSession]:
    """The open sessions of an account, last seen first."""
    mine = select(sessions).where(sessions.c.account_id == account_id, ~_has_ended(now_us))
    rows = connection.execute(mine.order_by(sessions.c.seen_us.desc(), sessions.c.token_hash))
    return [OpenSession(row.token_hash, row.made_us, row.seen_us, row.address, row.browser) for row in rows]


def count_sessions(connection: Connection, now_us: int) -> dict[int, tuple[int, int]]:
    """How many sessions each account has open, and when the last of them was seen, by the account's number."""
    counted = select(sessions.c.account_id, func.count(), func.max(sessions.c.seen_us))
    rows = connection.execute(counted.where(~_has_ended(now_us)).group_by(sessions.c.account_id))
    return {account: (count, seen_us) for account, count, seen_us in rows}


def end_session(connection: Connection, account_id: int, session_id: str) -> bool:
    """End a session of this account; False where it has none of this id."""
    its = and_(sessions.c.account_id == account_id, sessions.c.token_hash == session_id)
    return connection.execute(delete(sessions).where(its)).rowcount == 1


def drop_session(connection: Connection, secret: Secret) -> None:
    """End a session, whosever it is, by its token."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == secret.hash))


def end_all_sessions(connection: Connection, account_id: int) -> None:
    """End all sessions of an account, and forget its browsers."""
    for table in (sessions, known_browsers):
        connection.execute(delete(table).where(table.c.account_id == account_id))


def clear_ended(connection: Connection, now_us: int) -> None:
    """Remove sessions that ended by themselves, and browsers that were not seen for long."""
    connection.execute(delete(sessions).where(_has_ended(now_us)))
    connection.execute(delete(known_browsers).where(known_browsers.c.seen_us <= now_us - _BROWSER_KNOWN_US))


def _has_ended(now_us: int) -> ColumnElement[bool]:
    return or_(sessions.c.seen_us + sessions.c.idle_us <= now_us, sessions.c.ends_us <= now_us)


# ---- browsers ----


def know_browser(connection: Connection, account_id: int, visitor: Visitor, now_us: int) -> Secret:
    """The secret by which a browser is known in which this account has signed in: tries elsewhere do not lock it out.

    It opens nothing. A browser that is known already gets another secret.
    """
    if visitor.known_as is not None:
        former = and_(known_browsers.c.account_id == account_id, known_browsers.c.token_hash == visitor.known_as.hash)
        connection.execute(delete(known_browsers).where(former))
    secret = new_secret()
    row = {"token_hash": secret.hash, "account_id": account_id, "seen_us": now_us}
    connection.execute(known_browsers.insert().values(row))
    return secret


def is_known_browser(connection: Connection, account_id: int, visitor: Visitor) -> bool:
    """Whether this account has signed in in this browser."""
    if visitor.known_as is None:
        return False
    its = and_(known_browsers.c.account_id == account_id, known_browsers.c.token_hash == visitor.known_as.hash)
    return connection.execute(select(known_browsers.c.account_id).where(its)).first() is not None
