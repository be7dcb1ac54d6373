"""Links by which people choose the password of an account that an admin made: each works once, for three days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, select

from kenpin.errors import OptionError
from kenpin.station.clock import DAY_US
from kenpin.station.store.account_tables import account_links, accounts
from kenpin.station.who.accounts import Account, account_of, set_password, the_account
from kenpin.station.who.entries import LINK_MADE
from kenpin.station.who.rights import NotAllowedError, Person, Right
from kenpin.station.who.secret import Secret, new_secret

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from kenpin.station.trail import Trail

LINK_US = 3 * DAY_US
"""How long a link works: over a weekend."""


def make_link(connection: Connection, trail: Trail, by: Person, name: str, now_us: int) -> Secret:
    """Make a link for an account; an earlier one ends, and the password that the account has stays until it is used.

    Raises NotAllowedError, OptionError where the account is disabled, or there is none.
    """
    by.check(Right.ADMINISTER)
    account = the_account(connection, name)
    if account.disabled:
        raise OptionError(f"{account.name} is disabled; enable the account before you make a link for it.")
    connection.execute(delete(account_links).where(account_links.c.account_id == account.id))
    secret = new_secret()
    row = {"account_id": account.id, "token_hash": secret.hash, "expires_us": now_us + LINK_US}
    connection.execute(account_links.insert().values(row))
    trail.append(by.name, LINK_MADE, {"account": account.name})
    return secret


def account_of_link(connection: Connection, secret: Secret, now_us: int) -> Account:
    """Whose link it is; looking does not use it up. Raises NotAllowedError where it works no more."""
    its = select(accounts).join(account_links, account_links.c.account_id == accounts.c.id)
    row = connection.execute(its.where(_works(secret, now_us), accounts.c.disabled.is_(False))).first()
    if row is None:
        raise NotAllowedError(
            "this link was used, or is older than three days; ask somebody who administers the station for another."
        )
    return account_of(row)


def open_links(connection: Connection, now_us: int) -> dict[int, int]:
    """Until when the link of each account works that has one, by the account's number."""
    c = account_links.c
    rows = connection.execute(select(c.account_id, c.expires_us).where(c.expires_us > now_us))
    return {row.account_id: row.expires_us for row in rows}


def use_link(connection: Connection, trail: Trail, secret: Secret, password_hash: str, now_us: int) -> Account:
    """Give its account this password, and use the link up. Raises NotAllowedError where it works no more."""
    account = account_of_link(connection, secret, now_us)
    if connection.execute(delete(account_links).where(_works(secret, now_us))).rowcount != 1:
        raise NotAllowedError("this link was used at this moment; sign in, or ask for another.")
    return set_password(connection, trail, account.person, account.name, password_hash, now_us)


def _works(secret: Secret, now_us: int) -> ColumnElement[bool]:
    c = account_links.c
    # one that ends later than any can comes from a clock that was set back
    return and_(c.token_hash == secret.hash, c.expires_us > now_us, c.expires_us <= now_us + 2 * LINK_US)
