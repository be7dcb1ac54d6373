"""What a kind of sink offers, and what it is given.

Another package brings a kind by an entry point of the group `kenpin.sinks`, whose name is the kind's and whose value
names a module, or another object, that keeps `SinkKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from kenpin.errors import KenpinError
from kenpin.plugins import Kinds
from kenpin.station.kinds import read_kind
from kenpin.station.sinks import kinds
from kenpin.station.told import Told, ToldKind
from kenpin.strict_options import StrictOptions

KINDS = Kinds(kinds.__name__, "kenpin.sinks", "sink of kind")
"""All kinds of sinks."""


class SinkAwayError(KenpinError, OSError):
    """A sink cannot be told anything now, whatever it is; the same is sent again later, for ever."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MessageRefusedError(KenpinError, ValueError):
    """A sink refuses this message for what it holds; after some tries it is put aside, and the next one is sent."""


class SinkOptions(StrictOptions):
    """What every sink takes."""

    events: tuple[ToldKind, ...] = Field(
        ("judged", "reviewed", "switched"), description="Events that it is told: judged, reviewed, switched."
    )
    products: tuple[str, ...] = Field((), description="Products that it is told of; all where none is named.")
    since: Literal["now", "beginning"] = Field(
        "now", description="Whether a new sink is told what happens from now on, or everything from the beginning."
    )
    timeout_s: float = Field(10.0, gt=0, le=600, description="Seconds that it has to answer.")
    first_wait_s: float = Field(1.0, gt=0, description="Seconds until a failed message is sent again the first time.")
    longest_wait_s: float = Field(60.0, gt=0, description="Longest time between two tries in seconds.")
    tries: int = Field(
        3,
        ge=1,
        description="Times that a message is sent which the sink refuses for what it holds; then it is put aside.",
    )


@dataclass(frozen=True, slots=True)
class SinkPlace:
    """Where a sink stands."""

    name: str
    """Its name in the settings."""
    node: str
    folder: Path
    """The station's folder, from which relative paths of the settings begin."""
    picture: Callable[[str], Path | None]
    """The file of a picture by its content; None where it was removed."""

    def path(self, path: Path | None) -> Path | None:
        """A path of the settings as it is opened; None where none is set."""
        return None if path is None else self.folder / path.expanduser()


class Sink(Protocol):
    """An open connection to who is told."""

    def send(self, told: Told) -> None:
        """Tell of an event; when this returns the sink has confirmed it. Raises MessageRefusedError where it refuses
        this message for what it holds, SinkAwayError or OSError where it can be sent nothing now."""

    def close(self) -> None:
        """Release the connection; called once, and raises nothing that matters."""


class SinkKind(Protocol):
    """What each file in the folder `kinds` exports."""

    SUMMARY: str
    """Who is told and how, one line."""
    NEEDS: str
    """What it needs, one sentence."""
    OPTIONS: type[SinkOptions]

    def open(self, options: SinkOptions, place: SinkPlace) -> Sink:
        """Connect. Raises SinkAwayError, OptionError where what is set cannot be, MissingExtraError."""


def read_sink(name: str, values: Mapping[str, Any]) -> tuple[str, SinkKind, SinkOptions]:
    """Name of the kind, the kind and the options of a sink, from its settings. Raises OptionError."""
    return read_kind(KINDS, "sink", name, values)
