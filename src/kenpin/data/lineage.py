"""Lineage: which pictures an inspector, and all that it stands on, has learned from; none of them is held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError


@dataclass(frozen=True)
class Lineage:
    """Pictures by content that an inspector has learned from at any depth: its own training, validation, threshold and
    calibration pictures, and those of every run or exported network below it.

    Pictures of the validation count too: they chose weights and threshold, and so are no longer unseen.
    """

    contents: frozenset[str] = field(default=frozenset(), repr=False)
    """Content hashes as `Dataset.contents` gives them."""
    names: tuple[str, ...] = ()
    """What it was put together from, as users named it: the runs and networks below."""
    complete: bool = True
    """False for a run of an earlier kenpin, which did not record all of it."""

    def __bool__(self) -> bool:
        return bool(self.contents) or not self.complete

    def __or__(self, other: Lineage) -> Lineage:
        """Both together."""
        return Lineage(
            self.contents | other.contents,
            tuple(dict.fromkeys((*self.names, *other.names))),
            self.complete and other.complete,
        )

    def having_seen(self, *datasets: Dataset | None) -> Lineage:
        """This lineage with the pictures of these data sets."""
        seen = (dataset.contents() for dataset in datasets if dataset is not None)
        return Lineage(self.contents.union(*map(known_contents, seen)), self.names, self.complete)

    def seen(self, dataset: Dataset) -> list[bool]:
        """Whether each example is in it, (n,). Nothing is read where the lineage is empty."""
        if not self.contents:
            return [False] * len(dataset)
        return [content in self.contents for content in dataset.contents()]

    def untouched(self, dataset: Dataset) -> list[int]:
        """Rows of the examples that may be held out: not in it, nor of a group of which another example is."""
        seen, groups = self.seen(dataset), dataset.column("group")
        touched = {group for group, was in zip(groups, seen, strict=True) if was and group is not None}
        return [row for row, was in enumerate(seen) if not was and groups[row] not in touched]

    def unseen_of(self, dataset: Dataset) -> Dataset:
        """The examples that are not in it."""
        seen = self.seen(dataset)
        return dataset.select(row for row, was in enumerate(seen) if not was) if any(seen) else dataset

    def having(self) -> str:
        """The runs below in words, with their verb.

        >>> Lineage(names=("a", "b", "c")).having()
        'a, b and c have'
        """
        *others, last = self.names or ("the run",)
        return f"{', '.join(others)} and {last} have" if others else f"{last} has"


NOTHING_SEEN = Lineage()
_NOT_RECORDED = (
    "An earlier kenpin trained this run and recorded its own training pictures alone: others that it was chosen by, or "
    "that what it stands on has learned from, flatter."
)


def known_contents(contents: Iterable[str]) -> frozenset[str]:
    """Content hashes without the empty one, which stands for a picture that cannot be read and so taught nothing."""
    return frozenset(contents) - {""}


def held_out(dataset: Dataset, lineage: Lineage | None, *, with_seen: bool = False) -> tuple[Dataset, tuple[str, ...]]:
    """The examples that an inspector of this lineage can be measured on, those that it has not seen, and sentences on
    the others. lineage: None where nobody knows it; with_seen: take all, which measures no more than memory.

    Raises DatasetError where none is left.
    """
    if lineage is None:
        return dataset, ()
    notes = () if lineage.complete else (_NOT_RECORDED,)
    seen = sum(lineage.seen(dataset))
    if not seen:
        return dataset, notes
    of_all = f"{seen} of these {len(dataset)}"
    if with_seen:
        return dataset, (
            f"Not held out: the inspector, or what it stands on, has learned from {of_all} or was chosen by them, so "
            "the figures tell what it remembers and promise nothing for parts that it has not seen.",
            *notes,
        )
    left = lineage.unseen_of(dataset)
    if not len(left):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: the inspector, or what it stands on, has learned from all of these "
            f"{len(dataset)} pictures or was chosen by them, so they cannot tell how it does on others; give some "
            "that it has not seen, or measure what it remembers with --with-seen."
        )
    return left, (
        f"{of_all} pictures were left out: the inspector, or what it stands on, has learned from them or was chosen by "
        "them.",
        *notes,
    )
