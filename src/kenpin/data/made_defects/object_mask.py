"""Where the object is in a picture, by brightness alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from kenpin.data.picture_look import small_grey

Mask = NDArray[np.bool_]

_BORDER_ALIKE = 0.8
"""Share of the picture's border that must be on one side of the cut, to be the background."""
_LEAST_APART = 0.7
"""Share of the variance of brightness that two sides must explain, else they are no two things."""
_LEAST_OBJECT, _LEAST_BACKGROUND = 0.2, 0.02
"""Shares of the picture that an object and its background take, at least: less is a bore, or a mark on the part."""
_CLOSED_PX = 7
"""Lines across the object that are narrower belong to it."""


def object_mask(picture: Image.Image) -> Mask:
    """Which pixels show the object: (h, w). Otsu's cut divides the picture; the side that most of the border is on is
    the background. Where that says nothing, as in a picture that the part fills, all of them do.

    Measured on 256 pixels of the longer side at most, so its edges are as coarse. picture: mode L or RGB.
    """
    grey = small_grey(picture)
    small = _object_of(grey)
    width, height = picture.size
    rows = np.arange(height) * small.shape[0] // height
    columns = np.arange(width) * small.shape[1] // width
    return small[np.ix_(rows, columns)]


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


def _object_of(grey: NDArray[np.uint8]) -> Mask:
    whole = np.ones(grey.shape, bool)
    cut, apart = otsu_cut(grey)
    if apart < _LEAST_APART:
        return whole
    bright = grey > cut
    border = np.concatenate([bright[0], bright[-1], bright[1:-1, 0], bright[1:-1, -1]])
    share = border.mean()
    if max(share, 1 - share) < _BORDER_ALIKE:
        return whole
    found = _closed(~bright if share > 0.5 else bright)
    return found if _LEAST_OBJECT <= found.mean() <= 1 - _LEAST_BACKGROUND else whole


def _closed(mask: Mask) -> Mask:
    wider = Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MaxFilter(_CLOSED_PX))
    return np.asarray(wider.filter(ImageFilter.MinFilter(_CLOSED_PX)), bool)
