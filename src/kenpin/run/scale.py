"""The scale that a run keeps: how many pixels a millimetre has in pictures as they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError, RunError
from kenpin.files import read_json, write_json
from kenpin.regions.region import PxPerMm, scale_of

SCALE = "scale.json"
"""File, beside the record of the run in a package, of a scale that was given when the package was made."""
_NAME = "px_per_mm"


def scale_kept(folder: Path, options: Mapping[str, Any]) -> PxPerMm | None:
    """Pixels a millimetre, across and down: those of the training, or in a package those that it was made with; None
    where none were given. folder: of the record; options: of the training. Raises RunError."""
    file = folder / SCALE
    values = read_json(file) if file.is_file() else options
    numbers = values.get(_NAME) if isinstance(values, Mapping) else ()
    try:
        return scale_of(None if numbers is None else tuple(map(float, numbers)))
    except (OptionError, TypeError, ValueError) as error:
        raise RunError(f"{file}: holds no scale ({error}). Export the run again.") from error


def write_scale(folder: Path, scale: PxPerMm) -> None:
    """Keep a scale beside the copy of a run's record in a package."""
    write_json(folder / SCALE, {_NAME: scale})
