"""Lineage: the pictures that an inspector, and every run below it, has learned from; none of them is held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError
from kenpin.plural import counted, was_were


@dataclass(frozen=True)
class Lineage:
    """Content hashes (`Dataset.contents`) of the pictures that an inspector was made with: its own, and those of every
    run or exported network below it."""

    learned: frozenset[str] = field(default=frozenset(), repr=False)
    """Pictures that weights, heads, unit spaces or references were learned from; of use for learning only."""
    chosen: frozenset[str] = field(default=frozenset(), repr=False)
    """Validation pictures, by which the best weights, a threshold or a calibration were chosen. They may be used for
    that again, with a note to the user, and are not held out."""
    names: tuple[str, ...] = ()
    """The runs and networks below, as users named them."""
    complete: bool = True
    """False for a run of an earlier kenpin, which did not record all of it."""

    @property
    def contents(self) -> frozenset[str]:
        """All pictures, of either kind."""
        return self.learned | self.chosen

    @property
    def learning(self) -> Lineage:
        """The lineage without the pictures that only chose."""
        return replace(self, chosen=frozenset())

    def __bool__(self) -> bool:
        return bool(self.contents) or not self.complete

    def __or__(self, other: Lineage) -> Lineage:
        """Both lineages in one."""
        return Lineage(
            self.learned | other.learned,
            self.chosen | other.chosen,
            tuple(dict.fromkeys((*self.names, *other.names))),
            self.complete and other.complete,
        )

    def having_learned(self, *datasets: Dataset | None) -> Lineage:
        """This lineage, and the pictures of these data sets as learned from."""
        return replace(self, learned=self.learned | _contents_of(datasets))

    def chosen_by(self, *datasets: Dataset | None) -> Lineage:
        """This lineage, and the pictures of these data sets as used to choose."""
        return replace(self, chosen=self.chosen | _contents_of(datasets))

    def seen(self, dataset: Dataset) -> list[bool]:
        """Whether each example is in the lineage, (n,). No file is read where the lineage is empty."""
        if not (contents := self.contents):
            return [False] * len(dataset)
        return [content in contents for content in dataset.contents()]

    def untouched(self, dataset: Dataset) -> list[int]:
        """Rows of the examples that may be held out: neither they nor another example of their group are in it."""
        seen, groups = self.seen(dataset), dataset.column("group")
        touched = {group for group, was in zip(groups, seen, strict=True) if was and group is not None}
        return [row for row, was in enumerate(seen) if not was and groups[row] not in touched]

    def unseen_of(self, dataset: Dataset) -> Dataset:
        """The examples that are not in the lineage."""
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
    "An earlier kenpin trained this run and recorded only its own training pictures: figures on pictures that it was "
    "chosen by, or that a run below it has learned from, are too good."
)


def _contents_of(datasets: Iterable[Dataset | None]) -> frozenset[str]:
    return known_contents(content for dataset in datasets if dataset is not None for content in dataset.contents())


def known_contents(contents: Iterable[str]) -> frozenset[str]:
    """Content hashes without the empty one, that of a picture that could not be read."""
    return frozenset(contents) - {""}


def held_out(dataset: Dataset, lineage: Lineage | None, *, with_seen: bool = False) -> tuple[Dataset, tuple[str, ...]]:
    """The examples that an inspector of this lineage has not seen, on which it can be measured, and sentences on the
    others. lineage: None where it is unknown; with_seen: take all, which measures only memory.

    Raises DatasetError where no example is left.
    """
    if lineage is None:
        return dataset, ()
    notes = () if lineage.complete else (_NOT_RECORDED,)
    seen = sum(lineage.seen(dataset))
    if not seen:
        return dataset, notes
    of_all = f"{seen} of these {counted(len(dataset), 'picture')}"
    if with_seen:
        return dataset, (
            f"Not held out: the inspector, or a run below it, has learned from {of_all} or was chosen by them, so the "
            "figures show what it remembers and promise nothing for parts that it has not seen.",
            *notes,
        )
    left = lineage.unseen_of(dataset)
    if not len(left):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: the inspector, or a run below it, has learned from all of these "
            f"{counted(len(dataset), 'picture')} or was chosen by them, so they cannot show how good it is on others; "
            "give some that it has not seen, or measure what it remembers with --with-seen."
        )
    return left, (
        f"{of_all} {was_were(seen)} left out: the inspector, or a run below it, has learned from them or was chosen by "
        "them.",
        *notes,
    )
