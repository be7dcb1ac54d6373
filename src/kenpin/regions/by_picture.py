"""How the option `roi` names regions of interest by picture: a folder of masks, or a column of the data set."""

from __future__ import annotations

from pathlib import Path

COLUMN, FOLDER, WHOLE = "column:", "/", "whole"
"""How the option `roi` begins that names a column, how one ends that names a folder, and the default that looks at the
whole picture."""


def is_by_picture(roi: str | None) -> bool:
    """Whether the option `roi` says of each picture what is looked at."""
    return roi is not None and (roi.startswith(COLUMN) or roi.endswith(FOLDER))


def as_kept(roi: str) -> str:
    """The option as a run keeps it: a folder by its whole path with a slash behind, so that it is still told from a
    file, and found from elsewhere, when it is used again."""
    return f"{Path(roi).absolute()}{FOLDER}" if Path(roi).is_dir() else roi
