"""The first start: without an account the station listens on its own machine alone, and prints a link to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, select

from kenpin.station.clock import HOUR_US
from kenpin.station.store.account_tables import first_links
from kenpin.station.who.accounts import Account, NewAccount, has_accounts, insert_account
from kenpin.station.who.rights import STATION, NotAllowedError, Role
from kenpin.station.who.secret import Secret, new_secret

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from kenpin.station.trail import Trail

LOOPBACK = "127.0.0.1"
_USED = "this link was used, or is older than an hour; start the station again, and it prints another one."


def listening_host(connection: Connection, host: str) -> str:
    """Where to listen: loopback alone as long as there is no account, whatever the settings say."""
    return host if has_accounts(connection) else LOOPBACK


def new_first_link(connection: Connection, now_us: int) -> Secret | None:
    """The secret of a link with which the first account can be made within an hour; earlier links end. None where there
    is an account."""
    if has_accounts(connection):
        return None
    connection.execute(delete(first_links))
    secret = new_secret()
    connection.execute(first_links.insert().values(token_hash=secret.hash, expires_us=now_us + HOUR_US))
    return secret


def check_first_link(connection: Connection, secret: Secret, now_us: int) -> None:
    """Raises NotAllowedError where the first account cannot be made with it now; looking does not use it up."""
    found = connection.execute(select(first_links.c.expires_us).where(_is_valid(secret, now_us))).first()
    if found is None or has_accounts(connection):
        raise NotAllowedError(_USED)


def make_first_account(
    connection: Connection, trail: Trail, secret: Secret, name: str, password_hash: str, now_us: int
) -> Account:
    """Make the first account, an admin's, and use the link up.

    Raises NotAllowedError where the link is of no use, OptionError for the name, and then it can be used again.
    """
    # removed before anything is looked at: of two who send it at once, one removes it
    used = connection.execute(delete(first_links).where(_is_valid(secret, now_us))).rowcount
    if used != 1 or has_accounts(connection):
        raise NotAllowedError(_USED)
    return insert_account(connection, trail, STATION.name, NewAccount(name, Role.ADMIN, password_hash), now_us)


def _is_valid(secret: Secret, now_us: int) -> ColumnElement[bool]:
    c = first_links.c
    # one that ends later than any can comes from a clock that was set back
    return and_(c.token_hash == secret.hash, c.expires_us > now_us, c.expires_us <= now_us + 2 * HOUR_US)
