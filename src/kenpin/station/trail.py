"""The trail: what people and the service decided, an entry each, append-only and chained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from kenpin.chained import BEFORE, ChainedFile, LineKind, read_lines
from kenpin.errors import RunError
from kenpin.records_json import from_json, to_json

ENTRY_VERSION: Literal[1] = 1
TRAIL_ENTRIES = LineKind(
    line="an entry of the trail",
    writer="the station",
    remedy="restore the file from a copy; what stands above this line is sound",
    # no station has written one without a hash, and else the hashes could be taken from all lines
    check=lambda values: (
        isinstance(values["what"], str) and isinstance(values["number"], int) and isinstance(values[BEFORE], str)
    ),
)
"""The lines of a trail."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was decided, by whom, and when."""

    number: int
    """Its place in the file, from 1."""
    at: str
    """UTC, ISO 8601, to the microsecond."""
    node: str
    who: str
    """Name of an account, of a token as `token NAME`, `console`, or `station` where the service decided."""
    what: str
    """Kind of the entry: `part-reviewed`."""
    about: Mapping[str, Any]
    """What that kind holds, as JSON."""


class Trail:
    """A node's trail, for its only writer and any of its threads."""

    def __init__(self, path: Path, node: str) -> None:
        """Open or create it. An incomplete last line of a killed writer is cut off: nobody was told of it.

        Raises RunError where a line is damaged, changed or missing, OSError.
        """
        self.path, self.node = path, node
        self._count = 0
        self._last: dict[str, Mapping[str, Any]] = {}
        self._lines = ChainedFile(path, TRAIL_ENTRIES, self._note)
        self._writing = Lock()

    def __len__(self) -> int:
        return self._count

    @property
    def end(self) -> int:
        """Size of all entries in bytes."""
        return self._lines.end

    def append(self, who: str, what: str, about: Mapping[str, Any]) -> Entry:
        """Add an entry; when this returns it is on disk. Raises OSError, and then it is not in the file."""
        with self._writing:
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            entry = Entry(self._count + 1, at, self.node, who, what, about)
            values = to_json(entry)
            self._lines.append([{"schema": ENTRY_VERSION, **values}])
            self._count += 1
            self._last[what] = values["about"]
            return entry

    def last(self, what: str) -> Mapping[str, Any] | None:
        """What the last entry of a kind holds, as JSON; None where there is none."""
        return self._last.get(what)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _note(self, values: Mapping[str, Any], offset: int) -> None:
        self._count += 1
        self._last[values["what"]] = values["about"]
        if values["number"] != self._count:
            raise RunError(
                f"{self.path} byte {offset}: is entry {values['number']} in place {self._count}; "
                f"{TRAIL_ENTRIES.remedy}."
            )


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries in a trail, at any moment, also while it is being written. Raises RunError where a line is damaged,
    changed or missing, OSError."""
    for values, where in read_lines(path, TRAIL_ENTRIES):
        yield entry_of(values, where)


def entry_of(values: Mapping[str, Any], where: str) -> Entry:
    """The entry that a line's JSON holds. Raises RunError."""
    if values.get("schema") != ENTRY_VERSION:
        raise RunError(
            f"{where}: its schema is {values.get('schema')}, this kenpin reads {ENTRY_VERSION}; use the kenpin that "
            "wrote it."
        )
    return from_json(Entry, {name: one for name, one in values.items() if name not in ("schema", BEFORE)}, where)
