"""A sample holds pictures of every class in every split, no more than asked for, and repeats with its seed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.data.sampling import NO_CLASS, sample_by_class

PICTURES = st.lists(
    st.tuples(st.sets(st.sampled_from("abcd"), max_size=3), st.sampled_from(["train", "test", None])), max_size=60
)


@settings(max_examples=100)
@given(PICTURES, st.integers(1, 5), st.integers(0, 3), st.integers(0, 70))
def test_every_class_of_every_split_is_shown(
    pictures: list[tuple[set[str], str | None]], each: int, seed: int, at_least: int
) -> None:
    classes, splits = [sorted(one) for one, _ in pictures], [split for _, split in pictures]
    sample = sample_by_class(classes, splits, each=each, seed=seed, at_least=at_least, at_most=1000)
    strata = {(name, split) for names, split in zip(classes, splits, strict=True) for name in names or [NO_CLASS]}
    for name, split in strata:
        among = [i for i, names in enumerate(classes) if name in (names or [NO_CLASS]) and splits[i] == split]
        assert sum(i in sample.shown for i in among) >= min(each, len(among))
    assert len(sample.shown) <= each * len(strata)
    assert all(name in (classes[i] or [NO_CLASS]) for i, name in sample.shown.items())
    assert sample.opened >= set(sample.shown)
    assert len(sample.opened) == max(len(sample.shown), min(at_least, len(pictures)))
    assert sample == sample_by_class(classes, splits, each=each, seed=seed, at_least=at_least, at_most=1000)


def test_many_classes_share_what_may_be_shown() -> None:
    classes = [[f"class {i % 50}"] for i in range(5000)]
    sample = sample_by_class(classes, [None] * 5000, each=12, seed=0, at_most=100)
    assert (sample.each, len(sample.shown)) == (2, 100)
    assert set(sample.shown.values()) == {f"class {i}" for i in range(50)}
    few = sample_by_class(classes, [None] * 5000, each=12, seed=0, at_most=20)
    assert (few.each, len(few.shown)) == (1, 20)


def test_another_seed_shows_other_pictures() -> None:
    classes = [["a"]] * 500
    first, second = (sample_by_class(classes, [None] * 500, each=5, seed=seed, at_most=50) for seed in (0, 1))
    assert set(first.shown) != set(second.shown)
