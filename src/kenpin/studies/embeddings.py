"""Embeddings that a study compares: what `kenpin embed` or `numpy.save` wrote, with their ids."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.arrays import read_npy, read_npz
from kenpin.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors (n, d), each with the id of its part."""

    vectors: NDArray[np.floating[Any]]
    ids: Sequence[str]
    where: str = "embeddings"
    """The file that they stand in, for messages."""


def read_embeddings(path: str | Path) -> Embeddings:
    """What `kenpin embed` or `numpy.save` wrote; those without ids are numbered from 1. Raises DatasetError."""
    remedy = "give the vectors.npz that `kenpin embed` writes, or an .npy file of (n, d) floating-point numbers"
    ids: list[str] = []
    try:
        if zipfile.is_zipfile(path):
            loaded = read_npz(Path(path))
            found, ids = loaded["vectors"], loaded["ids"].tolist() if "ids" in loaded else []
        else:
            found = read_npy(Path(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: cannot be read as embeddings; {remedy}.") from error
    if found.ndim != 2 or found.dtype.kind != "f":
        raise DatasetError(f"{path}: holds an array of shape {found.shape} and kind {found.dtype}; {remedy}.")
    named = len(ids) == len(found)
    return Embeddings(found, ids if named else [f"embedding {n}" for n in range(1, len(found) + 1)], str(path))
