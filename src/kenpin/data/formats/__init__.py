"""Data formats, one file each: its name is the format's name, and a new file is a new format.

Files whose name begins with an underscore are what several formats share.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.records import Finding

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset

Note = Callable[[Finding], None]
"""Takes every problem that a reader meets; it may raise to end the reading."""


class Format(Protocol):
    """What each file in this folder exports."""

    SUMMARY: str
    """What it looks like on disk, one line."""
    CARRIES: frozenset[str]
    """What a data set keeps when it is written so; of `CARRIABLE`."""

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder looks like this format, by names and a little content."""

    def read(self, path: Path, note: Note) -> Dataset:
        """The data set at `path`; every problem goes to `note`; then the row is kept or left out."""

    def write(self, dataset: Dataset, path: Path) -> None:
        """Write into the new, empty folder `path`. Raises DatasetError for what the layout cannot say."""


CARRIABLE = frozenset(
    {
        "split",
        "label",
        "boxes",
        "segments",
        "crowd",
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


def format_names() -> tuple[str, ...]:
    """Names of all formats, sorted; none of them is imported."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def get_format(name: str) -> Format:
    """The format of this name. Raises OptionError, which names the nearest known one."""
    known = format_names()
    if name not in known:
        raise OptionError(f"format {name!r} is not known; {did_you_mean(name, known)}")
    return cast("Format", importlib.import_module(f"{__name__}.{name}"))
