"""Tiles of annotated pictures to learn from: each with what is annotated within it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_mask
from kenpin.data.tiling import Tiling, sizes_of, tile_example, tile_set
from kenpin.errors import DatasetError
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline
from kenpin.plural import counted
from kenpin.records import Detections, Example, ImageSource
from kenpin.targets import Target

SEEN = 0.25
"""Share of a defect, or of a tile, from which a tile shows it; a tile with less of it is not learned from."""


def tiles_to_learn(
    pictures: Dataset,
    target: Target,
    tiling: Tiling,
    ok_labels: Sequence[str],
    *,
    good_alone: bool = False,
    seed: int = 0,
) -> Dataset:
    """The tiles of all pictures that can be learned from, annotated.

    Of a defective picture with boxes or a mask those tiles are defective that show a quarter of a defect, or are filled
    by one to a quarter; tiles that show less of it are left out, and all others are good. Where boxes are learned, of
    the tiles without any as many are kept, at random, as there are with some. good_alone: good parts alone are learned
    from. Raises DatasetError for a defective picture on which nothing is marked, ImageError.
    """
    if target is Target.BOXES:
        tiles: Iterator[Example] = iter(_balanced(list(_with_boxes(pictures, tiling)), seed))
    else:
        tiles = _with_labels(pictures, tiling, ok_labels, good_alone)
    return tile_set(pictures, tiles, tiling)


def _with_labels(pictures: Dataset, tiling: Tiling, ok_labels: Sequence[str], good_alone: bool) -> Iterator[Example]:
    for row, (example, size_wh) in enumerate(zip(pictures, sizes_of(pictures), strict=True)):
        if example.label in ok_labels:
            for at_xy in tiling.tiles(size_wh):
                yield tile_example(example, row, at_xy, tiling, label=example.label)
        elif not good_alone:
            if not ok_labels:
                raise DatasetError(
                    f"{pictures.root}: no class is that of good parts, and tiles without a defect are of none; name it "
                    "with --ok-labels."
                )
            for at_xy, shows in _shown(example, size_wh, tiling):
                if shows is not None:
                    yield tile_example(example, row, at_xy, tiling, label=example.label if shows else ok_labels[0])


def _shown(example: Example, size_wh: tuple[int, int], tiling: Tiling) -> Iterator[tuple[tuple[int, int], bool | None]]:
    """Whether each tile shows a defect that is marked; None where it shows too little of it to say."""
    side = tiling.tile_px
    if example.boxes is not None and len(example.boxes):
        for at_xy in tiling.tiles(size_wh):
            shares = [_share(box, at_xy, side) for box in example.boxes.boxes_xyxy_px]
            yield at_xy, True if max(shares) >= SEEN else None if max(shares) > 0 else False
    elif example.mask is not None:
        mask = read_mask(ImageSource(example.mask))
        if mask.shape != size_wh[::-1]:
            raise DatasetError(
                f"{example.mask}: the mask has {mask.shape[1]} × {mask.shape[0]} pixels, its picture {size_wh[0]} × "
                f"{size_wh[1]}; export it again."
            )
        whole = min(int(mask.sum()), side * side)
        for x, y in tiling.tiles(size_wh):
            pixels = int(mask[y : y + side, x : x + side].sum())
            yield (x, y), True if pixels and pixels >= SEEN * whole else None if pixels else False
    else:
        raise DatasetError(
            f"{example.id}: is of class {example.label}, and nothing marks the defect, so that nobody knows which of "
            "its tiles show it; give it boxes or a mask, or train mahalanobis, which needs good parts alone."
        )


def _share(box: Sequence[float], at_xy: tuple[int, int], side: int) -> float:
    """How much of a box a tile shows, or how much of the tile it fills, whichever is more; 0 to 1."""
    x1, y1, x2, y2 = box
    x, y = at_xy
    width = max(0.0, min(x2, x + side) - max(x1, x))
    height = max(0.0, min(y2, y + side) - max(y1, y))
    return width * height / max(1e-9, min((x2 - x1) * (y2 - y1), side * side))


def _with_boxes(pictures: Dataset, tiling: Tiling) -> Iterator[Example]:
    for row, (example, size_wh) in enumerate(zip(pictures, sizes_of(pictures), strict=True)):
        boxes = example.boxes or Detections()
        for at_xy in tiling.tiles(size_wh):
            shares = [_share(box, at_xy, tiling.tile_px) for box in boxes.boxes_xyxy_px]
            kept = [index for index, share in enumerate(shares) if share >= SEEN]
            if kept or not any(shares):
                cut = _cut(boxes, kept, at_xy, tiling.tile_px, size_wh)
                yield tile_example(example, row, at_xy, tiling, boxes=cut, prefix=example.prefix)


def _cut(
    boxes: Detections, kept: Sequence[int], at_xy: tuple[int, int], side: int, size_wh: tuple[int, int]
) -> Detections:
    """These boxes as a tile shows them; PaliGemma's codes of their outlines are of the whole boxes, and are left."""
    x, y = at_xy
    frame = np.array([x, y, x, y], float)
    shown = [np.clip(np.subtract(boxes.boxes_xyxy_px[index], frame), 0, side).tolist() for index in kept]
    outlines = boxes.outlines
    return replace(
        boxes,
        boxes_xyxy_px=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in shown),
        labels=tuple(boxes.labels[index] for index in kept),
        segments=None,
        crowd=None if boxes.crowd is None else tuple(boxes.crowd[index] for index in kept),
        outlines=None
        if outlines is None
        else tuple(_cut_outline(outlines[index], at_xy, side, size_wh) for index in kept),
    )


def _cut_outline(
    outline: Outline | None, at_xy: tuple[int, int], side: int, size_wh: tuple[int, int]
) -> Outline | None:
    if outline is None:
        return None
    x, y = at_xy
    shown = mask_of(outline, size_wh)[y : y + side, x : x + side]
    tile: NDArray[np.bool_] = np.zeros((side, side), bool)
    tile[: shown.shape[0], : shown.shape[1]] = shown
    return outline_of(tile) if tile.any() else None


def _balanced(tiles: list[Example], seed: int) -> list[Example]:
    """All tiles with boxes and, in their order, as many without any, at random; at least one."""
    empty = [index for index, tile in enumerate(tiles) if not tile.boxes]
    wanted = max(1, len(tiles) - len(empty))
    draw = np.random.default_rng(seed).permutation(empty)[wanted:]
    left_out = set(draw.tolist())
    return [tile for index, tile in enumerate(tiles) if index not in left_out]


def told_tiles(tiles: Dataset, pictures: Dataset, tiling: Tiling) -> str:
    """A sentence on how many there are."""
    return (
        f"{counted(len(pictures), 'picture')} in {counted(len(tiles), 'tile')} of {tiling.tile_px} × {tiling.tile_px} "
        "pixels to learn from."
    )
