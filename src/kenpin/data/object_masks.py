"""Which pixels of a picture are the part's: by brightness, against what surrounds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.masks import Mask

_LEAST, _MOST = 0.01, 0.99  # shares of a picture that a part fills
_SIDE_PX = 512  # of the longer side, at which it is looked for


def object_mask(image: Image.Image) -> Mask | None:
    """The largest thing that is brighter, or darker, than the border of the picture, holes among it. (h, w).

    None where nothing stands out: the part then fills the picture, or is as bright as what surrounds it.
    # Otsu 1979: the cut between two kinds of grey values with the least variance within them
    """
    from scipy import ndimage

    grey = image.convert("L")
    scale = min(1.0, _SIDE_PX / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    pixels = np.asarray(grey.resize((width, height), Image.Resampling.BOX))
    bright = pixels > otsu(pixels)
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    stands_out = ~bright if border.mean() > 0.5 else bright
    labels, count = ndimage.label(stands_out)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    filled = ndimage.binary_fill_holes(labels == 1 + int(sizes.argmax()))
    if not _LEAST <= filled.mean() <= _MOST:
        return None
    large = Image.fromarray(filled.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BILINEAR)
    return np.asarray(large) >= 128


def otsu(pixels: NDArray[np.uint8]) -> int:
    """The grey value up to which pixels are of the darker kind."""
    counts = np.bincount(pixels.ravel(), minlength=256).astype(float)
    values = np.arange(256)
    darker, total = counts.cumsum(), (counts * values).cumsum()
    brighter = darker[-1] - darker
    with np.errstate(divide="ignore", invalid="ignore"):
        between = darker * brighter * (total / darker - (total[-1] - total) / brighter) ** 2
    return int(np.nanargmax(np.append(between[:-1], 0.0)))
