"""Measures agree with scikit-learn and SciPy, keep ties and undefined cases honest, and their intervals cover."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, mannwhitneyu
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from kenpin.errors import LabelError, ShapeError
from kenpin.metrics import calibration, confusion, intervals, ranking

LABELS = ("OK", "不良", "solder-bridge")

names = st.sampled_from(LABELS)
pairs_of_names = st.lists(st.tuples(names, names), min_size=1, max_size=40)
# few distinct scores, so that ties are the rule
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 6).map(float)), min_size=2, max_size=40)


def split(pairs: list[tuple[bool, float]]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.array([d for d, _ in pairs], bool), np.array([s for _, s in pairs], float)


@given(pairs_of_names)
def test_confusion_scores_agree_with_sklearn(pairs: list[tuple[str, str]]) -> None:
    truth, said = [t for t, _ in pairs], [s for _, s in pairs]
    counts = confusion.confusion_matrix(truth, said, LABELS)
    assert (counts == reference.confusion_matrix(truth, said, labels=LABELS)).all()
    assert confusion.accuracy(counts) == pytest.approx(reference.accuracy_score(truth, said))
    p, r, f, n = reference.precision_recall_fscore_support(truth, said, labels=LABELS, zero_division=np.nan)
    for i, scores in enumerate(confusion.class_scores(counts)):
        assert scores.support == n[i]
        assert (scores.precision is None) == np.isnan(p[i])
        assert scores.precision is None or scores.precision == pytest.approx(p[i])
        assert (scores.recall is None) == (n[i] == 0)
        assert scores.recall is None or scores.recall == pytest.approx(r[i])
        assert (scores.f1 is None) == (n[i] == 0 and np.isnan(p[i]))
        assert scores.f1 is None or scores.f1 == pytest.approx(f[i])
    occurring = sorted({*truth, *said})
    assert confusion.macro_f1(counts) == pytest.approx(
        reference.f1_score(truth, said, labels=occurring, average="macro", zero_division=0)
    )
    if len(set(truth)) >= 2:
        recalls = reference.recall_score(truth, said, labels=sorted(set(truth)), average=None, zero_division=np.nan)
        assert confusion.balanced_accuracy(counts) == pytest.approx(recalls.mean())
    else:
        assert np.isnan(confusion.balanced_accuracy(counts))


def test_ok_class_keeps_its_row_even_when_it_does_not_occur() -> None:
    assert confusion.confusion_matrix(["crack"], ["crack"], ["OK", "crack"]).tolist() == [[0, 0], [0, 1]]


def test_nothing_measured_is_undefined_and_not_zero() -> None:
    empty = confusion.confusion_matrix([], [], LABELS)
    assert np.isnan([confusion.accuracy(empty), confusion.macro_f1(empty), confusion.balanced_accuracy(empty)]).all()
    assert ranking.auroc([], []) is None
    assert calibration.calibration_error([], []) is None
    assert intervals.wilson(0, 0) is None


def test_a_foreign_label_is_named() -> None:
    with pytest.raises(LabelError, match="dent"):
        confusion.confusion_matrix(["OK"], ["dent"], LABELS)
    with pytest.raises(ShapeError, match="1 true label for 2"):
        confusion.confusion_matrix(["OK"], ["OK", "OK"], LABELS)


@given(scored)
def test_ranking_agrees_with_sklearn_ties_included(pairs: list[tuple[bool, float]]) -> None:
    defective, scores = split(pairs)
    if defective.all() or not defective.any():
        assert ranking.auroc(defective, scores) is None
        assert ranking.average_precision(defective, scores) is None
        assert ranking.roc_curve(defective, scores) == ()
        assert ranking.precision_recall_curve(defective, scores) == ()
        return
    assert ranking.auroc(defective, scores) == pytest.approx(reference.roc_auc_score(defective, scores))
    above = mannwhitneyu(scores[defective], scores[~defective]).statistic
    assert ranking.auroc(defective, scores) == pytest.approx(above / (defective.sum() * (~defective).sum()))
    expected = reference.average_precision_score(defective, scores)
    assert ranking.average_precision(defective, scores) == pytest.approx(expected)
    false_alarms, detections, _ = reference.roc_curve(defective, scores, drop_intermediate=False)
    ours = np.array(ranking.roc_curve(defective, scores))
    assert np.interp(false_alarms, ours[:, 0], ours[:, 1])[-1] == 1.0
    assert np.trapezoid(ours[:, 1], ours[:, 0]) == pytest.approx(reference.auc(false_alarms, detections))


@given(scored, st.floats(0.1, 9.0))
def test_auroc_depends_on_the_order_alone_and_turns_with_it(pairs: list[tuple[bool, float]], power: float) -> None:
    defective, scores = split(pairs)
    area = ranking.auroc(defective, scores)
    assert ranking.auroc(defective, (scores + 1) ** power) == area
    assert area is None or ranking.auroc(defective, -scores) == pytest.approx(1 - area)


def test_precision_recall_points_are_those_of_sklearn() -> None:
    generator = np.random.default_rng(3)
    defective = generator.random(60) < 0.4
    scores = np.round(generator.normal(defective, 1.0), 1)
    precision, recall, _ = reference.precision_recall_curve(defective, scores)
    expected = {(round(float(r), 9), round(float(p), 9)) for r, p in zip(recall[:-1], precision[:-1], strict=True)}
    ours = {(round(r, 9), round(p, 9)) for r, p in ranking.precision_recall_curve(defective, scores)}
    assert ours <= expected
    assert max(r for r, _ in ours) == 1.0


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ShapeError, match="1 score is not a number"):
        ranking.auroc([True, False], [0.5, float("nan")])
    with pytest.raises(ShapeError, match="one for each"):
        ranking.auroc([True], [0.5, 0.1])


@pytest.mark.parametrize("curve", [ranking.roc_curve, ranking.precision_recall_curve])
def test_thinning_keeps_the_shape(curve: Callable[..., ranking.Curve], monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    defective = generator.random(30_000) < 0.2
    scores = generator.normal(defective.astype(float))
    thinned = np.array(curve(defective, scores))
    monkeypatch.setattr(ranking, "thin", lambda x, y: tuple(zip(x, y, strict=True)))
    full = np.array(curve(defective, scores))
    assert 300 < len(thinned) <= 500 < 20_000 < len(full)
    assert (thinned[[0, -1]] == full[[0, -1]]).all()
    step = np.abs(np.diff(full, axis=0)).sum() / 499
    finely = np.linspace(0, len(thinned) - 1, 8 * len(thinned))
    line = np.stack([np.interp(finely, np.arange(len(thinned)), thinned[:, axis]) for axis in (0, 1)], axis=1)
    nearest = np.abs(full[::23, None] - line[None]).sum(-1).min(1)
    assert nearest.max() <= step + 1e-9


def test_thinning_drops_points_on_a_straight_line_only() -> None:
    line = [0.0, 0.25, 0.5, 1.0]
    assert ranking.thin(line, line) == ((0.0, 0.0), (1.0, 1.0))
    assert len(ranking.thin([0, 0, 1], [0, 1, 1])) == 3


def test_calibration_error_by_hand() -> None:
    # bin [0, .1): mean .05, rate 0; bin [.9, 1]: mean .95, rate 1/2
    stated, happened = [0.05, 0.05, 0.9, 1.0], [False, False, True, False]
    assert calibration.calibration_error(stated, happened) == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)
    curve = calibration.reliability_curve(stated, happened)
    assert np.array(curve) == pytest.approx(np.array([[0.05, 0.0], [0.95, 0.5]]))


def test_boasting_in_one_bin_does_not_make_up_for_modesty_in_another() -> None:
    assert calibration.calibration_error([0.25, 0.75], [True, False]) == pytest.approx(0.75)


def test_a_calibrated_forecast_has_nearly_no_error_and_a_boastful_one_has() -> None:
    generator = np.random.default_rng(1)
    chance = generator.random(20_000)
    happened = generator.random(20_000) < chance
    honest, boastful = (
        calibration.calibration_error(chance, happened),
        calibration.calibration_error(chance**0.3, happened),
    )
    assert honest is not None
    assert boastful is not None
    assert honest < 0.02 < 0.2 < boastful
    rate, mean = calibration_curve(happened, chance, n_bins=10)
    ours = np.array(calibration.reliability_curve(chance, happened))
    assert ours == pytest.approx(np.stack([mean, rate], axis=1))


def test_a_distance_is_no_probability() -> None:
    with pytest.raises(ShapeError, match="between 0 and 1"):
        calibration.calibration_error([3.2], [True])


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(case: tuple[int, int]) -> None:
    hits, cases = case
    expected = binomtest(hits, cases).proportion_ci(method="wilson")
    assert intervals.wilson(hits, cases) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_refuses_more_hits_than_cases() -> None:
    with pytest.raises(ShapeError, match="3 hits in 2 cases"):
        intervals.wilson(3, 2)


def test_bootstrap_of_ranks_agrees_with_the_bootstrap_of_sklearn_scores() -> None:
    generator = np.random.default_rng(5)
    defective = np.arange(80) < 25
    scores = np.round(generator.normal(defective * 1.2), 1)
    slow: dict[str, list[float]] = {"auroc": [], "ap": []}
    for _ in range(600):
        picks = np.concatenate([generator.choice(25, 25), 25 + generator.choice(55, 55)])
        slow["auroc"].append(reference.roc_auc_score(defective[picks], scores[picks]))
        slow["ap"].append(reference.average_precision_score(defective[picks], scores[picks]))
    for values, measure in (
        (slow["auroc"], ranking.auroc_of_counts),
        (slow["ap"], ranking.average_precision_of_counts),
    ):
        expected = np.quantile(values, [0.025, 0.975])
        assert intervals.ranking_interval(measure, defective, scores) == pytest.approx(expected, abs=0.02)


def test_the_interval_of_an_auroc_covers_the_truth() -> None:
    from scipy.stats import norm

    truth = norm.cdf(1.0 / 2**0.5)
    generator = np.random.default_rng(2)
    defective = np.arange(120) < 40
    covered = 0
    for _ in range(200):
        interval = intervals.ranking_interval(
            ranking.auroc_of_counts, defective, generator.normal(defective * 1.0), resamples=300
        )
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert 0.88 <= covered / 200 <= 0.99


def test_the_bootstrap_is_seeded_portioned_and_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    defective = generator.random(1_000) < 0.3
    scores = generator.normal(defective.astype(float))

    def interval(seed: int) -> intervals.Interval | None:
        return intervals.ranking_interval(ranking.auroc_of_counts, defective, scores, seed=seed)

    start = time.process_time()
    first = interval(0)
    assert time.process_time() - start < 1.0
    assert interval(0) == first != interval(1)
    assert first is not None
    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 50_000)
    assert interval(0) == pytest.approx(first, abs=0.01)


def test_the_interval_of_a_change_is_of_the_same_parts_drawn() -> None:
    rng = np.random.default_rng(0)
    defective = rng.random(120) < 0.4
    before = rng.normal(size=120) + defective
    after = before + rng.normal(scale=0.5, size=120) + 0.8 * defective
    measure = ranking.auroc_of_counts
    found = intervals.paired_ranking_interval(measure, defective, before, after, seed=3)
    assert found is not None
    # drawn part by part, and an AUROC is the share of pairs in the right order
    changes = []
    kinds = np.flatnonzero(defective), np.flatnonzero(~defective)
    for _ in range(1_000):
        bad, good = (rng.choice(kind, len(kind)) for kind in kinds)
        old, new = (np.mean(scores[bad][:, None] > scores[good]) for scores in (before, after))  # there are no ties
        changes.append(new - old)
    assert found == pytest.approx(np.quantile(changes, [0.025, 0.975]), abs=0.015)
    # two intervals apart would be far wider
    alone = intervals.ranking_interval(measure, defective, after, seed=3)
    assert alone is not None
    assert found[1] - found[0] < 1.4 * (alone[1] - alone[0])
    assert intervals.paired_ranking_interval(measure, defective, before, before) is None
    assert intervals.paired_ranking_interval(measure, np.ones(120, bool), before, after) is None


def test_one_kind_of_part_has_no_interval() -> None:
    assert intervals.ranking_interval(ranking.auroc_of_counts, [True, True], [0.1, 0.2]) is None
    assert intervals.confusion_interval(confusion.balanced_accuracy, [[5, 1], [0, 0]]) is None


def test_bootstrap_of_a_confusion_matrix_agrees_with_its_normal_approximation() -> None:
    counts = np.array([[80, 20, 0], [30, 170, 0], [0, 0, 0]])
    interval = intervals.confusion_interval(confusion.balanced_accuracy, counts)
    error = 1.96 * 0.5 * np.sqrt(0.8 * 0.2 / 100 + 0.85 * 0.15 / 200)
    assert interval == pytest.approx((0.825 - error, 0.825 + error), abs=0.01)


def test_where_nothing_is_wrong_resampling_gives_no_interval() -> None:
    assert intervals.ranking_interval(ranking.auroc_of_counts, [True, False], [1.0, 0.0]) is None
    assert intervals.confusion_interval(confusion.macro_f1, [[5, 0], [0, 5]]) is None
