"""Pictures to splits: by ratio, by group, by near-duplicates or in file order; the same seed, the same split."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from kenpin.data.duplicates import NEAR_DISTANCE, cluster_of_each, perceptual_hashes
from kenpin.data.part_names import is_form, views_of
from kenpin.errors import DatasetError, OptionError
from kenpin.nearest import did_you_mean
from kenpin.plural import counted
from kenpin.visible import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kenpin.data.dataset import Dataset


_WAYS = ("ratio", "order", "duplicates")


def split_by(dataset: Dataset, by: str, ratios: Mapping[str, float], *, seed: int) -> Dataset:
    """By `ratio` (stratified), `order` (of the file), `duplicates` (look-alikes stay together), a column, or the part
    that a form of file names such as `{part}_{view}` tells.

    Raises OptionError, DatasetError, ImageError as the function of that way does.
    """
    if by == "ratio":
        return split_by_ratio(dataset, ratios, seed=seed)
    if by == "order":
        return split_in_order(dataset, ratios)
    if by == "duplicates":
        return split_by_duplicates(dataset, ratios, seed=seed)
    if is_form(by):
        return dataset.with_splits(
            _splits_of_groups(dataset, [part for part, _ in views_of(dataset, by)], ratios, seed, f"of {by!r}")
        )
    return split_by_group(dataset, ratios, column=by, seed=seed)


def split_by_ratio(dataset: Dataset, ratios: Mapping[str, float], *, seed: int, stratify: bool = True) -> Dataset:
    """Pictures at random to the splits, which replace those that were there.

    Split sizes are `ratios` of the whole, rounded by largest remainder. With `stratify`, every class is divided in the
    same ratios, to the nearest picture, and a class with as many pictures as there are splits is in each of them; where
    that takes more pictures than a split's size, the split is larger. A picture's class is its label, or its rarest
    box label. Raises OptionError for impossible ratios, DatasetError for too few pictures.

    >>> from kenpin.data import load_dataset
    >>> parts = load_dataset([("a.png", "ok"), ("b.png", "ng"), ("c.png", "ok"), ("d.png", "ng")])
    >>> split = split_by_ratio(parts, {"train": 0.5, "test": 0.5}, seed=0)
    >>> sorted(zip(split.column("split"), split.column("label")))
    [('test', 'ng'), ('test', 'ok'), ('train', 'ng'), ('train', 'ok')]
    """
    sizes = _sizes(_place(dataset), len(dataset), ratios)
    classes = _class_of_each(dataset) if stratify else [""] * len(dataset)
    names = sorted(set(classes))
    rows = {name: [row for row, of in enumerate(classes) if of == name] for name in names}
    counts = _counts_by_class([len(rows[name]) for name in names], np.array([*ratios.values()]), sizes)
    rng = np.random.default_rng(seed)
    splits: list[str | None] = [None] * len(dataset)
    for name, of_splits in zip(names, counts, strict=True):
        for row, split in zip(rng.permutation(rows[name]), np.repeat([*ratios], of_splits), strict=True):
            splits[row] = str(split)
    return dataset.with_splits(splits)


def split_in_order(dataset: Dataset, ratios: Mapping[str, float]) -> Dataset:
    """The first pictures to the first split, the next to the second; it does not leak as a random split may.

    Raises OptionError for impossible ratios, DatasetError for too few pictures.
    """
    sizes = _sizes(_place(dataset), len(dataset), ratios)
    return dataset.with_splits([str(split) for split in np.repeat([*ratios], sizes)])


def split_by_group(dataset: Dataset, ratios: Mapping[str, float], *, column: str, seed: int) -> Dataset:
    """Whole groups to the splits, sizes and classes balanced as far as the groups allow.

    `column`: `group`, or an attribute such as a lot or serial number. Raises OptionError for impossible ratios or an
    unknown column, DatasetError where pictures have no group or groups are too few.

    >>> from kenpin import Dataset
    >>> from kenpin.records import Example, ImageSource
    >>> parts = [Example(f"{lot}{n}", ImageSource(f"{lot}{n}.png"), group=lot) for lot in "AB" for n in range(3)]
    >>> split = split_by_group(Dataset.from_examples(parts), {"train": 0.5, "test": 0.5}, column="group", seed=0)
    >>> len({(example.group, example.split) for example in split})
    2
    """
    if column == "group":
        groups = dataset.column("group")
    else:
        groups = [example.attributes.get(column) for example in dataset]
        if not any(groups):
            known = sorted({name for example in dataset for name in example.attributes} | {"group"})
            raise OptionError(f"column {column!r}: no picture has it; {did_you_mean(column, (*_WAYS, *known))}")
    if without := [name for name, group in zip(dataset.column("id"), groups, strict=True) if not group]:
        raise DatasetError(
            f"{_place(dataset)}: {column} is missing for {len(without)} of {counted(len(dataset), 'picture')}, "
            f"the first is {without[0]}. Give each picture one, or split by another column."
        )
    return dataset.with_splits(_splits_of_groups(dataset, groups, ratios, seed, f"of {column!r}"))


def split_by_duplicates(
    dataset: Dataset, ratios: Mapping[str, float], *, seed: int, distance: int = NEAR_DISTANCE
) -> Dataset:
    """Whole clusters of near-duplicates to the splits. `distance`: differing bits of 256.

    Raises ImageError for a picture that cannot be opened, OptionError for impossible ratios, DatasetError where too few
    pictures are unlike each other.
    """
    _sizes(_place(dataset), len(dataset), ratios)  # before any picture is opened
    clusters = [str(cluster) for cluster in cluster_of_each(perceptual_hashes(dataset), distance)]
    kind = f"of near-duplicates (distance {distance})"
    return dataset.with_splits(_splits_of_groups(dataset, clusters, ratios, seed, kind))


def rare_class_notes(divided: Dataset, splits: Sequence[str]) -> list[str]:
    """A sentence on each class, of whole pictures or of boxes, of which there is nothing in one of these splits."""
    counts: dict[str, Counter[str]] = {split: Counter() for split in splits}
    columns = (divided.column(name) for name in ("split", "label", "box_labels"))
    for split, label, boxes in zip(*columns, strict=True):
        counts[split].update(set(boxes or ()) if label is None else (label,))
    total = sum(counts.values(), Counter[str]())
    lacking = {name: [split for split in splits if not counts[split][name]] for name in sorted(total)}
    return [
        f"class {short(name)} has {counted(total[name], 'picture')}, and none of it is in {' and '.join(without)}."
        for name, without in lacking.items()
        if without
    ]


def _place(dataset: Dataset) -> str:
    return str(dataset.root or "the data set")


def _check_ratios(ratios: Mapping[str, float]) -> None:
    """Raises OptionError."""
    shares = [*ratios.values()]
    if not shares or not all(math.isfinite(share) and share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        stated = ", ".join(f"{name} {share:g}" for name, share in ratios.items()) or "none"
        raise OptionError(f"ratios: {stated}; give positive shares that add up to 1, such as train 0.8 and test 0.2.")


def _sizes(place: str, total: int, ratios: Mapping[str, float]) -> NDArray[np.int64]:
    """Pictures of each split, by largest remainder. Raises OptionError, DatasetError."""
    _check_ratios(ratios)
    shares = [*ratios.values()]
    wanted = np.array(shares) * total
    sizes: NDArray[np.int64] = np.floor(wanted).astype(np.int64)
    sizes[np.argsort(sizes - wanted, kind="stable")[: total - sizes.sum()]] += 1
    if not sizes.all():
        empty = [*ratios][int(np.argmin(sizes))]
        enough = math.ceil(1 / min(shares) - 1e-9)
        least = "divide into fewer splits" if total < len(shares) else f"give each split a share of 1/{total} or more"
        raise DatasetError(
            f"{place}: split {empty}: {ratios[empty]:g} of {counted(total, 'picture')} is less than one. "
            f"Add pictures, {enough:,} in all are enough, or {least}."
        )
    return sizes


def _class_of_each(dataset: Dataset) -> list[str]:
    """The class that a picture is balanced by: its label, else the rarest of its box labels, else none."""
    box_labels: list[list[str] | None] = dataset.column("box_labels")
    rarity = Counter(label for labels in box_labels for label in set(labels or ()))
    return [
        label if label is not None else min(boxes or [""], key=lambda name: (rarity[name], name))
        for label, boxes in zip(dataset.column("label"), box_labels, strict=True)
    ]


def _counts_by_class(totals: Sequence[int], shares: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many pictures of each class go to each split. -> (classes, splits), rows adding up to `totals`.

    Each class gets its share rounded down, at least one where it has enough pictures; what is left of it goes, one
    picture a split, to the splits that lack most. Columns then add up to `sizes` (Gale and Ryser's construction) unless
    the at-least-one rule took more than a split had room for.
    """
    # rounded first: 0.29 · 100 must count as 29 and not as 29 less a rounding error
    counts = np.floor(np.round(np.outer(totals, shares), 9)).astype(np.int64)
    for row, total in zip(counts, totals, strict=True):
        if total >= len(shares):
            np.maximum(row, 1, out=row)
        while row.sum() > total:
            row[np.argmax(row)] -= 1
    lacking = sizes - counts.sum(axis=0)
    # most to give first; of splits that lack the same, the one with the larger share
    for class_index in np.argsort(counts.sum(axis=1) - np.array(totals), kind="stable"):
        left = totals[class_index] - counts[class_index].sum()
        chosen = np.lexsort((-shares, -lacking))[:left]
        counts[class_index, chosen] += 1
        lacking[chosen] -= 1
    return counts


def _splits_of_groups(
    dataset: Dataset, groups: Sequence[str], ratios: Mapping[str, float], seed: int, kind: str
) -> list[str]:
    """The split of each picture, whole groups at a time, the largest first. Raises OptionError, DatasetError."""
    _check_ratios(ratios)
    group_names, group_of_each = np.unique(groups, return_inverse=True)
    if len(group_names) < len(ratios):
        raise DatasetError(
            f"{_place(dataset)}: {counted(len(group_names), f'group {kind}', f'groups {kind}')} cannot fill "
            f"{counted(len(ratios), 'split')} ({', '.join(ratios)}). Add pictures of other groups, or split by a "
            f"column with more groups{', or into fewer splits' if len(group_names) > 1 else ''}."
        )
    sizes = _sizes(_place(dataset), len(groups), ratios)
    class_names, class_of_each = np.unique(_class_of_each(dataset), return_inverse=True)
    content = np.zeros((len(group_names), len(class_names)), np.int64)
    np.add.at(content, (group_of_each, class_of_each), 1)
    # size and classes in shares of the whole, so that a rare class weighs as much as a frequent one
    weighed = np.column_stack([content.sum(axis=1) / content.sum(), content / content.sum(axis=0)])
    lacking = np.outer([*ratios.values()], np.ones(weighed.shape[1]))
    room = sizes.copy()
    filled = np.zeros(len(sizes), bool)
    split_of_group = np.zeros(len(group_names), np.int64)

    shuffled = np.random.default_rng(seed).permutation(len(group_names))
    largest_first = shuffled[np.argsort(-content.sum(axis=1)[shuffled], kind="stable")]
    for done, group in enumerate(largest_first):
        is_last_chance = len(group_names) - done <= (~filled).sum()  # each empty split needs one of those left
        eligible = np.flatnonzero(~filled if is_last_chance else room > 0)
        after = ((lacking[eligible] - weighed[group]) ** 2).sum(axis=1) - (lacking[eligible] ** 2).sum(axis=1)
        chosen = eligible[np.argmin(after)]
        split_of_group[group] = chosen
        lacking[chosen] -= weighed[group]
        room[chosen] -= content[group].sum()
        filled[chosen] = True
    names = [*ratios]
    return [names[split_of_group[group]] for group in group_of_each]
