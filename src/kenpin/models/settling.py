"""The contract of families of whose options some defaults depend on the base."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from kenpin.models.contract import Family, Taken


@runtime_checkable
class Settles(Family[Taken], Protocol[Taken]):
    """A family of whose options some defaults depend on the base."""

    def settled(self, options: Taken) -> Taken:
        """The options as a run records them, with these defaults in their place. Raises OptionError, RunError."""
