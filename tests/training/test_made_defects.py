"""Made defects in a training: never learned from, judged by what has not seen them, and named wherever they count."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ksone

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.data.made_defects import MadeDefect
from kenpin.errors import KenpinError, OptionError
from kenpin.models.mahalanobis import MahalanobisOptions
from kenpin.models.mahalanobis.inspector import UnitSpaceInspector
from kenpin.models.mahalanobis.patch_inspector import PatchSpaceInspector
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.conformal import least_passing
from kenpin.quality.made_defects import threshold_from_made_defects
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Example, ImageSource, Prediction, Threshold, Verdict
from kenpin.records_json import evaluation_from_json
from kenpin.run.layout import REPORT, evaluation_files
from kenpin.run.lineage import read_lineage
from kenpin.run.record import read_record
from kenpin.training import Listener, train
from kenpin.training.holding_out import copies_of_held_out, judged_by_folds
from kenpin.training.made_copies import Copies, Copy, JudgedCopies, plan_copies
from kenpin.training.made_figures import found_by_kind, in_words
from kenpin.training.stages import Training
from kenpin.training.start import begin
from tests.commands import Run
from tests.pictures import part

SCORES = st.lists(st.floats(0, 100), min_size=1, max_size=40)
MADE: dict[str, Any] = {"data": "-", "base": "toy", "made_defects": 12, "defect_rate": 0.05}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for number in range(34):
        part(number, scratched=number >= 24).save(folder / f"{number}.png")
    return folder


def parts(folder: Path, *, good: int = 14, bad: int = 0, validation: int = 0, test: int = 0) -> Dataset:
    """So many good and bad ones to learn from, further good ones for validation, and as many of each kind to test."""
    wanted = [("ok", "train")] * good + [("ok", "validation")] * validation + [("ok", "test")] * test
    rows = [*range(len(wanted)), *range(24, 24 + bad + test)]
    wanted += [("scratch", "train")] * bad + [("scratch", "test")] * test
    has_splits = bool(validation or test)
    return Dataset.from_examples(
        Example(f"{row}", ImageSource(str(folder / f"{row}.png")), split if has_splits else None, label)
        for row, (label, split) in zip(rows, wanted, strict=True)
    )


# ---- planning


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30), st.integers(0, 90), st.integers()
)
def test_each_part_and_kind_comes_as_often_and_sources_are_held_out_with_the_part(
    parts: list[tuple[int, bool]], count: int, seed: int
) -> None:
    folds, bad = zip(*parts, strict=True)
    seed = abs(seed) % 2**32
    planned = plan_copies(Dataset.from_examples([]), bad, folds, count, seed=seed).planned
    if all(bad):
        assert planned == ()
        return
    assert len(planned) == count
    assert not any(bad[copy.part] or bad[copy.source] for copy in planned)
    assert all(folds[copy.part] == folds[copy.source] for copy in planned)
    for each, among in (
        (Counter(copy.part for copy in planned), bad.count(False)),
        (Counter(copy.kind for copy in planned), 4),
    ):
        often = [*each.values(), *[0] * (among - len(each))]
        assert max(often) - min(often) <= 1
    assert planned == plan_copies(Dataset.from_examples([]), bad, folds, count, seed=seed).planned


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.sets(st.integers(0, 9)))
def test_of_some_pictures_there_are_the_copies_of_nothing_else(pairs: list[tuple[int, int]], rows: set[int]) -> None:
    copies = tuple(Copy(own, source, "patch", seed) for seed, (own, source) in enumerate(pairs))
    judged = JudgedCopies(copies, tuple(Prediction(str(copy.seed), defect_score=float(copy.seed)) for copy in copies))
    chosen = sorted(rows)
    found = judged.of_rows(chosen)
    assert {int(score) for score in found.scores} == {
        seed for seed, (own, source) in enumerate(pairs) if own in rows and source in rows
    }
    assert all((chosen[copy.part], chosen[copy.source]) == pairs[copy.seed] for copy in found.copies)


def test_few_copies_are_in_memory_at_once(folder: Path) -> None:
    sizes = []

    class Sizing:
        def predict(self, dataset: Dataset) -> list[Prediction]:
            sizes.append(len(dataset))
            return [Prediction(example.id, defect_score=0.0) for example in dataset]

    copies = plan_copies(parts(folder), [False] * 14, [0] * 14, 30, seed=0)
    found = dict(copies.of_fold(cast(Predictor, Sizing()), 0))
    assert max(sizes) <= 8
    assert len({one.id for one in copies.judged(found).predictions}) == 30


# ---- what learns, and what judges


@pytest.mark.parametrize(
    ("where", "splits"), [("none", {}), ("pooled", {"good": 5}), ("neighbours", {"good": 6, "validation": 5})]
)
def test_no_copy_is_learned_from_and_none_is_judged_by_what_has_seen_its_pictures(
    where: str, splits: dict[str, int], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[list[str]] = []
    judged: list[str] = []
    for kind in (UnitSpaceInspector, PatchSpaceInspector):
        monkeypatch.setattr(kind, "fit", _spied(kind.fit, learned))
    of_fold = Copies.of_fold

    def watched(self: Copies, predictor: Predictor, fold: int) -> Any:
        ids = self.pictures.column("id")
        for copy in self.planned:
            if self.folds[copy.part] == fold:
                assert not {ids[copy.part], ids[copy.source]} & set(learned[-1])
        for number, prediction in of_fold(self, predictor, fold):
            judged.append(prediction.id)
            yield number, prediction

    monkeypatch.setattr(Copies, "of_fold", watched)
    dataset = parts(folder, **splits)
    train("mahalanobis", dataset=dataset, out=tmp_path / "run", where=where, report=False, **MADE)
    real = set(dataset.column("id"))
    assert learned
    assert all(set(ids) <= real for ids in learned)
    assert len(judged) == len(set(judged)) == 12
    lineage = read_lineage(tmp_path / "run")
    assert lineage is not None
    assert lineage.contents <= set(dataset.contents())


def _spied(fit: Any, learned: list[list[str]]) -> Any:
    def spied(self: Any, training: Dataset, *others: Any) -> Any:
        learned.append(training.column("id"))
        return fit(self, training, *others)

    return spied


# ---- what is told


@pytest.mark.parametrize("where", ["none", "positions", "pooled", "neighbours"])
def test_a_run_says_that_they_are_made(where: str, folder: Path, tmp_path: Path) -> None:
    out, heard = tmp_path / "run", list[str]()
    run = train("mahalanobis", dataset=parts(folder), out=out, where=where, listener=Listener(say=heard.append), **MADE)
    threshold, record = run.threshold, read_record(out)
    assert threshold is not None
    assert "Defects made by the program decided in place of real ones" in threshold.basis
    assert "12 made defects in copies of them" in threshold.basis
    assert "How many real defects escape is unknown." in threshold.basis
    assert threshold.expected_cost is None, "it would be a figure of made defects"
    assert threshold.good_scores is not None
    assert len(threshold.good_scores) == 14
    (note,) = (sentence for sentence in record.notes if sentence.startswith("Made defects:"))
    assert note in heard
    assert "the threshold was chosen by them" in note
    assert re.findall(r"(\w+) \d of 3 do not pass", note) == ["missing", "patch", "scratch", "spot"]
    evaluation = evaluation_from_json(_json(evaluation_files(out).evaluation))
    assert [one.prediction.id for one in evaluation.judged] == parts(folder).column("id"), "no copy among them"
    assert not any(one.defective for one in evaluation.judged)
    report = (out / REPORT).read_text("utf-8")
    assert "Defects made by the program" in report
    of_defects = ("auroc", "average_precision", "escape_rate", "detection_rate", "cost_per_part")
    assert all(record.scores.get(name) is None for name in of_defects)


def _json(path: Path) -> Any:
    from kenpin.files import read_json

    return read_json(path)


def test_test_pictures_are_judged_by_their_own_defects_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train("mahalanobis", dataset=parts(folder, test=5), out=out, where="pooled", report=False, **MADE)
    evaluation = evaluation_from_json(_json(evaluation_files(out).evaluation))
    assert sum(bool(one.defective) for one in evaluation.judged) == 5
    assert len(evaluation.judged) == 10
    assert "auroc" in evaluation.measures


def test_a_limit_that_needs_no_defects_stays_and_is_told_what_it_finds(folder: Path, tmp_path: Path) -> None:
    quantile: dict[str, Any] = {"limit": "quantile", "good_passed": 0.8, "data": "-", "base": "toy", "report": False}
    plain = train("mahalanobis", dataset=parts(folder), out=tmp_path / "plain", **quantile)
    made = train("mahalanobis", dataset=parts(folder), out=tmp_path / "made", made_defects=8, **quantile)
    assert made.threshold == plain.threshold
    (note,) = (one for one in read_record(tmp_path / "made").notes if one.startswith("Made defects:"))
    assert "chosen by them" not in note


# ---- layers


def test_the_chosen_layers_are_those_of_the_run(folder: Path, tmp_path: Path) -> None:
    """The run is the one that a user gets who names them, and the note tells every set that was tried."""
    values = MADE | {"where": "pooled", "report": False, "made_defects": 16}
    train("mahalanobis", dataset=parts(folder), out=tmp_path / "chosen", choose_layers=True, **values)
    record = read_record(tmp_path / "chosen")
    (note,) = (one for one in record.notes if one.startswith("Layers "))
    areas = {tuple(map(int, of.split())): float(area) for of, area in re.findall(r"([\d ]+): (0\.\d+)", note)}
    assert set(areas) == {(1,), (2,), (1, 2)}
    best = tuple(record.options["layers"])
    assert areas[best] == max(areas.values())
    assert "real defects best is unknown" in note
    assert record.options["choose_layers"] is False
    train("mahalanobis", dataset=parts(folder), out=tmp_path / "named", layers=best, **values)
    pictures = [str(folder / f"{number}.png") for number in (20, 25)]
    scores = [
        [one.defect_score for one in load_predictor(tmp_path / name).predict(pictures)] for name in ("chosen", "named")
    ]
    assert scores[0] == scores[1]
    assert read_record(tmp_path / "named").threshold == record.threshold


def test_a_choice_that_was_interrupted_is_resumed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = MADE | {"where": "pooled", "report": False, "choose_layers": True, "out": tmp_path / "run"}

    def struck(*_: Any) -> Any:
        raise RuntimeError("power failure")

    with monkeypatch.context() as patch:
        patch.setattr(Training, "evaluate", struck)
        with pytest.raises(RuntimeError, match="power failure"):
            train("mahalanobis", dataset=parts(folder), **values)
    train("mahalanobis", dataset=parts(folder), resume=True, **values)
    resumed = read_record(tmp_path / "run")
    train("mahalanobis", dataset=parts(folder), **values | {"out": tmp_path / "whole"})
    whole = read_record(tmp_path / "whole")
    assert (resumed.options["layers"], resumed.threshold) == (whole.options["layers"], whole.threshold)


# ---- refusals


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"defect_rate": None}, "made_defects` say nothing of how many parts are defective"),
        ({"calibrate": "platt"}, "`calibrate` needs real defects"),
        ({"made_defects": 0, "choose_layers": True}, "`choose_layers` does nothing with no --made-defects"),
        ({"layers": (1,), "choose_layers": True}, "exclude each other"),
        ({"made_defects": -1}, "made_defects"),
    ],
)
def test_options_that_do_not_go_together_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=re.escape(words)):
        MahalanobisOptions.from_mapping({**MADE, "out": "run", **values})


@pytest.mark.parametrize("bad", [1, 3])
def test_where_real_defects_decide_made_ones_are_refused(bad: int, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=rf"{bad} of the {14 + bad} pictures that decide are defective"):
        train("mahalanobis", dataset=parts(folder, bad=bad), out=tmp_path / "run", **MADE)
    assert not list(tmp_path.iterdir())


def test_a_table_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "parts.csv"
    rows = np.random.default_rng(0).normal(size=(20, 3))
    table.write_text("a,b,c,label\n" + "".join(f"{a},{b},{c},ok\n" for a, b, c in rows))
    with pytest.raises(KenpinError, match="`made_defects` does nothing with a table of numbers"):
        train("mahalanobis", data=str(table), out=tmp_path / "run", made_defects=4, defect_rate=0.1)


def test_a_run_as_base_has_no_layers_to_choose_among(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    train("mahalanobis", dataset=parts(folder), data="-", out=base, base="toy", report=False)
    with pytest.raises(OptionError, match="`choose_layers` does nothing with base"):
        train("mahalanobis", dataset=parts(folder), out=tmp_path / "run", choose_layers=True, **MADE | {"base": base})


def test_without_the_option_nothing_is_made(folder: Path) -> None:
    start = begin("mahalanobis", None, parts(folder), {"out": "out", "base": "toy"})
    assert copies_of_held_out(start).planned == ()


def test_the_command_line_takes_them(kenpin: Run, folder: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    for number in range(6):
        part(number, scratched=False).save(good / f"{number}.png")
    words = ("train", "mahalanobis", "--data", good, "--out", tmp_path / "run", "--base", "toy", "--where", "pooled")
    code, _, told = kenpin(*words, "--made-defects", 8, "--defect-rate", 0.1, "--choose-layers")
    assert code == 0
    assert "Defects made by the program" in " ".join(told.split())


# ---- figures


@given(SCORES, SCORES, st.sampled_from([0.001, 0.05, 0.5]), st.sampled_from([None, 0.3]))
@settings(deadline=None)
def test_the_cut_is_that_of_costs_at_the_stated_rate_however_many_were_made(
    good: list[float], made: list[float], rate: float, review: float | None
) -> None:
    costs: dict[str, Any] = {"cost_escape": 10.0, "cost_overkill": 1.0, "cost_review": review, "defect_rate": rate}
    threshold = threshold_from_made_defects(good, made, **costs, parts="parts")
    bad = [False] * len(good) + [True] * len(made)
    expected = threshold_from_costs([*good, *made], bad, **costs, basis="")
    assert (threshold.fail_from, threshold.review_from) == (expected.fail_from, expected.review_from)
    thrice = threshold_from_made_defects(good, made * 3, **costs, parts="parts")
    assert (thrice.fail_from, thrice.review_from) == (threshold.fail_from, threshold.review_from)
    passed = sum(verdict_of(score, threshold) is Verdict.PASS for score in good)
    assert f"Of these good parts {passed} pass" in threshold.basis


@pytest.mark.parametrize("count", [1, 5, 30, 200])
def test_the_promise_for_good_parts_holds_for_the_boldest_cut(count: int) -> None:
    """A cut chosen after looking, where the sample flatters it most: the share is missed in 5 % of the trials."""
    draw = np.random.default_rng(count)
    missed, trials = 0, 2_000
    for _ in range(trials):
        scores = np.sort(draw.uniform(size=count))  # the true share below a cut is the cut
        boldest = max(scores, key=lambda at: (scores <= at).mean() - at)
        missed += boldest < least_passing(scores, np.nextafter(boldest, 1)) - 1e-12
    assert binom.sf(missed - 1, trials, 0.05) > 1e-4
    assert missed > 0.02 * trials, "nor is it so careful that it says nothing"


@pytest.mark.parametrize("count", [1, 2, 7, 30, 500])
def test_the_bound_is_that_of_the_one_sided_test_of_kolmogorov(count: int) -> None:
    margin = float(ksone.ppf(0.95, count))
    assert least_passing(np.arange(count), count) == pytest.approx(max(0.0, 1 - margin), abs=1e-9)
    assert margin <= (np.log(20) / (2 * count)) ** 0.5 + 1e-12, "Massart 1990"


def test_without_a_good_part_no_share_is_known() -> None:
    with pytest.raises(OptionError, match="no good part shows"):
        least_passing([], 1.0)


def test_figures_by_kind_are_counted_and_named() -> None:
    threshold = Threshold(fail_from=5.0, review_from=4.0, basis="")
    found = found_by_kind([1.0, 2.0, 6.0], [7.0, 4.5, 3.0, 0.5], ["spot", "spot", "patch", "patch"], threshold)
    assert [(of.kind, of.not_passed, of.made) for of in found] == [("patch", 0, 2), ("spot", 2, 2), ("all", 2, 4)]
    assert [of.auroc for of in found] == [pytest.approx(2 / 6), pytest.approx(5 / 6), pytest.approx(7 / 12)]
    assert found[1].interval[1] == 1.0
    assert binom.pmf(2, 2, found[1].interval[0]) == pytest.approx(0.025)
    words = in_words(found, chose=True)
    assert "spot 2 of 2 do not pass" in words
    assert "the threshold was chosen by them" in words
    assert "they do not say how many real defects are found" in in_words(found, chose=False)


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "RGB"), ("jpg", "L"), ("png", "L"), ("tif", "RGB")])
def test_a_copy_without_a_defect_scores_as_its_part(
    suffix: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told apart is the defect, and not the file that the copy is handed over in."""
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(5):
        picture = part(number, scratched=False).resize((900, 700)).convert(mode)
        picture.save(folder / f"{number}.{suffix}")
    monkeypatch.setattr(
        "kenpin.training.made_copies.make_defect", lambda picture, *_, source: MadeDefect(picture, np.ones(1, bool))
    )
    start = begin(
        "mahalanobis",
        None,
        load_dataset(str(folder)),
        MADE | {"out": "out", "where": "pooled", "made_defects": 8},
    )
    assert start.folding is not None
    copies = copies_of_held_out(start)
    good, made = judged_by_folds(start, start.folding, copies, lambda *_: None)
    assert made.scores == tuple(good[copy.part].defect_score for copy in made.copies)
