"""Maps of the parts that a reader asks for first, kept in a run as the places' own numbers, in sixteen bits each."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import RunError
from kenpin.evaluation.mistakes import worst_first
from kenpin.heat import Region
from kenpin.records import JudgedExample

Mask = NDArray[np.bool_]
_HIGHEST = 2**16 - 1
_MASK_PX = 128  # longest side of a mask that is kept, as of the thumbnails that its outline is drawn on


@dataclass(frozen=True, slots=True, eq=False)
class PlaceMap:
    """What a map says of one picture, and where its defects are."""

    grid: NDArray[np.float32]
    """The places' numbers, (rows, columns); as they are kept, wrong by 1/131,070 of their range at most."""
    region: Region
    size_wh: tuple[int, int]
    """Of the picture as it is displayed."""
    shows: str
    mask: Mask | None = None
    """Where the annotation says that it is defective, over the whole picture; None where no mask is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Maps of some judged pictures."""

    by_id: Mapping[str, PlaceMap]
    unit: str
    of_score: bool
    """Whether a map's maximum decides: then one scale serves all, and the threshold lies on it."""
    held_out: bool
    """Whether the maps are by an inspector that had not seen the pictures, as the scores are."""
    fails_from: float | None = None
    """The number of a map from which a part fails; None where none decides."""


def first_asked_for(judged: Sequence[JudgedExample], mistakes: int, others: int) -> list[str]:
    """Ids of the worst mistakes, at most so many, and of as many others as asked for, highest score first."""
    wrong = [part.id for _, part in worst_first(judged)]
    rest = highest_scored([part for part in judged if part.id not in set(wrong)])
    return wrong[:mistakes] + [part.id for part in rest[:others]]


def highest_scored(judged: Sequence[JudgedExample]) -> list[JudgedExample]:
    """The parts that have a score, the highest first."""
    scored = [(part.prediction.defect_score, part) for part in judged if part.prediction.defect_score is not None]
    return [part for _, part in sorted(scored, key=lambda pair: (-pair[0], pair[1].id))]


def shrunk(mask: Mask) -> Mask:
    """A mask at the size in which it is kept: a pixel is defective where any of those that it stands for is."""
    longest = max(mask.shape)
    kept = [max(1, side * min(_MASK_PX, longest) // longest) for side in mask.shape]
    rows, columns = (np.arange(new) * side // new for new, side in zip(kept, mask.shape, strict=True))
    return np.asarray(np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1))


def write_maps(path: Path, maps: Maps) -> None:
    """Keep them in a run."""
    found = list(maps.by_id.values())
    masks = [np.zeros((0, 0), bool) if one.mask is None else one.mask for one in found]
    ranges = np.array([(one.grid.min(), one.grid.max()) for one in found], np.float32).reshape(-1, 2)
    levels = [
        np.rint((one.grid - low) / ((high - low) or 1.0) * _HIGHEST).astype(np.uint16)
        for one, (low, high) in zip(found, ranges.astype(np.float64), strict=True)
    ]
    np.savez_compressed(
        path,
        ids=np.array(list(maps.by_id), np.str_),
        shows=np.array([one.shows for one in found], np.str_),
        sizes_wh=np.array([one.size_wh for one in found], np.int64).reshape(-1, 2),
        regions=np.array([one.region for one in found], np.float64).reshape(-1, 4),
        shapes=np.array([one.grid.shape for one in found], np.int64).reshape(-1, 2),
        ranges=ranges,
        levels=np.concatenate([np.zeros(0, np.uint16), *(one.ravel() for one in levels)]),
        mask_shapes=np.array([one.shape for one in masks], np.int64).reshape(-1, 2),
        masks=np.packbits(np.concatenate([np.zeros(0, bool), *(one.ravel() for one in masks)])),
        unit=np.array(maps.unit),
        of_score=np.array(maps.of_score),
        held_out=np.array(maps.held_out),
        fails_from=np.array(np.nan if maps.fails_from is None else maps.fails_from),
    )


def read_maps(path: Path) -> Maps | None:
    """What was kept; None where the run keeps none. Raises RunError for a damaged file."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            kept = {name: arrays[name] for name in arrays.files}
        shapes, mask_shapes = kept["shapes"], kept["mask_shapes"]
        levels = np.split(kept["levels"], np.cumsum(shapes.prod(axis=1))[:-1])
        areas = mask_shapes.prod(axis=1)
        masks = np.split(np.unpackbits(kept["masks"], count=int(areas.sum())).astype(bool), np.cumsum(areas)[:-1])
        by_id = {}
        for number, id in enumerate(kept["ids"].tolist()):
            low, high = kept["ranges"][number].astype(np.float64)
            grid = low + levels[number].reshape(shapes[number]) / _HIGHEST * (high - low)
            by_id[id] = PlaceMap(
                grid.astype(np.float32),
                tuple(kept["regions"][number].tolist()),
                tuple(kept["sizes_wh"][number].tolist()),
                str(kept["shows"][number]),
                masks[number].reshape(mask_shapes[number]) if areas[number] else None,
            )
        cut = float(kept["fails_from"])
        settings = bool(kept["of_score"]), bool(kept["held_out"]), None if np.isnan(cut) else cut
        return Maps(by_id, str(kept["unit"]), *settings)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: it holds no maps of pictures ({error}). Delete it or train again.") from error
