"""Copies of held-out good parts with made defects: planned, made some at a time, and judged by a fit that has seen
neither their part nor what was pasted into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of, read_grey_or_rgb
from kenpin.data.made_defects import KINDS, Kind, make_defect
from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.records import Example, ImageSource, Prediction

_AT_ONCE = 8  # copies in memory


@dataclass(frozen=True)
class Copy:
    """A made defect, before it is made."""

    part: int
    """Row of the picture that it is made in."""
    source: int
    """Row of the picture that a patch is cut from."""
    kind: Kind
    seed: int


@dataclass(frozen=True)
class JudgedCopies:
    """Copies that were judged by what had seen neither their part nor their source."""

    copies: tuple[Copy, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    """Not calibrated."""

    @property
    def scores(self) -> tuple[float, ...]:
        """Of each copy."""
        return tuple(score for one in self.predictions if (score := one.defect_score) is not None)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of each copy."""
        return tuple(copy.kind for copy in self.copies)

    def of_rows(self, rows: Sequence[int]) -> JudgedCopies:
        """The copies that are made of nothing but these pictures, which become numbers 0, 1, …"""
        number = {row: at for at, row in enumerate(rows)}
        kept = [
            (Copy(number[copy.part], number[copy.source], copy.kind, copy.seed), prediction)
            for copy, prediction in zip(self.copies, self.predictions, strict=True)
            if copy.part in number and copy.source in number
        ]
        return JudgedCopies(*map(tuple, zip(*kept, strict=True))) if kept else NONE_MADE


NONE_MADE = JudgedCopies()


@dataclass(frozen=True)
class Copies:
    """Copies to be made of pictures that are held out."""

    pictures: Dataset
    folds: tuple[int, ...]
    """Which of the pictures are held out together, (n,)."""
    planned: tuple[Copy, ...]

    def judged(self, found: Mapping[int, Prediction]) -> JudgedCopies:
        """All copies, with the predictions that `of_fold` gave."""
        return JudgedCopies(self.planned, tuple(found[number] for number in range(len(self.planned))))

    def of_fold(self, predictor: Predictor, fold: int) -> Iterator[tuple[int, Prediction]]:
        """Number and prediction of each copy of the pictures of a fold. predictor: that has not seen them."""
        numbers = [number for number, copy in enumerate(self.planned) if self.folds[copy.part] == fold]
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            made = Dataset.from_examples(self._made(number) for number in some)
            yield from zip(some, predictor.predict(made), strict=True)

    def _made(self, number: int) -> Example:
        copy = self.planned[number]
        part = self.pictures[copy.part]
        picture = read_grey_or_rgb(self.pictures.source_of(part))
        source = None
        if copy.kind == "patch" and copy.source != copy.part:
            source = read_grey_or_rgb(self.pictures.source_of(self.pictures[copy.source]))
        made = make_defect(picture, copy.kind, copy.seed, source=source)
        name = f"{part.id}, made {copy.kind} {number}"
        return Example(id=name, image=ImageSource(name, png_of(made.picture, name)))


def plan_copies(pictures: Dataset, defective: Sequence[bool], folds: Sequence[int], count: int, *, seed: int) -> Copies:
    """So many copies of the good ones of these pictures, each part in turn and each kind as often.

    folds: (n,), which pictures are held out together; a patch comes from one of the same fold, so that nothing in the
    copy was learned from. None where no picture is good.
    """
    good = [row for row, bad in enumerate(defective) if not bad]
    if not count or not good:
        return Copies(pictures, tuple(folds), ())
    draw = np.random.default_rng(seed)
    together: dict[int, list[int]] = {}
    for row in good:
        together.setdefault(folds[row], []).append(row)
    rounds = -(-count // len(good))
    parts = np.concatenate([draw.permutation(good) for _ in range(rounds)])[:count].tolist()
    kinds = [KINDS[number] for number in draw.permutation(count) % len(KINDS)]
    planned = tuple(
        Copy(part, int(draw.choice(together[folds[part]])), kind, int(draw.integers(2**32)))
        for part, kind in zip(parts, kinds, strict=True)
    )
    return Copies(pictures, tuple(folds), planned)


def refuse_made_defects(count: int, judged: Dataset, defective: Sequence[bool]) -> None:
    """Refuse to make defects in the rows of a table, and where real ones decide. Raises OptionError."""
    if not count:
        return
    if judged.item_names:
        raise OptionError("option `made_defects` does nothing with a table of numbers; leave it out.")
    if any(defective):
        raise OptionError(
            f"option `made_defects`: {sum(defective)} of the {counted(len(defective), 'picture')} that decide are "
            "defective, and real defects decide better than made ones; leave it out."
        )
