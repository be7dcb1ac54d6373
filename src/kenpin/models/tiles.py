"""Pictures judged tile by tile: maps are stitched, boxes joined, and of all else the worst tile is the part's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.framed_set import framed_set
from kenpin.data.images import displayed_size
from kenpin.data.tiles_to_learn import tiles_to_learn
from kenpin.data.tiling import Tiling, tile_of, tiles_of
from kenpin.errors import ImageError
from kenpin.models.contract import Judge, Localised, OnError, Progress
from kenpin.models.deciding import CELLS, one_object
from kenpin.models.joined_boxes import joined
from kenpin.models.outputs import Outputs
from kenpin.models.stitching import SeenInTiles, stitched
from kenpin.records import Example, ImageSource, Prediction
from kenpin.targets import Target

if TYPE_CHECKING:  # who judges by a package does not wait for the options of a training
    from kenpin.config import ViewOptions
    from kenpin.models.copies import AugmentedCopies

PREDICTION = "prediction"
"""Name among the raw outputs of a prediction that was joined from those of the tiles."""
_TOGETHER = 256  # pictures of which tiles, or framed pictures, are one data set
_MOST_BYTES = 64_000_000
"""Of the cells of a picture's tiles that wait for its map; of more, the tiles that decide are looked at again."""

Plain = Callable[..., Iterator[tuple[list[Example], Outputs]]]
"""`outputs_of` for pictures as they are."""
Rows = Iterator[tuple[int, Outputs | None]]
"""Rows of pictures with the outputs of each, None where it cannot be opened."""


def tiling_of(judge: Judge) -> Tiling | None:
    """The tiles that a judge looks at; None where it looks at whole pictures."""
    found: Tiling | None = getattr(judge, "tiling", None)
    return found


def tiling_by(options: ViewOptions, unit_px: float = 1) -> Tiling | None:
    """The tiles of a family's options. unit_px: side in pixels of the picture of the network's coarsest cells; tiles
    begin at multiples of it where it is a whole number."""
    if options.tile_px is None:
        return None
    return Tiling(options.tile_px, options.overlap, int(unit_px) if unit_px == int(unit_px) else 1)


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """What an inspector learns from."""

    pictures: Dataset
    rows: tuple[int, ...]
    """Row of the picture that each of them was made of, rising."""
    copies: AugmentedCopies | None = None
    """Those that each is followed by."""

    @property
    def apiece(self) -> int:
        """How many follow each other that are of one picture or tile."""
        return 1 if self.copies is None else 1 + self.copies.count

    @property
    def originals(self) -> int:
        """How many there are without copies."""
        return len(self.rows) // self.apiece

    @property
    def owners(self) -> tuple[int, ...]:
        """Number of the part that each of them is of; where all are of one, of its tile."""
        if len({*self.rows}) > 1:
            return self.rows
        return tuple(number // self.apiece for number in range(len(self.rows)))


def for_learning(
    judge: Judge,
    pictures: Dataset,
    target: Target,
    ok_labels: Sequence[str],
    *,
    good_alone: bool = False,
    seed: int = 0,
    copied: bool = True,
) -> LearnedFrom:
    """What an inspector learns from: the pictures as it frames them, or of one that looks at tiles those that can be
    learned from, as `tiles_to_learn` gives them. copied: with copies of each where it is to have them. Raises
    DatasetError, ImageError."""
    tiling, framing = tiling_of(judge), getattr(judge, "framing", None)
    if framing is not None:
        pictures, _ = framed_set(pictures, framing, annotated=not good_alone)
    rows: Sequence[int] = range(len(pictures))
    if tiling is not None:
        pictures = tiles_to_learn(pictures, target, tiling, ok_labels, good_alone=good_alone, seed=seed)
        rows = [tile_of(tile).row for tile in pictures]
    copies: AugmentedCopies | None = getattr(judge, "copies", None) if copied else None
    if copies is None:
        return LearnedFrom(pictures, tuple(rows))
    return LearnedFrom(copies.added_to(pictures), tuple(row for row in rows for _ in range(1 + copies.count)), copies)


def outputs_by_tiles(
    judge: Judge,
    tiling: Tiling,
    dataset: Dataset,
    *,
    plain: Plain,
    progress: Progress | None = None,
    on_error: OnError | None,
    batch_size: int | None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """One picture at a time with its raw outputs, one row, in the data set's order. plain: gives those of tiles."""

    def rows_of(pictures: Dataset, sizes: Sequence[tuple[int, int]]) -> Rows:
        tiles = tiles_of(pictures, sizes, tiling)
        first = np.cumsum([0, *(len(tiling.tiles(size)) for size in sizes)])

        def again(row: int, wanted: Sequence[int]) -> NDArray[np.float32]:
            some = tiles.select(int(first[row]) + tile for tile in wanted)
            found = plain(some, on_error=None, batch_size=batch_size)
            return np.asarray(_concatenated([outputs for _, outputs in found])[CELLS])

        for row, outputs in _by_picture(tiles, pictures, sizes, tiling, plain, on_error, batch_size):
            found = None
            if outputs is not None:
                found = joined_outputs(judge, tiling, sizes[row], outputs, partial(again, row))
            yield row, found

    yield from one_by_one(dataset, rows_of, progress, on_error)


def one_by_one(
    dataset: Dataset,
    rows_of: Callable[[Dataset, Sequence[tuple[int, int]]], Rows],
    progress: Progress | None,
    on_error: OnError | None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """One picture at a time with its raw outputs, some pictures being cut or framed together. rows_of: of pictures and
    their sizes, in order. Raises ImageError where no `on_error` is given."""
    done = 0
    for start in range(0, len(dataset), _TOGETHER):
        some = dataset.select(range(start, min(start + _TOGETHER, len(dataset))))
        pictures, sizes, failed = _sized(some, on_error)
        done += len(some) - len(pictures)
        for row, outputs in rows_of(pictures, sizes):
            done += 1
            if outputs is not None:
                yield [replace(pictures[row], size_wh=sizes[row])], outputs
            if progress is not None:
                progress("predicting", done, len(dataset))
        if failed is not None:
            raise failed


def _sized(pictures: Dataset, on_error: OnError | None) -> tuple[Dataset, list[tuple[int, int]], ImageError | None]:
    """The pictures whose headers can be read, and their sizes; without an `on_error` up to the first one that cannot,
    and its error."""
    rows, sizes = [], []
    for row, example in enumerate(pictures):
        try:
            sizes.append(example.size_wh or displayed_size(example.image))
            rows.append(row)
        except ImageError as error:
            if on_error is None:
                return pictures.select(rows), sizes, error
            on_error(example, error)
    return pictures.select(rows), sizes, None


def _by_picture(
    tiles: Dataset,
    pictures: Dataset,
    sizes: Sequence[tuple[int, int]],
    tiling: Tiling,
    plain: Plain,
    on_error: OnError | None,
    batch_size: int | None,
) -> Iterator[tuple[int, Outputs | None]]:
    """Rows of the pictures with the outputs of all their tiles, None where one cannot be opened, as they are done."""
    bad: dict[int, ImageError] = {}

    def note(tile: Example, error: ImageError) -> None:
        bad.setdefault(tile_of(tile).row, error)

    wanted = [len(tiling.tiles(size)) for size in sizes]
    most = max(wanted, default=0)
    waiting: list[Outputs] = []
    row = 0

    def finished() -> Iterator[tuple[int, Outputs | None]]:
        nonlocal row, waiting
        while row < len(wanted):
            if row in bad:
                if on_error is not None:
                    on_error(pictures[row], bad[row])
                yield row, None
            elif sum(map(_count, waiting)) >= wanted[row]:
                together = _concatenated(waiting)
                yield row, {name: rows[: wanted[row]] for name, rows in together.items()}
                rest = {name: rows[wanted[row] :] for name, rows in together.items()}
                waiting = [rest] if _count(rest) else []
            else:
                return
            row += 1

    for examples, outputs in plain(tiles, on_error=None if on_error is None else note, batch_size=batch_size):
        sound = [index for index, tile in enumerate(examples) if tile_of(tile).row not in bad]
        if sound:
            waiting.append({name: rows[sound] for name, rows in _held(outputs, most).items()})
        yield from finished()
    yield from finished()


def _held(outputs: Outputs, tiles: int) -> Outputs:
    """The outputs of some of a picture's tiles, the cells with no number where those of all would take too much
    memory."""
    if CELLS not in outputs or outputs[CELLS][:1].nbytes * tiles <= _MOST_BYTES:
        return outputs
    return {**outputs, CELLS: np.empty((_count(outputs), 0), np.float32)}


def _count(outputs: Outputs) -> int:
    return len(next(iter(outputs.values())))


def _concatenated(parts: Sequence[Outputs]) -> Outputs:
    """Rows of all parts; of answers of different lengths the shorter ones end with zeros, as those of a batch do."""
    found: dict[str, NDArray[Any]] = {}
    for name in parts[0]:
        rows = [part[name] for part in parts]
        if rows[0].ndim > 1:
            longest = max(row.shape[1] for row in rows)
            rows = [np.pad(row, [(0, 0), (0, longest - row.shape[1]), *[(0, 0)] * (row.ndim - 2)]) for row in rows]
        found[name] = np.concatenate(rows)
    return found


def outputs_of_images(
    judge: Judge,
    tiling: Tiling,
    images: Sequence[Image],
    *,
    plain: Callable[[Sequence[Image]], Outputs],
    batch_size: int,
) -> Outputs:
    """A row of raw outputs for each picture, mode RGB. plain: gives those of tiles."""
    rows = []
    for image in images:
        places = tiling.tiles(image.size)
        tiles = iter([tiling.cut(image, at_xy) for at_xy in places])
        parts = []
        while some := list(islice(tiles, batch_size)):
            parts.append(_held(plain(some), len(places)))

        def again(wanted: Sequence[int], image: Image = image) -> NDArray[np.float32]:
            return np.asarray(plain([tiling.cut(image, tiling.tiles(image.size)[tile]) for tile in wanted])[CELLS])

        rows.append(joined_outputs(judge, tiling, image.size, _concatenated(parts), again))
    return {name: stacked([row[name] for row in rows]) for name in rows[0]}


def stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One row after another; those of different shapes, as maps of pictures of different sizes, as objects."""
    if len({row.shape[1:] for row in rows}) == 1:
        return np.concatenate(rows)
    found = np.empty(len(rows), object)
    for index, row in enumerate(rows):
        found[index] = row[0]
    return found


def joined_outputs(
    judge: Judge,
    tiling: Tiling,
    size_wh: tuple[int, int],
    outputs: Outputs,
    again: Callable[[Sequence[int]], NDArray[np.float32]],
) -> Outputs:
    """Raw outputs of a picture, one row, from those of its tiles, a row each. again: computes the `cells` of some
    tiles, by their indices, where those of all were not kept."""
    if isinstance(judge, Localised):
        found = {"map": stitched(outputs["map"], tiling, size_wh)[None]}
        if (kept := outputs.get(CELLS)) is not None:
            cells_of = (lambda wanted: kept[list(wanted)]) if kept.shape[1] else again
            found[CELLS] = one_object(SeenInTiles(outputs["map"], tiling, size_wh, cells_of))
        return found
    places = tiling.tiles(size_wh)
    side = tiling.tile_px
    examples = [Example(f"{x},{y}", ImageSource(), size_wh=(side, side)) for x, y in places]
    predictions = judge.decode(outputs, examples)
    if any(prediction.detections is not None for prediction in predictions):
        return {PREDICTION: one_object(joined(predictions, places, side, size_wh))}
    worst = worst_of(predictions)
    return {name: rows[worst : worst + 1] for name, rows in outputs.items()}


def worst_of(predictions: Sequence[Prediction]) -> int:
    """Index of the tile with the highest defect score: it is the part's."""
    return max(range(len(predictions)), key=lambda index: predictions[index].defect_score or 0.0)


def decoded(outputs: Outputs, examples: Sequence[Example]) -> list[Prediction] | None:
    """The predictions that were joined from those of tiles; None where a judge is to decode the outputs."""
    if PREDICTION not in outputs:
        return None
    return [
        replace(prediction, id=example.id) for prediction, example in zip(outputs[PREDICTION], examples, strict=True)
    ]
