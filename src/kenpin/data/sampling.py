"""A sample of pictures to look at: some of every class in every split, the same ones for the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PER_CLASS = 12
"""Pictures of each class in each split by default."""
NO_CLASS = ""
"""The class, in a sample, of a picture that shows none."""


@dataclass(frozen=True, slots=True)
class PictureSample:
    """Pictures by their index in a data set."""

    shown: Mapping[int, str]
    """The class that each picture was sampled for: the rarest that it shows and that still lacked pictures."""
    opened: frozenset[int]
    """Indices of the pictures to open: the shown ones, and further ones at random where these are few."""
    each: int
    """Pictures of each class in each split, where it has so many; fewer than asked for where classes are many."""


def sample_by_class(
    classes_of_each: Sequence[Collection[str]],
    splits: Sequence[str | None],
    *,
    each: int,
    seed: int,
    at_least: int = 0,
    at_most: int,
) -> PictureSample:
    """`each` pictures of every class in every split, or as many as there are; one may stand for several classes.

    `classes_of_each`, `splits`: of each picture, in order. At most `at_most` are shown and at least `at_least` opened,
    where there are so many.
    """
    strata = [
        [(name, split) for name in sorted(classes) or (NO_CLASS,)]
        for classes, split in zip(classes_of_each, splits, strict=True)
    ]
    sizes = Counter(stratum for of_one in strata for stratum in of_one)
    each = min(each, max(1, at_most // max(1, len(sizes))))
    order = np.random.default_rng(seed).permutation(len(strata)).tolist()
    shown: dict[int, str] = {}
    counts: Counter[tuple[str, str | None]] = Counter()
    for index in order:
        lacking = [stratum for stratum in strata[index] if counts[stratum] < each]
        if lacking and len(shown) < at_most:
            shown[index] = min(lacking, key=sizes.__getitem__)[0]
            counts.update(strata[index])
    others = [index for index in order if index not in shown]
    opened = frozenset([*shown, *others[: max(0, at_least - len(shown))]])
    return PictureSample(dict(sorted(shown.items())), opened, each)
