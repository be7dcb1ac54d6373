"""Decisions about versions: installed, approved or rejected by a person, switched to, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from sqlalchemy import Connection, select

from kenpin.errors import OptionError
from kenpin.inspection.policy import Policy
from kenpin.station.folder import StationFolder
from kenpin.station.store.entering import Entering
from kenpin.station.store.opening import Store
from kenpin.station.store.version_tables import SWITCHES, VERSIONS
from kenpin.station.versions.installing import install_version
from kenpin.station.who.rights import Person, Right, check_approval

INSTALLED, APPROVED, REJECTED, SWITCHED = (
    "version-installed", "version-approved", "version-rejected", "version-switched",
)  # fmt: skip


class VersionState(StrEnum):
    """Where a version stands."""

    WAITING = "waiting"
    """Nobody has decided about it."""
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a product."""

    product: str
    version: int
    origin: str
    """How it came to be."""
    asked_by: str
    installed_us: int
    state: VersionState
    decided_by: str | None
    decided_us: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Switch:
    """When a version began to judge."""

    version: int
    who: str
    at_us: int
    reason: str | None


def versions_of(connection: Connection, product: str) -> list[Version]:
    """All versions of a product, the newest first."""
    rows = connection.execute(select(VERSIONS).where(VERSIONS.c.product == product).order_by(VERSIONS.c.version.desc()))
    return [Version(**{**row._mapping, "state": VersionState(row.state)}) for row in rows]


def switches_of(connection: Connection, product: str) -> list[Switch]:
    """When which version began to judge, the last one first."""
    rows = connection.execute(select(SWITCHES).where(SWITCHES.c.product == product).order_by(SWITCHES.c.number.desc()))
    return [Switch(row.version, row.who, row.at_us, row.reason) for row in rows]


def running_versions(connection: Connection) -> dict[str, int]:
    """The version that judges, of each product that has one."""
    rows = connection.execute(select(SWITCHES.c.product, SWITCHES.c.version).order_by(SWITCHES.c.number))
    return {row.product: row.version for row in rows}


class Versions:
    """The versions of a station's products, as a node decides about them; for any thread."""

    def __init__(self, folder: StationFolder, store: Store, entering: Entering) -> None:
        self._folder, self._store, self._entering = folder, store, entering
        self._deciding = Lock()

    def running(self) -> dict[str, int]:
        """The version that judges, of each product. Raises StoreError."""
        with self._store.reading() as connection:
            return running_versions(connection)

    def install(self, who: Person, product: str, policy: Policy, origin: str) -> int:
        """Copy a policy and its runs as the next version, which then waits for a decision; returns its number. Raises
        RunError, OutputError, StoreError."""
        with self._deciding:
            numbers = [int(one.name) for one in self._folder.version(product, 0).parent.glob("*") if one.name.isdigit()]
            version = max(numbers, default=0) + 1
            install_version(self._folder, product, version, policy)
            self._entering.enter(who.name, INSTALLED, {"product": product, "version": version, "origin": origin})
            return version

    def approve(self, who: Person, product: str, version: int, reason: str, *, four_eyes: bool) -> None:
        """Let a version judge. four_eyes: whether another person than who asked for it must. Raises NotAllowedError,
        OptionError, StoreError."""
        with self._deciding:
            found = self._find(product, version)
            check_approval(who, found.asked_by, four_eyes=four_eyes)
            _check_waiting(found)
            _check_reason(reason)
            self._entering.enter(who.name, APPROVED, {"product": product, "version": version, "reason": reason})

    def reject(self, who: Person, product: str, version: int, reason: str) -> None:
        """Refuse a version. Raises NotAllowedError, OptionError, StoreError."""
        who.check(Right.APPROVE)
        with self._deciding:
            _check_waiting(self._find(product, version))
            _check_reason(reason)
            self._entering.enter(who.name, REJECTED, {"product": product, "version": version, "reason": reason})

    def switch(self, who: Person, product: str, version: int, reason: str) -> None:
        """From now on judge by an approved version, a newer or an older one. Raises NotAllowedError, OptionError,
        StoreError."""
        who.check(Right.APPROVE)
        with self._deciding:
            found = self._find(product, version)
            if found.state is not VersionState.APPROVED:
                raise OptionError(f"version {version} of {product} is {found.state}; only an approved one judges.")
            self._entering.enter(who.name, SWITCHED, {"product": product, "version": version, "reason": reason})

    def _find(self, product: str, version: int) -> Version:
        with self._store.reading() as connection:
            found = {one.version: one for one in versions_of(connection, product)}
        if version not in found:
            raise OptionError(f"version {version} of {product} does not exist; take one of {_numbers([*found])}.")
        return found[version]


def _check_waiting(version: Version) -> None:
    if version.state is not VersionState.WAITING:
        raise OptionError(
            f"version {version.version} of {version.product} is {version.state} already, by {version.decided_by}."
        )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise OptionError("a decision about a version needs a reason; write one.")


def _numbers(versions: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(versions))) or "none"
