"""Arrays of a run's files: what is missing, damaged, too large or no number is an error when they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.arrays import read_npz
from kenpin.errors import RunError
from kenpin.run.seal import REMEDY


def read_run_arrays(path: Path, needed: Iterable[str] = ()) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file of a run, by name. Raises RunError, where one of `needed` is missing, too, and where
    one holds NaN or infinity, with which a score would be none."""
    try:
        arrays = read_npz(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); {REMEDY}.") from error
    for name in needed:
        if name not in arrays:
            raise RunError(f"{path}: holds no array {name}; {REMEDY}.")
    for name, array in arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise RunError(f"{path}: array {name} holds numbers that are none (NaN or infinity); {REMEDY}.")
    return arrays
