"""How a picture was taken, in three numbers: brightness, contrast and sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_SIDE_PX = 256  # the longer side on which it is measured, so that pictures of several sizes compare


@dataclass(frozen=True, slots=True)
class PictureLook:
    """What is measured of a picture, in grey values from 0 to 255."""

    brightness: float
    """Mean."""
    contrast: float
    """Standard deviation."""
    sharpness: float
    """Standard deviation of the Laplacian, at a longer side of 256 pixels at most."""


def look_of(picture: Image.Image) -> PictureLook:
    """Measure a picture, mode RGB or L."""
    grey = small_grey(picture)
    return PictureLook(*(round(float(value), 3) for value in (grey.mean(), grey.std(), sharpness_of(grey))))


def small_grey(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture in grey, its longer side reduced to 256 pixels at most by a whole factor: (h, w)."""
    factor = -(-max(picture.size) // _SIDE_PX)
    # reduced before it is grey: a large picture is then read once
    return np.asarray((picture.reduce(factor) if factor > 1 else picture).convert("L"))


def sharpness_of(grey: NDArray[np.uint8]) -> float:
    """Standard deviation of the Laplacian; 0 where the picture is too small for one. grey: (h, w).

    >>> sharpness_of(np.zeros((9, 9), np.uint8)), sharpness_of(np.eye(9, dtype=np.uint8) * 255) > 100
    (0.0, True)
    """
    if min(grey.shape) < 3:
        return 0.0
    values = grey.astype(np.int16)
    middle = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float((4 * middle - around).std())
