"""Embeddings of the judged pictures, stored in a run as their principal components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kenpin.arrays import read_npz
from kenpin.errors import RunError
from kenpin.metrics.projection import Projection


@dataclass(frozen=True, slots=True)
class ProjectedEmbedding:
    """Embeddings of judged pictures, by their principal components."""

    ids: tuple[str, ...]
    projection: Projection


def write_embedding(path: Path, embedding: ProjectedEmbedding) -> None:
    """Write the embedding into a run."""
    projection = embedding.projection
    np.savez_compressed(
        path,
        ids=np.array(embedding.ids),
        coordinates=projection.coordinates,
        shares=projection.shares,
        dimension=np.int64(projection.dimension),
    )


def read_embedding(path: Path) -> ProjectedEmbedding | None:
    """The embedding of `write_embedding`; None where the run has none. Raises RunError for a damaged file."""
    if not path.exists():
        return None
    try:
        arrays = read_npz(path)
        projection = Projection(arrays["coordinates"], arrays["shares"], int(arrays["dimension"]))
        return ProjectedEmbedding(tuple(arrays["ids"].tolist()), projection)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: it holds no embeddings of pictures ({error}). Delete it or train again.") from error
