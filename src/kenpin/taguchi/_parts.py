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
"""Size of a block in float64: small, yet large enough that BLAS works most of the time."""


def as_parts(x: ArrayLike, items: int | None = None) -> NDArray[Any]:
    """Parts as an array of real numbers (parts, items), not copied; `items`: required number. Raises ShapeError."""
    parts = np.asanyarray(x)
    if parts.ndim != 2 or parts.size == 0:
        raise ShapeError(f"unit space: parts have shape {parts.shape}; give (parts, items).")
    if items is not None and parts.shape[1] != items:
        raise ShapeError(f"unit space: a part has {counted(parts.shape[1], 'item')}; this space has {items}.")
    if parts.dtype.kind not in "fiub":
        raise ShapeError(f"unit space: parts are of kind {parts.dtype}; give real numbers.")
    return parts


def block_rows(items: int) -> int:
    """Number of parts in a block."""
    return max(64, _BLOCK_BYTES // (8 * items))


def blocks(parts: NDArray[Any]) -> Iterator[tuple[slice, Array]]:
    """The rows of each block of parts, with these parts in float64, in one buffer that the caller may overwrite."""
    rows = min(len(parts), block_rows(parts.shape[1]))
    buffer = np.empty((rows, parts.shape[1]))
    for start in range(0, len(parts), rows):
        chosen = slice(start, min(start + rows, len(parts)))
        block = buffer[: chosen.stop - start]
        np.copyto(block, parts[chosen])
        yield chosen, block


def check_finite(sums: Array, parts: NDArray[Any], rows: slice) -> None:
    """Refuse the rows that hold a number that is not finite, as `sums` over their items or parts show.

    Raises UnitSpaceError.
    """
    if np.isfinite(sums).all():
        return
    wrong = np.argwhere(~np.isfinite(parts[rows]))
    if not len(wrong):
        raise UnitSpaceError("unit space: the numbers are too large to be squared; measure them in a larger unit.")
    row, item = (int(found) for found in wrong[0])
    raise UnitSpaceError(
        f"unit space: item {item} of part {rows.start + row} is not a finite number; measure it again."
    )
