"""Which pixels of a picture are the part's: by brightness, against what surrounds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.masks import Mask

LEAST = 0.01
"""Share of the picture that an object takes, at least."""
_LEAST_BACKGROUND = 0.02
_BORDER_ALIKE = 0.8
"""Share of the picture's border that must be on one side of the cut, to be the background."""
_LEAST_APART = 0.7
"""Share of the variance of brightness that two sides must explain, else they are no two things."""
_SIDE_PX = 512  # of the longer side, at which an object is looked for
_CLOSED_PX = 13
"""Lines across the object that are narrower belong to it, at that size."""


def object_mask(image: Image.Image, *, least: float = LEAST, with_holes: bool = True) -> Mask | None:
    """The largest thing that is brighter, or darker, than the border of the picture. (h, w).

    Otsu's cut divides the picture; the side that most of the border is on is the background. None where that says
    nothing: where the part fills the picture, is as bright as what surrounds it, or takes less than the share `least`.
    with_holes: whether its holes, which show the background, belong to it.
    """
    from scipy import ndimage

    scale = min(1.0, _SIDE_PX / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    grey = np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))
    cut, apart = otsu_cut(grey)
    bright = grey > cut
    share = float(np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).mean())
    if apart < _LEAST_APART or max(share, 1 - share) < _BORDER_ALIKE:
        return None
    across = max(3, round(_CLOSED_PX * max(width, height) / _SIDE_PX)) | 1
    stands_out = np.pad(~bright if share > 0.5 else bright, across)
    closed = ndimage.binary_closing(stands_out, np.ones((across, across), bool))[across:-across, across:-across]
    labels, count = ndimage.label(closed)
    if not count:
        return None
    found = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    if with_holes:
        found = ndimage.binary_fill_holes(found)
    if not least <= found.mean() <= 1 - _LEAST_BACKGROUND:
        return None
    large = Image.fromarray(found.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BILINEAR)
    return np.asarray(large) >= 128


def otsu_cut(grey: NDArray[np.uint8]) -> tuple[int, float]:
    """The grey value up to which a pixel is dark, and the share of the variance, 0 to 1, that both sides explain.

    # Otsu 1979, eqs. 12 and 18: the cut of the largest variance between both sides; its share is the measure eta.
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    shares, levels = counts / counts.sum(), np.arange(256)
    dark, sums = np.cumsum(shares), np.cumsum(shares * levels)
    mean = sums[-1]
    total = float((shares * (levels - mean) ** 2).sum())
    if total == 0:
        return 0, 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((mean * dark - sums) ** 2 / (dark * (1 - dark)), posinf=0.0)
    cut = int(between.argmax())
    return cut, min(float(between[cut]) / total, 1.0)
