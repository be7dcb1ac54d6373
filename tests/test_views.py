"""Parts by several pictures: the worst view decides, whatever the order, and a threshold's promise is one for parts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.doctor import examine
from kenpin.data.folds import random_folds
from kenpin.data.part_names import NameForm, views_of, with_parts
from kenpin.data.splitting import split_by
from kenpin.errors import DatasetError, OptionError
from kenpin.evaluation.parts import join_parts
from kenpin.quality.part_verdicts import SeenView, judge_part, part_prediction, worst_view
from kenpin.quality.threshold import judge
from kenpin.records import Example, ImageSource, Prediction, Threshold, Verdict
from kenpin.training.decision import decide
from kenpin.views import PartViews

NAMES = ("back", "front", "side", "top")
SCORES = st.floats(0, 10, allow_nan=False)
WORDS = st.text(string.ascii_letters + string.digits + "-.検", min_size=1, max_size=6).filter(
    lambda word: word.strip(".")
)


def seen(scores: Sequence[float | None], names: Sequence[str | None] | None = None) -> list[SeenView]:
    names = NAMES[: len(scores)] if names is None else names
    return [
        SeenView(name, Prediction(f"{number}.png", defect_score=score, label="scratch"))
        for number, (name, score) in enumerate(zip(names, scores, strict=True))
    ]


def expected(count: int, named: bool = True) -> PartViews:
    return PartViews("group", count, NAMES[:count] if named else None)


@given(st.lists(SCORES, min_size=1, max_size=4), SCORES, st.randoms(), st.booleans())
def test_the_order_of_views_does_not_matter_and_the_worst_decides(
    scores: list[float], cut: float, random: Random, named: bool
) -> None:
    views, threshold = seen(scores, None if named else [None] * len(scores)), Threshold(cut, cut / 2, "made")
    parts = expected(len(scores), named)
    found = judge_part("p", views, parts, threshold)
    shuffled = random.sample(views, len(views))
    assert judge_part("p", shuffled, parts, threshold) == found
    assert part_prediction("p", shuffled, parts) == part_prediction("p", views, parts)
    assert found.score == max(scores)
    assert found.verdict is judge(part_prediction("p", views, parts), threshold).verdict
    assert found.verdict is judge(Prediction("p", defect_score=max(scores)), threshold).verdict


@given(SCORES, SCORES, st.booleans())
def test_one_view_is_judged_as_a_picture_is(score: float, cut: float, named: bool) -> None:
    threshold = Threshold(cut, None, "made")
    (view,) = seen([score], ["top" if named else None])
    of_picture = judge(view.prediction, threshold)
    parts = PartViews("group", 1, ("top",) if named else None)
    assert judge_part("p", [view], parts, threshold) == replace(of_picture, id="p")
    assert part_prediction("p", [view], parts) == replace(view.prediction, id="p")


@given(st.lists(st.sampled_from([*NAMES, "odd", None]), max_size=6), st.integers(1, 4), st.booleans())
def test_a_part_with_other_views_is_never_passed(names: list[str | None], count: int, named: bool) -> None:
    parts = expected(count, named)
    views, threshold = seen([0.0] * len(names), names), Threshold(5.0, None, "made")
    fits = sorted(map(str, names)) == list(NAMES[:count]) if named else len(names) == count
    judgement = judge_part("p", views, parts, threshold)
    assert judgement.verdict is (Verdict.PASS if fits else Verdict.REVIEW)
    if not fits:
        assert judgement.score is None
        assert "a person must look" in judgement.reasons[0]
    if views and not fits:
        assert part_prediction("p", views, parts).defect_score is None


def test_the_reason_says_what_is_missing_and_what_came_instead() -> None:
    (reason,) = judge_part(
        "p", seen([9.0, 0.0], ["odd", "top"]), PartViews("group", 2, ("side", "top")), Threshold(5.0, None, "made")
    ).reasons
    assert reason == (
        "View side is missing, view odd is none of them, and parts are judged by views side and top: a person must "
        "look."
    )


@given(st.lists(SCORES, min_size=1, max_size=3), st.sampled_from([None, float("nan")]))
def test_a_view_without_a_score_makes_the_part_one_for_a_person(scores: list[float], none: float | None) -> None:
    views, parts = seen([*scores, none]), expected(len(scores) + 1)
    assert worst_view(views).prediction.defect_score == max(scores)
    assert judge_part("p", views, parts, Threshold(20.0, None, "made")).verdict is Verdict.REVIEW
    assert part_prediction("p", views, parts).defect_score is None


def test_the_picture_whose_raw_score_is_highest_decides_where_calibrated_ones_are_equal() -> None:
    views = [
        SeenView(name, Prediction(name, defect_score=1.0, uncalibrated_score=score))
        for name, score in (("a", 2.0), ("b", 7.0), ("c", 3.0))
    ]
    assert worst_view(views).name == "b"


def pictures(parts: int, views: int, *, bad: Sequence[int] = (), lots: int = 0) -> Dataset:
    """Pictures `N_view.png` of parts; the first view of a bad part is labelled so."""
    return Dataset.from_examples(
        Example(
            f"ok/{part}_{view}.png",
            ImageSource(data=f"{part} {view}".encode()),
            label="scratch" if part in bad and view == NAMES[0] else "ok",
            group=f"L{part % lots}" if lots else None,
            attributes={"serial": f"S{part}", "view": view},
        )
        for part in range(parts)
        for view in NAMES[:views]
    )


@pytest.mark.parametrize("cut_by", ["parts", "pictures"])
def test_the_promise_of_a_threshold_holds_for_parts_whose_views_are_correlated(cut_by: str) -> None:
    """150 good parts let 1 part in 100 fail in the mean over draws; a cut by their pictures lets more fail."""
    draw = np.random.default_rng(0)
    rates: dict[float, list[float]] = {0.0: [], 0.5: [], 0.9: []}
    data, views = with_parts(pictures(150, 3), "{part}_{view}"), PartViews("{part}_{view}", 3, NAMES[:3])
    options = TrainOptions.from_mapping({"data": "-", "out": "-"})

    def scores(count: int, correlation: float) -> NDArray[np.float64]:
        common, own = draw.standard_normal((count, 1)), draw.standard_normal((count, 3))
        return np.asarray(np.exp(correlation**0.5 * common + (1 - correlation) ** 0.5 * own), np.float64)

    for correlation, found in rates.items():
        for _ in range(60):
            learned = scores(150, correlation).ravel()
            predictions = [
                Prediction(id, defect_score=float(score)) for id, score in zip(data.column("id"), learned, strict=True)
            ]
            if cut_by == "parts":
                predictions = list(join_parts(data, predictions, views, ("ok",)).complete().predictions)
            threshold, _ = decide(predictions, [False] * len(predictions), options, "parts")
            assert threshold is not None
            found.append(float((scores(20_000, correlation).max(1) >= threshold.fail_from).mean()))
    means = {correlation: float(np.mean(found)) for correlation, found in rates.items()}
    if cut_by == "parts":
        assert all(0.007 < mean < 0.013 for mean in means.values()), means
    else:
        assert means[0.0] > 0.025, means
        assert means[0.5] > 0.02, means


@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 3), st.integers(0, 99))
def test_splits_and_folds_keep_parts_together(parts: int, views: int, lots: int, seed: int) -> None:
    data = pictures(parts, views, lots=lots)
    for by in ("{part}_{view}", "serial"):
        divided = split_by(data, by, {"train": 0.5, "test": 0.5}, seed=seed)
        sides = {(part, split) for (part, _), split in zip(views_of(data, by), divided.column("split"), strict=True)}
        assert len(sides) == parts
        grouped = with_parts(divided, by)
        if not lots:
            assert not [one for one in examine(grouped).findings if one.code == "group-leak"]
            folds = random_folds(grouped, 2, seed=seed)
            assert len({(part, fold) for (part, _), fold in zip(views_of(data, by), folds, strict=True)}) == parts


def test_views_of_one_part_in_two_splits_or_lots_are_refused() -> None:
    data = pictures(4, 2)
    torn = data.with_splits(["train", "test"] * 4)
    with pytest.raises(DatasetError, match="part 0 are of split train and of test"):
        with_parts(torn, "{part}_{view}")
    with pytest.raises(DatasetError, match="part S0 are of group A and of B"):
        with_parts(data.with_groups(["A", "B"] * 4), "serial")
    with pytest.raises(OptionError, match="did you mean `serial`"):
        with_parts(data, "serail")
    with pytest.raises(DatasetError, match=r"8 of 8 pictures without a part .*, the first is ok/0_back"):
        with_parts(data, "{part}-{view}")


@given(WORDS, WORDS.filter(lambda word: "_" not in word), WORDS)
def test_a_form_finds_what_it_was_filled_with(part: str, view: str, lot: str) -> None:
    assert NameForm("{part}_{view}").view_of(f"in/{lot}/x_{part}_{view}.png") == (f"x_{part}", view)
    assert NameForm("{part}/{view}").view_of(f"in/{part}/{view}.png") == (part, view)
    assert NameForm("{lot}/{part}_{view}").view_of(f"{lot}/{part}_{view}.png") == (f"{lot}/{part}", view)
    assert NameForm("{part}_{view}_*").view_of(f"{part}_{view}_{lot}.jpg") == (part, view)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("{view}", "names no part"),
        ("{part}_{part}", "twice"),
        ("{part}{view}", "nothing between"),
        ("{part}_{view", "bracket"),
        ("{part}*{view}", "nothing between"),
    ],
)
def test_an_impossible_form_is_refused(form: str, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        NameForm(form)


def test_the_views_of_most_parts_are_expected() -> None:
    whole = [(f"{part}", view) for part in range(5) for view in ("top", "side")]
    assert PartViews.of("group", whole[:-1]).names == ("side", "top")
    assert PartViews.of("group", [(part, None) for part, _ in whole]).names is None
    with pytest.raises(DatasetError, match="no set of views is that of more than half of the 2 parts"):
        PartViews.of("group", [("1", "top"), ("2", "top"), ("2", "side")])
    with pytest.raises(DatasetError, match="part 2: a picture of it names no view"):
        PartViews.of("group", [("1", "top"), ("2", None)])
    with pytest.raises(DatasetError, match="several pictures of view top"):
        PartViews.of("group", [("1", "top"), ("1", "top")])


@given(st.randoms(), st.lists(SCORES, min_size=12, max_size=12))
def test_judged_parts_do_not_depend_on_the_order_of_pictures(random: Random, scores: list[float]) -> None:
    data, views = pictures(4, 3, bad=[1]), PartViews("serial", 3, NAMES[:3])
    of_each = dict(zip(data.column("id"), scores, strict=True))

    def joined(order: list[int]) -> tuple[dict[str, Prediction], dict[str, str | None]]:
        some = data.select(order)
        parts = join_parts(some, [Prediction(one.id, defect_score=of_each[one.id]) for one in some], views, ("ok",))
        return {one.id: one for one in parts.predictions}, {one.id: one.label for one in parts.examples}

    assert joined(random.sample(range(12), 12)) == joined(list(range(12)))
    predictions, labels = joined(list(range(12)))
    assert labels == {"S0": "ok", "S1": "scratch", "S2": "ok", "S3": "ok"}
    assert [predictions[f"S{part}"].defect_score for part in range(4)] == [
        max(scores[3 * part : 3 * part + 3]) for part in range(4)
    ]


def test_pictures_of_a_part_that_lacks_one_choose_nothing_and_are_told() -> None:
    data, views = pictures(3, 2).select([0, 1, 2, 4, 5]), PartViews("{part}_{view}", 2, NAMES[:2])
    joined = join_parts(data, [Prediction(one.id, defect_score=1.0) for one in data], views, ("ok",))
    assert [one.defect_score for one in joined.predictions] == [1.0, None, 1.0]
    assert joined.notes == (
        "1 part of 3 is not judged, the first of them 1: View front is missing, and parts are judged by views back and "
        "front: a person must look.",
    )
    assert [one.id for one in joined.complete().predictions] == ["0", "2"]
    assert {view.id for views in joined.views for view in views} == set(data.column("id"))
