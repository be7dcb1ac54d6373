"""The decision stage: what a threshold does to pictures that it was not chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.models.calibrated import CalibratedPictures
from kenpin.models.contract import Inspector
from kenpin.records import Example, ImageSource, Prediction, Threshold
from kenpin.targets import Target
from kenpin.training.deciding import Scored, decide_by, decide_without_each
from kenpin.training.made_copies import Copy, JudgedCopies


class Plain:
    """An inspector that has nothing to calibrate, and no limit of its own."""


class Calibratable(CalibratedPictures):
    """One whose scores can be calibrated; of the rest of an inspector, nothing is asked here."""

    labels: tuple[str, ...] = ()
    base = image_size_wh = module = batch_size = extract = None

    def encode(self, *_: object) -> None: ...

    infer = decode = save = encode

    def __init__(self) -> None:
        self.calibration = None


def options(**values: Any) -> TrainOptions:
    return TrainOptions.from_mapping({"data": "-", "out": "-", **values})


def scored(scores: list[float], defective: list[bool], groups: Sequence[str | None] | None = None) -> Scored:
    groups = groups or [None] * len(scores)
    pictures = Dataset.from_examples(
        Example(str(row), ImageSource(data=bytes([row % 256, row // 256])), label="x", group=group)
        for row, group in enumerate(groups)
    )
    predictions = tuple(Prediction(str(row), defect_score=score) for row, score in enumerate(scores))
    return Scored("made pictures", "validation", pictures, predictions, tuple(defective))


def inspector(kind: type = Plain) -> Inspector:
    return cast(Inspector, kind())


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(4, 30), st.integers(4, 30), st.booleans())
def test_no_picture_has_a_say_in_its_own_verdict(seed: int, good: int, bad: int, calibrated: bool) -> None:
    """Whatever its score were, the threshold that it is judged by, and the calibration, would be the same."""
    rng = np.random.default_rng(seed)
    good, bad = (4 * number if calibrated else number for number in (good + 12, bad + 12))
    defective = [False] * good + [True] * bad
    scores = rng.beta(2 + 2 * np.array(defective), 3).tolist()
    chosen = options(calibrate="platt" if calibrated else "none", seed=seed % 7)
    own = inspector(Calibratable if calibrated else Plain)
    made = scored(scores, defective)
    decide_by(own, chosen, Target.LABEL, made, "")
    found = decide_without_each(own, chosen, Target.LABEL, made)
    assert found is not None
    assert not calibrated or found[0] != made.predictions
    row = int(rng.integers(len(scores)))
    other = scored([*scores[:row], 0.9999, *scores[row + 1 :]], defective)
    changed = decide_without_each(own, chosen, Target.LABEL, other)
    assert changed is not None
    assert changed[1][row] == found[1][row]
    assert [one.id for one in found[0]] == [str(number) for number in range(len(scores))]


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 30))
def test_no_copy_of_a_picture_has_a_say_in_its_verdict(seed: int, good: int) -> None:
    """Neither a made defect in it, nor one of which it is the source; all others have."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(good, size=(3 * good, 2)).tolist()
    copies = tuple(Copy(part, source, "patch", number) for number, (part, source) in enumerate(pairs))
    scores, of_copies = rng.beta(2, 3, good).tolist(), rng.beta(4, 3, len(copies)).tolist()

    def thresholds(of_copies: list[float]) -> Sequence[Threshold]:
        judged = tuple(Prediction(f"made {number}", defect_score=score) for number, score in enumerate(of_copies))
        own = replace(scored(scores, [False] * good), made=JudgedCopies(copies, judged))
        found = decide_without_each(inspector(), options(defect_rate=0.2), Target.LABEL, own)
        assert found is not None
        return found[1]

    row, before = int(rng.integers(good)), thresholds(of_copies)
    assert all("Defects made by the program" in threshold.basis for threshold in before)
    of_row = [row in (copy.part, copy.source) for copy in copies]
    own_changed = [0.0 if own else score for own, score in zip(of_row, of_copies, strict=True)]
    others_changed = [score if own else 2.0 for own, score in zip(of_row, of_copies, strict=True)]
    assert thresholds(own_changed)[row] == before[row]
    assert thresholds(others_changed)[row].fail_from > before[row].fail_from or max(scores) < before[row].fail_from


def test_scores_that_tell_nothing_do_as_badly_as_they_are() -> None:
    """On the pictures that chose it, a threshold on noise seems better than a coin; without each, it is not."""
    same, without = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        defective = rng.permutation([True, False] * 15).tolist()
        made = scored(rng.uniform(size=30).tolist(), defective)
        chosen = options(cost_escape=1.0, cost_overkill=1.0, seed=seed)
        threshold = decide_by(inspector(), chosen, Target.LABEL, made, "").threshold
        found = decide_without_each(inspector(), chosen, Target.LABEL, made)
        assert threshold is not None
        assert found is not None
        scores = np.array([one.defect_score for one in made.predictions])
        same.append(np.mean((scores >= threshold.fail_from) != defective))
        cuts = np.array([one.fail_from for one in found[1]])
        without.append(np.mean((scores >= cuts) != defective))
    assert np.mean(same) < 0.42, "the flattery that is measured away"
    assert abs(np.mean(without) - 0.5) < 0.06


def test_pictures_of_one_group_do_not_decide_each_other() -> None:
    groups = [f"lot {row // 4}" for row in range(40)]
    defective = [row % 2 == 0 for row in range(40)]
    scores = [0.1 + 0.02 * row for row in range(40)]
    found = decide_without_each(inspector(), options(), Target.LABEL, scored(scores, defective, groups))
    assert found is not None
    cuts = [one.fail_from for one in found[1]]
    assert all(len({cuts[row] for row in range(40) if groups[row] == group}) == 1 for group in set(groups))


@pytest.mark.parametrize(
    "defective", [[False], [True] * 12, [False] * 11 + [True], [False, True]], ids=["good", "bad", "one", "two"]
)
def test_too_few_are_decided_by_all_of_them(defective: list[bool]) -> None:
    made = scored([0.1 * row for row in range(len(defective))], defective)
    assert decide_without_each(inspector(), options(), Target.LABEL, made) is None


def test_the_inspector_keeps_its_own_calibration() -> None:
    rng = np.random.default_rng(0)
    defective = [row % 2 == 0 for row in range(200)]
    made = scored(rng.beta(2 + 2 * np.array(defective), 3).tolist(), defective)
    own: Any = inspector(Calibratable)
    decide_by(own, options(calibrate="platt"), Target.LABEL, made, "")
    before = own.calibration
    assert before is not None
    found = decide_without_each(own, options(calibrate="platt"), Target.LABEL, made)
    assert found is not None
    assert own.calibration is before
    assert found[0] != decide_by(own, options(calibrate="platt"), Target.LABEL, made, "").predictions
