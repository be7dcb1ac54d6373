"""Failed tries to sign in: counted by account and by address in the store, with a delay that grows.

A try is counted before the password is looked at, so that a thousand at once are not all the first. An account that is
locked is open in a browser in which it has signed in before (OWASP, device cookies): nobody locks out others for ever.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.exc import IntegrityError

from kenpin.station.clock import DAY_US, MINUTE_US, SECOND_US
from kenpin.station.store.account_tables import failed_tries

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_US = 15 * MINUTE_US
"""How long a lock lasts."""
_FORGOTTEN_US = DAY_US


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failed tries have which delay."""

    free: int
    """So many without a delay; then 2 seconds, and twice as long with each."""
    lock_at: int
    """From so many on, each locks for `LOCK_US`."""

    def delay_us(self, failures: int) -> int:
        """Time until the next try is heard."""
        if failures >= self.lock_at:
            return LOCK_US
        return min(LOCK_US, SECOND_US << (failures - self.free)) if failures > self.free else 0


BY_ACCOUNT = Patience(free=3, lock_at=10)
BY_ADDRESS = Patience(free=20, lock_at=50)
"""Behind one address there may be a whole plant."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A try that was counted, or one that came too soon."""

    wait_us: int
    """Time until a try will be heard; 0 where this one is."""
    locks: bool
    """Whether it locks, should it fail."""


def count_try(connection: Connection, key: str, patience: Patience, now_us: int) -> Counted:
    """Count a try as failed, unless it comes too soon; `take_back` where it succeeds."""
    tries = failed_tries.c
    # a lock that ends later than any can comes from a clock that was set back
    is_open = or_(tries.locked_until_us <= now_us, tries.locked_until_us > now_us + LOCK_US)
    change = {"failures": tries.failures + 1, "last_us": now_us}
    update = failed_tries.update().where(and_(tries.key == key, is_open)).values(change)
    _forget_old(connection, now_us)
    for _ in range(2):
        if connection.execute(update).rowcount == 1:
            count = connection.execute(select(tries.failures).where(tries.key == key)).scalar_one()
            break
        until_us = connection.execute(select(tries.locked_until_us).where(tries.key == key)).scalar()
        if until_us is not None:
            return Counted(until_us - now_us, locks=False)
        try:
            with connection.begin_nested():
                row = {"key": key, "failures": 1, "last_us": now_us, "locked_until_us": 0}
                connection.execute(failed_tries.insert().values(row))
        except IntegrityError:  # another node counted the first one at this moment
            continue
        count = 1
        break
    else:
        return Counted(SECOND_US, locks=False)
    delay_us = patience.delay_us(count)
    if delay_us:
        connection.execute(failed_tries.update().where(tries.key == key).values(locked_until_us=now_us + delay_us))
    return Counted(0, locks=count >= patience.lock_at)


def take_back(connection: Connection, key: str) -> None:
    """Take back a try that succeeded. The failed ones before it stay: who has an account of their own must not wipe
    them off by signing in with it."""
    change = {"failures": failed_tries.c.failures - 1, "locked_until_us": 0}
    connection.execute(failed_tries.update().where(failed_tries.c.key == key).values(change))


def forget(connection: Connection, key: str) -> None:
    """Forget all failed tries of a key."""
    connection.execute(delete(failed_tries).where(failed_tries.c.key == key))


def forget_account(connection: Connection, name: str) -> None:
    """Open an account that is locked."""
    forget(connection, account_key(name))


def waits_until_us(connection: Connection, name: str, now_us: int) -> int | None:
    """When the next try for an account is heard, after failed ones; None where it is heard now."""
    until_us = connection.execute(
        select(failed_tries.c.locked_until_us).where(failed_tries.c.key == account_key(name))
    ).scalar()
    return until_us if until_us is not None and now_us < until_us <= now_us + LOCK_US else None


def _forget_old(connection: Connection, now_us: int) -> None:
    """Remove what is so old that it counts no more."""
    connection.execute(delete(failed_tries).where(failed_tries.c.last_us <= now_us - _FORGOTTEN_US))


def account_key(name: str) -> str:
    """Key of the tries for an account, whether there is one or not."""
    return "account " + _short_hash(name.casefold())


def browser_key(browser_hash: str) -> str:
    """Key of the tries in a browser that is known."""
    return "browser " + browser_hash[:32]


def address_key(address: str) -> str:
    """Key of the tries from an address; of IPv6 from its network, in which anybody has 2⁶⁴ addresses."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address " + _short_hash(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((ip, 64), strict=False)}"
        ip = ip.ipv4_mapped
    return f"address {ip}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
