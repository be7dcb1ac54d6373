"""Splits have the sizes and classes that were asked for, repeat with their seed, and never tear a group apart."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.data.splitting import split_by, split_by_duplicates, split_by_group, split_by_ratio, split_in_order
from kenpin.errors import DatasetError, OptionError
from kenpin.records import Detections, Example
from tests.data.made import encoded, labelled, noise

if TYPE_CHECKING:
    from collections.abc import Mapping

RATIOS = st.sampled_from(
    [
        {"train": 1.0},
        {"train": 0.8, "test": 0.2},
        {"train": 0.7, "val": 0.15, "test": 0.15},
        {"train": 0.6, "val": 0.1, "test": 0.3},
        {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3},
        {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25},
    ]
)
TOTALS = st.lists(st.integers(1, 60), min_size=1, max_size=8)
quick = settings(max_examples=60)


def _labels(totals: list[int]) -> list[str]:
    """Labels of classes with these numbers of pictures, dealt out in turns."""
    turns = sorted((turn, name) for name, total in enumerate(totals) for turn in range(total))
    return [f"c{name}" for _, name in turns]


def _sizes(dataset: Dataset) -> Counter[str]:
    return Counter(dataset.column("split"))


def _of_classes(dataset: Dataset) -> Counter[tuple[str, str]]:
    return Counter(zip(dataset.column("label"), dataset.column("split"), strict=True))


def _are_largest_remainders(sizes: Counter[str], ratios: Mapping[str, float]) -> bool:
    total = sizes.total()
    excess = [sizes[name] - ratio * total for name, ratio in ratios.items()]
    return max(excess) - min(excess) <= 1 + 1e-6  # moving one picture would bring no split nearer to its ratio


@quick
@given(total=st.integers(20, 300), ratios=RATIOS, seed=st.integers(0, 99))
def test_sizes_without_classes_are_largest_remainders(total: int, ratios: dict[str, float], seed: int) -> None:
    dataset = labelled(["x"] * total)
    for split in (split_by_ratio(dataset, ratios, seed=seed, stratify=False), split_in_order(dataset, ratios)):
        assert _are_largest_remainders(_sizes(split), ratios)
        assert split.column("id") == dataset.column("id")


@quick
@given(totals=TOTALS, ratios=RATIOS, seed=st.integers(0, 99))
def test_stratified_classes_keep_the_ratios(totals: list[int], ratios: dict[str, float], seed: int) -> None:
    assume(sum(totals) * min(ratios.values()) >= 1)
    split = split_by_ratio(labelled(_labels(totals)), ratios, seed=seed)
    counts = _of_classes(split)
    for name, total in enumerate(totals):
        of_splits = {split_name: counts[f"c{name}", split_name] for split_name in ratios}
        assert sum(of_splits.values()) == total
        if total >= len(ratios):
            assert min(of_splits.values()) >= 1
        forced = sum(1 for ratio in ratios.values() if ratio * total < 1)  # each may cost another split one picture
        for split_name, ratio in ratios.items():
            assert abs(of_splits[split_name] - ratio * total) < 1 + forced + 1e-6
    if all(total * min(ratios.values()) >= 1 for total in totals):
        assert _are_largest_remainders(_sizes(split), ratios)


def test_exact_example() -> None:
    split = split_by_ratio(labelled(["ok"] * 70 + ["ng"] * 30), {"train": 0.7, "val": 0.1, "test": 0.2}, seed=0)
    counts = _of_classes(split)
    assert [counts["ok", name] for name in ("train", "val", "test")] == [49, 7, 14]
    assert [counts["ng", name] for name in ("train", "val", "test")] == [21, 3, 6]


def test_a_whole_share_is_kept_whole() -> None:
    ratios = {"a": 0.29, "b": 0.355, "c": 0.355}  # 0.29 · 100 is 28.999999999999996
    counts = _of_classes(split_by_ratio(labelled(_labels([100, 101])), ratios, seed=0))
    assert counts["c0", "a"] == 29


def test_presence_goes_before_size() -> None:
    split = split_by_ratio(labelled([f"c{n // 3}" for n in range(30)]), {"train": 0.8, "val": 0.1, "test": 0.1}, seed=0)
    assert set(_of_classes(split).values()) == {1}


def test_the_seed_decides() -> None:
    dataset = labelled(["a", "b"] * 40)
    first, again, other = (split_by_ratio(dataset, {"x": 0.5, "y": 0.5}, seed=seed) for seed in (1, 1, 2))
    assert first.column("split") == again.column("split") != other.column("split")


def test_boxes_are_balanced_by_their_rarest_class() -> None:
    boxes = [
        Detections(((0, 0, 1, 1),) * 2, ("common", "rare")) if n < 4 else Detections(((0, 0, 1, 1),), ("common",))
        for n in range(40)
    ]
    split = split_by_ratio(labelled([None] * 40, boxes=boxes), {"x": 0.5, "y": 0.5}, seed=3)
    assert [example.split for example in split][:4].count("x") == 2


def test_in_order_is_in_order() -> None:
    split = split_in_order(labelled(["a"] * 10), {"train": 0.7, "test": 0.3})
    assert split.column("split") == ["train"] * 7 + ["test"] * 3


@pytest.mark.parametrize(
    "ratios", [{}, {"a": 0.5}, {"a": 0.9, "b": 0.2}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}, {"a": float("nan")}]
)
def test_impossible_ratios_are_refused(ratios: dict[str, float]) -> None:
    dataset = labelled(["a"] * 10, group=["g"] * 10)
    with pytest.raises(OptionError, match="add up to 1"):
        split_by_ratio(dataset, ratios, seed=0)
    with pytest.raises(OptionError, match="add up to 1"):
        split_in_order(dataset, ratios)
    with pytest.raises(OptionError, match="add up to 1"):
        split_by_group(dataset, ratios, column="group", seed=0)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"split test: 0\.01 of 5 pictures is less than one"):
        split_by_ratio(labelled(["a"] * 5), {"train": 0.99, "test": 0.01}, seed=0)


@quick
@given(
    members=st.lists(st.integers(1, 12), min_size=4, max_size=40), ratios=RATIOS, seed=st.integers(0, 99),
    classes=st.integers(1, 4),
)  # fmt: skip
def test_no_group_is_on_two_sides(members: list[int], ratios: dict[str, float], seed: int, classes: int) -> None:
    groups = [f"lot {number}" for number, size in enumerate(members) for _ in range(size)]
    assume(len(groups) * min(ratios.values()) >= 1)
    labels = [f"c{place % classes}" for place in range(len(groups))]
    dataset = labelled(labels, group=groups)
    split = split_by_group(dataset, ratios, column="group", seed=seed)
    sides = {(group, name) for group, name in zip(groups, split.column("split"), strict=True)}
    assert len(sides) == len(members)
    assert set(split.column("split")) == set(ratios)
    sizes = _sizes(split)
    if len(members) > 2 * len(ratios):
        assert all(sizes[name] <= ratio * len(groups) + max(members) + 1 for name, ratio in ratios.items())
    assert split.column("split") == split_by_group(dataset, ratios, column="group", seed=seed).column("split")


def test_no_split_is_overfull_by_more_than_a_group() -> None:
    ratios = {"train": 0.7, "val": 0.15, "test": 0.15}
    for seed in range(100):  # classes that pull towards one split, and groups of very different sizes
        random_ = random.Random(seed)
        members = [random_.choice([1, 1, 2, 5, 12]) for _ in range(random_.randint(8, 30))]
        groups = [str(number) for number, size in enumerate(members) for _ in range(size)]
        labels = [label for size in members for label in [f"c{random_.randrange(8)}"] * size]
        split = split_by_group(labelled(labels, group=groups), ratios, column="group", seed=seed)
        for name, ratio in ratios.items():
            assert split.column("split").count(name) <= ratio * len(groups) + max(members) + 1


def test_many_small_groups_keep_sizes_and_classes() -> None:
    groups = [f"{place // 2}" for place in range(1_000)]
    labels = ["ng" if place // 2 % 10 == 0 else "ok" for place in range(1_000)]
    split = split_by_group(
        labelled(labels, group=groups), {"train": 0.7, "val": 0.1, "test": 0.2}, column="group", seed=0
    )
    assert _sizes(split) == {"train": 700, "val": 100, "test": 200}
    counts = _of_classes(split)
    assert {name: counts["ng", name] for name in ("train", "val", "test")} == {"train": 70, "val": 10, "test": 20}


def test_groups_may_stand_in_an_attribute() -> None:
    serials = [{"serial": str(place % 5)} for place in range(20)]
    dataset = labelled(["a"] * 20, attributes=serials)
    split = split_by_group(dataset, {"x": 0.6, "y": 0.4}, column="serial", seed=0)
    assert len({(place % 5, name) for place, name in enumerate(split.column("split"))}) == 5
    with pytest.raises(OptionError, match=r"'serail': no picture has it; did you mean `serial`"):
        split_by_group(dataset, {"x": 0.6, "y": 0.4}, column="serail", seed=0)


def test_a_misspelt_way_names_the_ways() -> None:
    dataset = labelled(["a"] * 20)
    with pytest.raises(OptionError, match="did you mean `duplicates`"):
        split_by(dataset, "Duplicate", {"x": 0.6, "y": 0.4}, seed=0)
    with pytest.raises(OptionError, match="there are ratio, order, duplicates, group"):
        split_by(dataset, "qqq", {"x": 0.6, "y": 0.4}, seed=0)


def test_pictures_without_a_group_are_counted() -> None:
    dataset = labelled(["a"] * 6, group=["g", None, "h", "", "i", None])
    with pytest.raises(DatasetError, match=r"group is missing for 3 of 6 pictures, the first is 1\.png"):
        split_by_group(dataset, {"x": 0.5, "y": 0.5}, column="group", seed=0)


def test_too_few_groups_are_counted() -> None:
    dataset = labelled(["a"] * 30, group=["g", "h"] * 15)
    with pytest.raises(DatasetError, match=r"2 groups of 'group' cannot fill 3 splits"):
        split_by_group(dataset, {"x": 0.4, "y": 0.3, "z": 0.3}, column="group", seed=0)


def test_near_duplicates_stay_together() -> None:
    pictures = [
        encoded(noise(number).resize((64, 48) if copy else (128, 96)), f"{number}-{copy}.png")
        for number in range(12)
        for copy in range(3)
    ]
    dataset = Dataset.from_examples(Example(id=source.path or "", image=source) for source in pictures)
    split = split_by_duplicates(dataset, {"train": 0.75, "test": 0.25}, seed=0)
    sides = split.column("split")
    assert all(len(set(sides[start : start + 3])) == 1 for start in range(0, 36, 3))
    assert _sizes(split) == {"train": 27, "test": 9}
    with pytest.raises(DatasetError, match="1 group of near-duplicates"):
        split_by_duplicates(dataset.select([0, 1, 2]), {"train": 0.5, "test": 0.5}, seed=0)
