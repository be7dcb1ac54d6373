"""Which cells of a map show the defect of a picture: those that a mask or a box covers, or the farthest ones."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kenpin.data.images import displayed_size
from kenpin.data.outlining import truth_mask
from kenpin.errors import DatasetError
from kenpin.heat import Region
from kenpin.masks import Mask
from kenpin.records import Example

_COVERED = 0.5
"""A cell shows a defect from such a share on of what the most covered cell has of it."""


class MarkedBy(StrEnum):
    """What says where in a picture its defect is."""

    MASK = "mask"
    BOXES = "boxes"
    NOTHING = "nothing"


_TAKEN = {MarkedBy.MASK: 1.0, MarkedBy.BOXES: 0.5, MarkedBy.NOTHING: 0.1}
"""Share of the covered cells that are taken, the farthest from good parts: a box holds good surface too, and of a
picture without a mark all cells are covered."""


def marked_by(example: Example) -> MarkedBy:
    """What marks the defect of a picture."""
    if example.mask is not None:
        return MarkedBy.MASK
    if example.boxes is None or not len(example.boxes):
        return MarkedBy.NOTHING
    outlines = example.boxes.outlines
    return MarkedBy.MASK if outlines is not None and None not in outlines else MarkedBy.BOXES


def cells_of_defect(example: Example, distances: Tensor, region: Region) -> Tensor:
    """Indices of the cells that show its defect, row by row, the farthest first; none where all that is marked lies
    beyond what the network sees. distances: (rows, columns); region: what the cells cover, as shares of the picture's
    sides, perhaps beyond its right and lower edge. Raises DatasetError for a mask of another size, ImageError."""
    marks, far = marked_by(example), distances.flatten()
    covered = torch.arange(len(far))
    if marks is not MarkedBy.NOTHING:
        size_wh = example.size_wh or displayed_size(example.image)
        mask = _mask_of(example, size_wh)
        if mask.any():
            covered = torch.from_numpy(_covered(mask, region, tuple(distances.shape)))
        else:
            marks = MarkedBy.NOTHING
    taken = math.ceil(_TAKEN[marks] * len(covered))
    return covered[far[covered].argsort(descending=True, stable=True)[:taken]]


def _mask_of(example: Example, size_wh: tuple[int, int]) -> Mask:
    """What is marked, (h, w), boxes being filled."""
    mask = truth_mask(example, size_wh)
    if mask is not None:
        if mask.shape != size_wh[::-1]:
            raise DatasetError(
                f"{example.mask or example.id}: the mask has {mask.shape[1]} × {mask.shape[0]} pixels, its picture "
                f"{size_wh[0]} × {size_wh[1]}; export it again."
            )
        return mask
    filled = np.zeros(size_wh[::-1], bool)
    for x1, y1, x2, y2 in () if example.boxes is None else example.boxes.boxes_xyxy_px:
        filled[max(0, math.floor(y1)) : max(0, math.ceil(y2)), max(0, math.floor(x1)) : max(0, math.ceil(x2))] = True
    return filled


def _covered(mask: Mask, region: Region, shape: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Indices of the cells that are covered by the mask half as much as the most covered one is, or more."""
    height, width = mask.shape
    x1, y1, x2, y2 = (share * side for share, side in zip(region, (width, height) * 2, strict=True))
    beyond = [(0, max(0, math.ceil(reach - side))) for reach, side in ((y2, height), (x2, width))]
    seen = Image.fromarray(np.pad(mask, beyond).astype(np.float32))
    shares = np.asarray(seen.resize((shape[1], shape[0]), Image.Resampling.BOX, (x1, y1, x2, y2))).ravel()
    return np.flatnonzero((shares > 0) & (shares >= _COVERED * shares.max()))
