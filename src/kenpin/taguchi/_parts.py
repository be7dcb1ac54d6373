"""Parts as rows of numbers: checked, and taken block by block into one float64 buffer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError, UnitSpaceError
from kenpin.plural import counted

Array = NDArray[np.float64]

_BLOCK_BYTES = 32 << 20
"""Of a block in float64: as small as BLAS is not held up by what stands between its products."""


def as_parts(x: ArrayLike, items: int | None = None) -> NDArray[Any]:
    """Real numbers (parts, items) as they are, not copied. `items`: how many there must be. Raises ShapeError."""
    parts = np.asanyarray(x)
    if parts.ndim != 2 or parts.size == 0:
        raise ShapeError(f"unit space: parts have shape {parts.shape}; give (parts, items).")
    if items is not None and parts.shape[1] != items:
        raise ShapeError(f"unit space: a part has {counted(parts.shape[1], 'item')}; this space has {items}.")
    if parts.dtype.kind not in "fiub":
        raise ShapeError(f"unit space: parts are of kind {parts.dtype}; give real numbers.")
    return parts


def block_rows(items: int) -> int:
    """Parts in a block."""
    return max(64, _BLOCK_BYTES // (8 * items))


def blocks(parts: NDArray[Any]) -> Iterator[tuple[slice, Array]]:
    """Places of the parts, and those parts in float64; the same buffer each time, for the taker to change."""
    rows = min(len(parts), block_rows(parts.shape[1]))
    buffer = np.empty((rows, parts.shape[1]))
    for start in range(0, len(parts), rows):
        place = slice(start, min(start + rows, len(parts)))
        block = buffer[: place.stop - start]
        np.copyto(block, parts[place])
        yield place, block


def check_finite(sums: Array, parts: NDArray[Any], place: slice) -> None:
    """Refuse numbers that are none: `sums` over the items or the parts of a block show them. Raises UnitSpaceError."""
    if np.isfinite(sums).all():
        return
    wrong = np.argwhere(~np.isfinite(parts[place]))
    if not len(wrong):
        raise UnitSpaceError("unit space: the numbers are too large to be squared; measure them in a larger unit.")
    row, item = (int(found) for found in wrong[0])
    raise UnitSpaceError(
        f"unit space: item {item} of part {place.start + row} is not a finite number; measure it again."
    )
