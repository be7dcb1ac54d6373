"""A door of a station that is made up: a store in memory, a trail, a clock that is set, and hashes that are quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Engine, StaticPool, create_engine, event

from kenpin.station.store.account_tables import accounts
from kenpin.station.trail import Trail, read_entries
from kenpin.station.who.accounts import Account, NewAccount, add_account
from kenpin.station.who.door import Door, SignedIn
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import CONSOLE, Role
from kenpin.station.who.secret import Secret
from kenpin.station.who.sessions import Visitor

BEGIN_US = 1_800_000_000_000_000
PASSWORD = "correct horse 電池"
HERE = Visitor("192.0.2.7", "a browser")


class CountedHasher(PasswordHasher):
    """Argon2 with the least that it takes; counts how often it compares."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(time_cost=time_cost, memory_cost=8, parallelism=1)
        self.compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        self.compared += 1
        return super().verify(hash, password)


@dataclass
class MadeDoor:
    """The door, and what it stands on."""

    engine: Engine
    trail: Trail
    hasher: CountedHasher = field(default_factory=CountedHasher)
    now_us: int = BEGIN_US
    door: Door = field(init=False)

    def __post_init__(self) -> None:
        self.door = Door(
            self.engine.begin, self.engine.begin, self.trail, Passwords(self.hasher), lambda: self.now_us
        )  # fmt: skip

    def add(self, name: str, role: Role = Role.REVIEWER, password: str = PASSWORD) -> Account:
        """Make an account, as the console does."""
        new = NewAccount(name, role, self.door.passwords.hash(password, name))
        with self.engine.begin() as connection:
            return add_account(connection, self.trail, CONSOLE, new, self.now_us)

    def sign_in(
        self, name: str, password: str = PASSWORD, visitor: Visitor = HERE, former: Secret | None = None
    ) -> SignedIn:
        return self.door.sign_in(name, password, visitor, former)

    def wait(self, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)

    def entries(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What the trail holds: who, what, about."""
        return [(one.who, one.what, dict(one.about)) for one in read_entries(self.trail.path)]


def made_engine(url: str = "sqlite://", **options: Any) -> Engine:
    """A store with all tables, whose transactions begin where they are said to."""
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _leaves_beginning_to_us)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    accounts.metadata.create_all(engine)
    return engine


def _leaves_beginning_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def made_door(folder: Path) -> MadeDoor:
    """A door without accounts."""
    engine = made_engine(poolclass=StaticPool, connect_args={"check_same_thread": False})
    return MadeDoor(engine, Trail(folder / "node-1.jsonl", "node-1"))
