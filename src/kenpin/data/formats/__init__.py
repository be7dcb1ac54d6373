"""Data formats, one file each: its name is the format's name, and a new file is a new format.

Another package brings a format by an entry point of the group `kenpin.formats`, whose name is the format's and whose
value names a module, or another object, that keeps `Format`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from kenpin.plugins import Kinds

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.data.reading import Reading


class Format(Protocol):
    """What each file in this folder exports."""

    SUMMARY: str
    """What it looks like on disk, one line."""
    CARRIES: frozenset[str]
    """What a data set keeps when it is written so; of `CARRIABLE`."""

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder looks like this format, by names and a little content."""

    def read(self, path: Path, reading: Reading) -> Dataset:
        """The data set at `path`; every problem goes to `reading`; then the row is kept or left out."""

    def write(self, dataset: Dataset, path: Path) -> None:
        """Write into the new, empty folder `path`. Raises DatasetError for what the layout cannot say."""


CARRIABLE = frozenset(
    {
        "split",
        "label",
        "boxes",
        "segments",
        "crowd",
        "outlines",
        "oriented",  # outlines that are boxes drawn turned; a format of outlines alone reads them back as polygons
        "unannotated",  # pictures whose boxes are None; a format of boxes without it reads them back as empty ones
        "group",
        "prefix",
        "suffix",
        "mask",
        "items",  # numbers in place of pictures
        "attributes",
        "classes",  # declared ones that no picture has
    }
)
"""Everything beyond the picture itself that a format may carry."""


GROUP = "kenpin.formats"
"""Entry points of this group are formats of other packages."""
_FORMATS = Kinds(__name__, GROUP, "format")


def format_names() -> tuple[str, ...]:
    """Names of all formats, sorted; none of them is imported."""
    return _FORMATS.names()


def get_format(name: str) -> Format:
    """The format of this name. Raises OptionError: it names the nearest known one, or what could not be loaded."""
    return cast("Format", _FORMATS.get(name))
