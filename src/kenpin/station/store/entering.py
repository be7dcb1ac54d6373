"""Entries of the trail: on disk first, then in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kenpin.station.store.following import Follower
from kenpin.station.trail import Trail


@dataclass(frozen=True, slots=True)
class Entering:
    """Enters what was decided on a node; for any thread."""

    trail: Trail
    follower: Follower

    @property
    def node(self) -> str:
        """The node whose trail it is."""
        return self.trail.node

    def enter(self, who: str, what: str, about: Mapping[str, object]) -> None:
        """Add an entry; when this returns it is on disk, and the store knows of it. who, what, about: as `Entry` has
        them. Raises RunError, StoreError, OSError."""
        self.trail.append(who, what, about)
        self.follower.trail(self.node, self.trail.end)
