"""Box arithmetic on arrays: convert, clip, overlap, quantise. Boxes are xyxy in pixels unless a name says otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError

Array = NDArray[np.float64]


def _as_boxes(boxes: ArrayLike) -> Array:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ShapeError(f"boxes have shape {array.shape}; give (n, 4).")
    return array


def xyxy_from_xywh(boxes_xywh: ArrayLike) -> Array:
    """Boxes as left, top, width, height -> x1, y1, x2, y2. (n, 4) -> (n, 4). Raises ShapeError.

    >>> xyxy_from_xywh([[10, 20, 30, 40]]).tolist()
    [[10.0, 20.0, 40.0, 60.0]]
    """
    x, y, w, h = _as_boxes(boxes_xywh).T
    return np.stack([x, y, x + w, y + h], axis=1)


def xywh_from_xyxy(boxes_xyxy: ArrayLike) -> Array:
    """Boxes as x1, y1, x2, y2 -> left, top, width, height. (n, 4) -> (n, 4). Raises ShapeError."""
    x1, y1, x2, y2 = _as_boxes(boxes_xyxy).T
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)


def xyxy_px_from_cxcywh_unit(boxes_cxcywh_unit: ArrayLike, size_wh: tuple[int, int]) -> Array:
    """Boxes as centre and size, in fractions of the picture (YOLO) -> xyxy in pixels. (n, 4) -> (n, 4).

    Raises ShapeError.
    """
    cx, cy, w, h = _as_boxes(boxes_cxcywh_unit).T
    width, height = size_wh
    return np.stack([(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height], axis=1)


def cxcywh_unit_from_xyxy_px(boxes_xyxy_px: ArrayLike, size_wh: tuple[int, int]) -> Array:
    """Boxes as xyxy in pixels -> centre and size, in fractions of the picture (YOLO). (n, 4) -> (n, 4).

    Raises ShapeError.

    >>> cxcywh_unit_from_xyxy_px([[10, 20, 40, 60]], (100, 200)).tolist()
    [[0.25, 0.2, 0.3, 0.2]]
    """
    x1, y1, x2, y2 = _as_boxes(boxes_xyxy_px).T
    width, height = size_wh
    return np.stack([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height], axis=1)


def clip(boxes_xyxy_px: ArrayLike, size_wh: tuple[int, int]) -> Array:
    """Boxes clipped to the picture. (n, 4) -> (n, 4). Raises ShapeError."""
    width, height = size_wh
    return np.clip(_as_boxes(boxes_xyxy_px), 0.0, np.array([width, height, width, height], dtype=np.float64))


def area(boxes_xyxy: ArrayLike) -> Array:
    """Area of each box; an inverted box has area 0. (n, 4) -> (n,). Raises ShapeError."""
    x1, y1, x2, y2 = _as_boxes(boxes_xyxy).T
    areas: Array = np.maximum(x2 - x1, 0.0) * np.maximum(y2 - y1, 0.0)
    return areas


def intersection(first_xyxy: ArrayLike, second_xyxy: ArrayLike) -> Array:
    """Shared area of every pair of boxes. (n, 4), (m, 4) -> (n, m). Raises ShapeError."""
    first, second = _as_boxes(first_xyxy), _as_boxes(second_xyxy)
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared: Array = np.prod(np.maximum(bottom_right - top_left, 0.0), axis=2)
    return shared


def iou(first_xyxy: ArrayLike, second_xyxy: ArrayLike) -> Array:
    """Intersection over union of every pair of boxes; 0 where both are empty. (n, 4), (m, 4) -> (n, m).

    Raises ShapeError.

    >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(2).tolist()
    [[0.33, 0.0]]
    """
    shared = intersection(first_xyxy, second_xyxy)
    union = area(first_xyxy)[:, None] + area(second_xyxy)[None, :] - shared
    overlaps: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def quantise(boxes_xyxy_px: ArrayLike, size_wh: tuple[int, int], bins: int) -> NDArray[np.int64]:
    """Boxes in pixels -> bins 0 … bins-1, clipped to the picture. (n, 4) -> (n, 4) int64. Raises ShapeError.

    >>> quantise([[0, 0, 100, 50]], (100, 100), bins=1000).tolist()
    [[0, 0, 999, 500]]
    """
    boxes, scale = _as_boxes(boxes_xyxy_px), np.array([*size_wh, *size_wh], dtype=np.float64)
    # floor, not round: the right edge of the picture belongs to the last bin, and bin number `bins` does not exist
    return np.clip(np.floor(boxes / scale * bins), 0, bins - 1).astype(np.int64)


def dequantise(bins_xyxy: ArrayLike, size_wh: tuple[int, int], bins: int) -> Array:
    """Boxes in bins -> pixels, at the bins' centres; the inverse of `quantise`. (n, 4) -> (n, 4). Raises ShapeError.

    >>> dequantise([[0, 0, 999, 500]], (100, 100), bins=1000).round(2).tolist()
    [[0.05, 0.05, 99.95, 50.05]]
    """
    return (_as_boxes(bins_xyxy) + 0.5) / bins * np.array([*size_wh, *size_wh], dtype=np.float64)
