"""Deep grey pictures of a written data set, rewritten so that a given range of their values is black to white."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from kenpin.data.picture_files import MAX_PIXELS, read_bytes_once
from kenpin.data.reading.pictures import pictures_below
from kenpin.data.tiff import read_directory
from kenpin.errors import DatasetError, OptionError
from kenpin.records import ImageSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMATS = ("PNG", "TIFF", "PPM", "JPEG2000")
_WHITE = 65_535


def check_range(black: float, white: float) -> None:
    """Raises OptionError for two values that are no range."""
    if not (np.isfinite([black, white]).all() and black < white):
        raise OptionError(f"option `--range` is {black:g} to {white:g}; give the value of black, then a larger one.")


def rewrite(folder: Path, black: float, white: float) -> tuple[int, list[str]]:
    """Rewrite the deep grey pictures below a folder as unsigned 16-bit ones under their own names; how many, and the
    paths of those that are kept because they use more than the range.

    A value v becomes round((v - black) / (white - black) · 65535); nothing is clipped. Raises DatasetError for a
    picture of numbers without a white that uses more than the range, and where there is no deep grey picture at all.
    """
    done, kept = 0, list[str]()
    for path in pictures_below(folder, others=[]):
        stored = _deep_values(path)
        if stored is None:
            continue
        values, format = stored
        lowest, highest = float(values.min()), float(values.max())
        if not (black <= lowest and highest <= white):  # also where one is no number
            if values.dtype == np.uint16:
                kept.append(path)
                continue
            raise DatasetError(
                f"{Path(path).relative_to(folder)}: its values run from {lowest:g} to {highest:g}, beyond the range "
                f"{black:g} to {white:g}. Give a --range that holds them."
            )
        grey = np.rint((values.astype(np.float64) - black) / (white - black) * _WHITE).astype(np.uint16)
        Image.fromarray(grey).save(path, format)
        done += 1
    if not done and not kept:
        raise DatasetError(
            f"{folder.name}: no deep grey picture was written as a file. Leave --range out, or write folders or csv."
        )
    return done, kept


def _deep_values(path: str) -> tuple[NDArray[Any], str] | None:
    """The values of a deep grey picture, (h, w), black below white, and its format; None of any other, and of one that
    cannot be opened. Raises ImageError."""
    file = BytesIO(read_bytes_once(ImageSource(path)).data)
    directory = read_directory(file)
    if directory is not None and directory.is_grey and directory.first(_ORIENTATION, 1) == 1:
        values = directory.pixels(file, MAX_PIXELS)
        if values is not None:
            if values.dtype == np.uint8:
                return None
            values = values.astype(values.dtype.newbyteorder("="))
            return (np.iinfo(np.uint16).max - values if _is_inverted(directory, values) else values), "TIFF"
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            if not opened.mode.startswith(("I", "F")) or opened.width * opened.height > MAX_PIXELS:
                return None
            values = np.asarray(opened)
            return values.astype(values.dtype.newbyteorder("=")), opened.format or "PNG"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


_ORIENTATION = 274


def _is_inverted(directory: Any, values: NDArray[Any]) -> bool:
    return bool(directory.white_is_zero) and values.dtype == np.uint16
