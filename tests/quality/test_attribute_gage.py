"""The attribute study gives the manual's shares and intervals, and refuses what cannot be counted."""

from __future__ import annotations

import pytest

from kenpin.errors import ShapeError
from kenpin.quality.attribute_gage import Appraisal, Share, attribute_study

# How often A, B and C are wrong of which parts, so that their counts are those of AIAG MSA, 4th edition, section III-C:
# 50 parts, 16 of them NG, three trials each.
WRONG = {
    "A": {"ng0": 1, "ng1": 1, "ng2": 1, "ok0": 1, "ok1": 1, "ok2": 1, "ok3": 1, "ok4": 1},
    "B": {"ng0": 1, "ng1": 1, "ng3": 1, "ok0": 1, "ok1": 1},
    "C": {"ng0": 2, "ng1": 2, "ng2": 1, "ng3": 1, "ok0": 2, "ok1": 2, "ok2": 2, "ok3": 1, "ok5": 1, "ok6": 1},
}
TRUTH = {f"ng{i}": "NG" for i in range(16)} | {f"ok{i}": "OK" for i in range(34)}
OTHER = {"NG": "OK", "OK": "NG"}
STUDY = [
    Appraisal(part, name, str(trial), OTHER[true] if trial < wrong.get(part, 0) else true)
    for name, wrong in WRONG.items()
    for part, true in TRUTH.items()
    for trial in range(3)
]


def percents(share: Share | None) -> tuple[float, float, float]:
    assert share is not None
    return round(100 * share.value), round(100 * share.low), round(100 * share.high)


def test_the_shares_of_the_manual() -> None:
    study = attribute_study(STUDY, TRUTH)
    assert [percents(one.within) for one in study.appraisers] == [(84, 71, 93), (90, 78, 97), (80, 66, 90)]
    assert [percents(one.effectiveness) for one in study.appraisers] == [(84, 71, 93), (90, 78, 97), (80, 66, 90)]
    assert percents(study.between) == percents(study.all_right) == (78, 64, 88)
    misses = [one.missed.value for one in study.appraisers if one.missed]
    alarms = [one.false_alarms.value for one in study.appraisers if one.false_alarms]
    assert misses == pytest.approx([0.0625, 0.0625, 0.125])
    assert alarms == pytest.approx([0.049, 0.020, 0.088], abs=5e-4)
    kappas = [one.against_truth.value for one in study.appraisers if one.against_truth]
    assert kappas == pytest.approx([0.88, 0.92, 0.77], abs=5e-3)
    assert [one.rating for one in study.appraisers] == ["unacceptable"] * 3  # they miss more than 5 %
    assert [names[:2] for names in study.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]


def test_one_inspector_over_pictures_taken_again() -> None:
    study = attribute_study([one for one in STUDY if one.appraiser == "B"])
    (inspector,) = study.appraisers
    assert percents(inspector.within) == (90, 78, 97)
    assert (inspector.effectiveness, study.between, study.pairs) == (None, None, ())
    assert study.overall is not None


def test_words_that_are_neither_are_false_alarms_but_no_misses() -> None:
    (inspector,) = attribute_study(
        [Appraisal("good", "kenpin", "1", "REVIEW"), Appraisal("bad", "kenpin", "1", "REVIEW")],
        {"good": "OK", "bad": "NG"},
    ).appraisers
    assert inspector.missed is not None
    assert inspector.false_alarms is not None
    assert (inspector.missed.events, inspector.false_alarms.events, inspector.within) == (0, 1, None)


def test_a_faultless_appraiser_is_acceptable() -> None:
    faultless = [Appraisal(part, "D", trial, true) for part, true in TRUTH.items() for trial in "12"]
    (appraiser,) = attribute_study(faultless, TRUTH).appraisers
    assert appraiser.rating == "acceptable"
    assert appraiser.against_truth is not None
    assert appraiser.against_truth.value == 1.0


def test_parts_appraised_unequally_have_no_overall_kappa() -> None:
    assert attribute_study(STUDY[:-1], TRUTH).overall is None


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ShapeError, match="no appraisal"):
        attribute_study([])
    with pytest.raises(ShapeError, match="A judges part ng0 twice in trial 0"):
        attribute_study([STUDY[0], STUDY[0]])
    with pytest.raises(ShapeError, match="part ng0 has no true verdict"):
        attribute_study(STUDY, {})
