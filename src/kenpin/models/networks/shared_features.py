"""Features that other processes computed: rows of mapped files by the content hash of their picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kenpin.models.networks.feature_store import FeatureStore


class SharedFeatures:
    """Takes the place of the feature store while it is in use: what it lacks is computed, and not kept."""

    is_usable = True
    limit_bytes = 0
    """Of what it keeps of others."""

    def __init__(self, key: str, files: Mapping[Path, Sequence[str]]) -> None:
        """key: of the inspectors that it serves, see `feature_key`; files: `.npy` files of rows, and the content hash
        of each row's picture."""
        self.key = key
        self._rows = [np.load(file, mmap_mode="r") for file in files]
        self._at = {
            content: (number, row)
            for number, contents in enumerate(files.values())
            for row, content in enumerate(contents)
        }

    def get(self, contents: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The array of each content hash, None where there is none."""
        found = [self._at.get(content) for content in contents]
        return [None if at is None else np.asarray(self._rows[at[0]][at[1]]) for at in found]

    def put(self, contents: Iterable[str], arrays: NDArray[np.float32]) -> None:
        """Nothing is kept."""


Store: TypeAlias = FeatureStore | SharedFeatures
"""What keeps features, or knows those of others."""
_IN_USE: ContextVar[SharedFeatures | None] = ContextVar("shared features", default=None)


@contextmanager
def shared_features(features: SharedFeatures) -> Iterator[None]:
    """Within it, inspectors of its key take their features from there."""
    token = _IN_USE.set(features)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def features_in_use(key: str) -> SharedFeatures | None:
    """Those that serve inspectors of this key."""
    features = _IN_USE.get()
    return features if features is not None and features.key == key else None
