"""Masks of what an inspector looked at in some pictures, stored in a run for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kenpin.arrays import read_npz
from kenpin.errors import RunError
from kenpin.masks import Mask


@dataclass(frozen=True, slots=True, eq=False)
class LookedAt:
    """What of one picture was looked at."""

    mask: Mask
    """(h, w), as small as thumbnails are."""
    size_wh: tuple[int, int]
    """Of the displayed picture in pixels."""


def write_looked_at(path: Path, by_id: Mapping[str, LookedAt]) -> None:
    """Write the masks into a run."""
    kept = list(by_id.values())
    np.savez_compressed(
        path,
        ids=np.array(list(by_id), np.str_),
        sizes_wh=np.array([one.size_wh for one in kept], np.int64).reshape(-1, 2),
        shapes=np.array([one.mask.shape for one in kept], np.int64).reshape(-1, 2),
        masks=np.packbits(np.concatenate([np.zeros(0, bool), *(one.mask.ravel() for one in kept)])),
    )


def read_looked_at(path: Path | None) -> Mapping[str, LookedAt]:
    """The masks of `write_looked_at`; none where the run has no such file. Raises RunError for a damaged one."""
    if path is None or not path.exists():
        return {}
    try:
        kept = read_npz(path)
        shapes = kept["shapes"]
        areas = shapes.prod(axis=1)
        if (shapes < 1).any() or (kept["sizes_wh"] < 1).any() or areas.sum() > 8 * kept["masks"].size:
            raise ValueError("its masks are not what is there of them")
        masks = np.split(np.unpackbits(kept["masks"], count=int(areas.sum())).astype(bool), np.cumsum(areas)[:-1])
        return {
            id: LookedAt(mask.reshape(shape), (int(size[0]), int(size[1])))
            for id, mask, shape, size in zip(kept["ids"].tolist(), masks, shapes, kept["sizes_wh"], strict=True)
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise RunError(f"{path}: it holds no masks of pictures ({error}). Delete it or train again.") from error
