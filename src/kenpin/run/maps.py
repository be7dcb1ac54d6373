"""Maps of the parts that a report shows, stored in a run as the values of their cells, in 16 bits each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.arrays import read_npz
from kenpin.errors import RunError
from kenpin.evaluation.mistakes import worst_first
from kenpin.heat import Region
from kenpin.records import JudgedExample

Mask = NDArray[np.bool_]
_HIGHEST = 2**16 - 1
_MASK_PX = 128  # longest side of a stored mask, as of the thumbnails that its outline is drawn on


@dataclass(frozen=True, slots=True, eq=False)
class PictureMap:
    """The map of one picture, with its mask of annotated defects."""

    grid: NDArray[np.float32]
    """Value of each cell, (rows, columns); stored with an error of at most 1/131,070 of the range of values."""
    region: Region
    size_wh: tuple[int, int]
    """Size of the displayed picture in pixels."""
    shows: str
    """Caption: the quantity on the map, such as the class that it speaks for."""
    mask: Mask | None = None
    """The annotated defective pixels, over the whole picture; None without a mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Maps of some judged pictures."""

    by_id: Mapping[str, PictureMap]
    unit: str
    of_score: bool
    """Whether a map's maximum is the score: then all maps have one scale, with the threshold on it."""
    held_out: bool
    """Whether the inspector had not seen the pictures in its training."""
    fails_from: float | None = None
    """The map value from which a part fails; None where there is none."""


def first_asked_for(judged: Sequence[JudgedExample], mistakes: int, others: int) -> list[str]:
    """Ids of the worst mistakes, at most `mistakes`, then of at most `others` other parts, highest score first."""
    wrong = [part.id for _, part in worst_first(judged)]
    rest = highest_scored([part for part in judged if part.id not in set(wrong)])
    return wrong[:mistakes] + [part.id for part in rest[:others]]


def highest_scored(judged: Sequence[JudgedExample]) -> list[JudgedExample]:
    """The parts that have a score, the highest first."""
    scored = [(part.prediction.defect_score, part) for part in judged if part.prediction.defect_score is not None]
    return [part for _, part in sorted(scored, key=lambda pair: (-pair[0], pair[1].id))]


def shrunk(mask: Mask) -> Mask:
    """A mask at the stored size: a pixel is defective where any of the pixels that it covers is."""
    longest = max(mask.shape)
    kept = [max(1, side * min(_MASK_PX, longest) // longest) for side in mask.shape]
    rows, columns = (np.arange(new) * side // new for new, side in zip(kept, mask.shape, strict=True))
    return np.asarray(np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1))


def write_maps(path: Path, maps: Maps) -> None:
    """Write the maps into a run."""
    kept = list(maps.by_id.values())
    masks = [np.zeros((0, 0), bool) if map_.mask is None else map_.mask for map_ in kept]
    ranges = np.array([(map_.grid.min(), map_.grid.max()) for map_ in kept], np.float32).reshape(-1, 2)
    levels = [
        np.rint((map_.grid - low) / ((high - low) or 1.0) * _HIGHEST).astype(np.uint16)
        for map_, (low, high) in zip(kept, ranges.astype(np.float64), strict=True)
    ]
    np.savez_compressed(
        path,
        ids=np.array(list(maps.by_id), np.str_),
        shows=np.array([map_.shows for map_ in kept], np.str_),
        sizes_wh=np.array([map_.size_wh for map_ in kept], np.int64).reshape(-1, 2),
        regions=np.array([map_.region for map_ in kept], np.float64).reshape(-1, 4),
        shapes=np.array([map_.grid.shape for map_ in kept], np.int64).reshape(-1, 2),
        ranges=ranges,
        levels=np.concatenate([np.zeros(0, np.uint16), *(map_.ravel() for map_ in levels)]),
        mask_shapes=np.array([map_.shape for map_ in masks], np.int64).reshape(-1, 2),
        masks=np.packbits(np.concatenate([np.zeros(0, bool), *(map_.ravel() for map_ in masks)])),
        unit=np.array(maps.unit),
        of_score=np.array(maps.of_score),
        held_out=np.array(maps.held_out),
        fails_from=np.array(np.nan if maps.fails_from is None else maps.fails_from),
    )


def read_maps(path: Path) -> Maps | None:
    """The maps of `write_maps`; None where the run has none. Raises RunError for a damaged file."""
    if not path.exists():
        return None
    try:
        kept = read_npz(path)
        shapes, mask_shapes = kept["shapes"], kept["mask_shapes"]
        levels = np.split(kept["levels"], np.cumsum(shapes.prod(axis=1))[:-1])
        areas = mask_shapes.prod(axis=1)
        if (mask_shapes < 0).any() or areas.sum() > 8 * kept["masks"].size:  # it would be filled up with zeros
            raise ValueError("its masks are larger than what is there of them")
        masks = np.split(np.unpackbits(kept["masks"], count=int(areas.sum())).astype(bool), np.cumsum(areas)[:-1])
        by_id = {}
        for number, id in enumerate(kept["ids"].tolist()):
            low, high = kept["ranges"][number].astype(np.float64)
            grid = low + levels[number].reshape(shapes[number]) / _HIGHEST * (high - low)
            by_id[id] = PictureMap(
                grid.astype(np.float32),
                tuple(kept["regions"][number].tolist()),
                tuple(kept["sizes_wh"][number].tolist()),
                str(kept["shows"][number]),
                masks[number].reshape(mask_shapes[number]) if areas[number] else None,
            )
        cut = float(kept["fails_from"])
        settings = bool(kept["of_score"]), bool(kept["held_out"]), None if np.isnan(cut) else cut
        return Maps(by_id, str(kept["unit"]), *settings)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise RunError(f"{path}: it holds no maps of pictures ({error}). Delete it or train again.") from error
