"""What a kind of source offers, and what it is given.

Another package brings a kind by an entry point of the group `kenpin.sources`, whose name is the kind's and whose value
names a module, or another object, that keeps `SourceKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field, field_validator, model_validator

from kenpin.data.images import read_image
from kenpin.errors import KenpinError
from kenpin.plugins import Kinds
from kenpin.records import ImageSource
from kenpin.station.kinds import read_kind
from kenpin.station.settings import Limits
from kenpin.station.sources import kinds
from kenpin.station.sources.handing import Handing
from kenpin.station.sources.naming import RegionPx, check_region, check_rule
from kenpin.strict_options import StrictOptions

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = Kinds(kinds.__name__, "kenpin.sources", "source of kind")
"""All kinds of sources."""


class SourceAwayError(KenpinError, OSError):
    """A source cannot be read now; it is tried again, for ever."""


class SourceOptions(StrictOptions):
    """What every source takes."""

    product: str | None = Field(
        None, min_length=1, description="Product of its parts; without it the station finds out, or a rule says it."
    )
    lot: str | None = Field(None, min_length=1, description="Lot of its parts.")
    barcode: str | None = Field(
        None,
        description="Rule on a code in the picture, a QR code, or a bar code EAN or UPC: {product} and {lot} in "
        "braces, * for other text, as {product}-{lot}-*.",
    )
    barcode_region: RegionPx | None = Field(
        None, description="Where the code is: x1, y1, x2, y2 in pixels of the picture; by default anywhere."
    )
    first_wait_s: float = Field(1.0, gt=0, description="Seconds until a source that failed is tried the first time.")
    longest_wait_s: float = Field(30.0, gt=0, description="Longest time between two tries in seconds.")

    @field_validator("barcode")
    @classmethod
    def _is_a_rule(cls, rule: str | None) -> str | None:
        return None if rule is None else check_rule(rule)

    @field_validator("barcode_region")
    @classmethod
    def _is_a_region(cls, region: RegionPx | None) -> RegionPx | None:
        return None if region is None else check_region(region)

    @model_validator(mode="after")
    def _reads_what_it_locates(self) -> SourceOptions:
        if self.barcode_region is not None and self.barcode is None:
            raise ValueError("`barcode_region` is of no use without `barcode`; name the rule, or take it out.")
        return self


Opens = Callable[[str, bytes], "Image"]
"""Makes a picture of a file's name and bytes. Raises ImageError."""


def open_here(name: str, data: bytes) -> Image:
    """A picture that is opened in this process. Raises ImageError."""
    return read_image(ImageSource(name, data))


IsWhole = Callable[[str | None, Sequence[str | None]], bool]
"""Whether a part of a product, with these views, has all by which it is judged. Raises KenpinError where no line is for
it."""


def never_whole(product: str | None, views: Sequence[str | None]) -> bool:
    """Each part waits for further pictures as long as may be."""
    return False


class SeenFiles(Protocol):
    """Files of a source that have their records; a memory that saves time alone: a part is judged once without it."""

    def all(self) -> dict[str, tuple[int, int]]:
        """Size in bytes and modification time in nanoseconds of each, by its id."""

    def add(self, files: Mapping[str, tuple[int, int]]) -> None:
        """Add files in the same form."""

    def remove(self, ids: Iterable[str]) -> None:
        """Forget files."""


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """Where a source stands."""

    name: str
    """Its name in the settings, with which the ids of its parts begin."""
    folder: Path
    """The station's folder, from which relative paths of the settings begin."""
    aside: Path
    """Where files go that are no pictures."""
    seen: SeenFiles
    opens: Opens = open_here
    """Opens pictures that strangers wrote; a station does it in processes of their own."""
    is_whole: IsWhole = never_whole
    limits: Limits = field(default_factory=Limits)
    """Of the station: what is larger is not read."""

    def path(self, path: Path) -> Path:
        """A path of the settings as it is opened."""
        return self.folder / path.expanduser()


class PartSource(Protocol):
    """A source that is open."""

    def run(self, handing: Handing) -> None:
        """Hand on parts until `handing.stop` is set, or there will be no more. Raises SourceAwayError, OSError where it
        cannot be read now."""


class SourceKind(Protocol):
    """What each file in the folder `kinds` exports."""

    SUMMARY: str
    """Where parts come from, one line."""
    NEEDS: str
    """What it needs, one sentence."""
    OPTIONS: type[SourceOptions]

    def open(self, options: SourceOptions, place: SourcePlace) -> PartSource:
        """Prepare it. Raises SourceAwayError, OptionError where what is set cannot be, MissingExtraError."""


def read_source(name: str, values: Mapping[str, Any]) -> tuple[str, SourceKind, SourceOptions]:
    """Name of the kind, the kind and the options of a source, from its settings. Raises OptionError."""
    return read_kind(KINDS, "source", name, values)
