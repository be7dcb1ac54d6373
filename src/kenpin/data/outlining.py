"""Outlines of the boxes of a data set: those that it holds, or those of the regions of its mask pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kenpin.data.images import read_mask
from kenpin.errors import DatasetError
from kenpin.masks import Mask, mask_of, outline_of, union_of
from kenpin.outlines import Outline
from kenpin.records import Box, Example, ImageSource


def regions_of(mask: Mask) -> tuple[tuple[Box, Outline], ...]:
    """Box and outline of each connected region of a mask (corners connect), from top to bottom."""
    labels, boxes = _labelled(mask)
    return tuple((box, _outline_of_region(labels, number, box)) for number, box in enumerate(boxes, start=1))


def boxes_of_mask(mask: Mask) -> tuple[Box, ...]:
    """The boxes around a mask's connected regions, x2 and y2 just past the last pixel, from top to bottom."""
    return _labelled(mask)[1]


def outlines_of_example(example: Example) -> tuple[Outline | None, ...] | None:
    """The outlines of an example's boxes: its own, or where it has a mask whose regions they are, these.

    None where there are none. Raises ImageError.
    """
    boxes = example.boxes
    if boxes is None or boxes.outlines is not None or example.mask is None:
        return None if boxes is None else boxes.outlines
    regions = regions_of(read_mask(ImageSource(example.mask)))
    if tuple(box for box, _ in regions) != boxes.boxes_xyxy_px:
        return None
    return tuple(outline for _, outline in regions)


def outlines_to_write(example: Example, size_wh: tuple[int, int]) -> tuple[Outline | None, ...]:
    """For each of an example's boxes what is to be drawn in a picture of this size; None for the box itself.

    A mask without a pixel inside cannot be drawn, and its box is. Raises DatasetError for a mask of another size,
    ImageError.
    """
    outlines = outlines_of_example(example) or (None,) * len(example.boxes or ())
    if foreign := [one for one in outlines if one and one.size_wh not in (None, size_wh)]:
        raise DatasetError(
            f"{example.id}: a mask has {foreign[0].size_wh} pixels, the picture {size_wh}. Export the masks again."
        )
    return tuple(one if one is None or one.runs is None or any(one.runs[1::2]) else None for one in outlines)


def mask_of_regions(outlines: Sequence[Outline], size_wh: tuple[int, int]) -> Mask | None:
    """The mask of a picture, (h, w), whose connected regions (corners connect) are these outlines, one each.

    None where no mask has them: two touch, or one has several parts or none. Raises ShapeError.
    """
    mask = union_of(outlines, size_wh)
    labels, boxes = _labelled(mask)
    regions = [np.unique(labels[mask_of(outline, size_wh)]).tolist() for outline in outlines]
    return mask if sorted(regions) == [[number] for number in range(1, len(boxes) + 1)] else None


def truth_mask(example: Example, size_wh: tuple[int, int]) -> Mask | None:
    """Which pixels of a picture are defective, (h, w), by its mask picture or the outlines of its boxes.

    None where neither says so of every box. Raises ImageError, ShapeError.
    """
    if example.mask is not None:
        return read_mask(ImageSource(example.mask))
    boxes = example.boxes
    if boxes is None or boxes.outlines is None or None in boxes.outlines:
        return None
    return union_of(boxes.outlines, size_wh) if len(boxes) else None


def _labelled(mask: Mask) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int32]], tuple[Box, ...]]:
    from scipy import ndimage

    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    boxes = tuple(
        (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        for rows, columns in ndimage.find_objects(labels)
    )
    return labels, boxes


def _outline_of_region(labels: np.ndarray[tuple[int, int], np.dtype[np.int32]], number: int, box: Box) -> Outline:
    x1, y1, x2, y2 = map(int, box)
    mask = np.zeros(labels.shape, bool)
    mask[y1:y2, x1:x2] = labels[y1:y2, x1:x2] == number
    return outline_of(mask)
