"""Good parts alone: unlabelled pictures and rows are taken for good parts, and a threshold says what it is worth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.data.loading import load_dataset
from kenpin.decision_options import DecisionOptions
from kenpin.errors import DatasetError, OptionError, UnitSpaceError
from kenpin.models import families_of_good_parts, family_names, get_family
from kenpin.models.mahalanobis import MahalanobisOptions
from kenpin.plural import counted
from kenpin.quality.conformal import FEW, p_value, promised_false_alarms
from kenpin.quality.threshold import judge, threshold_from_good_parts, verdict_of
from kenpin.records import Detections, Prediction, Threshold, Verdict
from kenpin.run.record import read_record
from kenpin.taguchi import UnitSpace
from kenpin.taguchi.limits import chi_square_limit
from kenpin.targets import Target
from kenpin.training import Listener, train
from kenpin.training.decision import decide
from kenpin.training.folding import FOLDS
from kenpin.training.parts import divide, good_folder, take_for_good
from tests.commands import Run
from tests.pictures import part


def flat(folder: Path, count: int) -> Path:
    """A folder of good pictures without class folders."""
    folder.mkdir(parents=True)
    for number in range(count):
        part(number, scratched=False).save(folder / f"{number:03}.png")
    return folder


def decided(scores: Any, *, options: DecisionOptions | None = None, bad: int = 0) -> tuple[Threshold | None, str]:
    predictions = [Prediction(str(number), defect_score=float(score)) for number, score in enumerate(scores)]
    defective = [number < bad for number in range(len(predictions))]
    return decide(predictions, defective, options or DecisionOptions(), "validation pictures", None, "parts/ok")


def test_the_least_number_shows_the_share_that_is_told() -> None:
    threshold = threshold_from_good_parts(np.arange(20.0), "parts")
    assert "at least 86 % of good parts pass" in threshold.basis
    assert "at least 94 % of good parts pass" in threshold_from_good_parts(np.arange(50.0), "parts").basis
    assert threshold.fail_from == np.nextafter(19.0, np.inf)


@pytest.mark.parametrize("count", [20, 37, 50, 99, 100, 299, 1000])
def test_the_share_is_the_largest_that_the_binomial_allows(count: int) -> None:
    scores = np.random.default_rng(count).exponential(size=count)
    threshold = threshold_from_good_parts(scores, "parts")
    told = float(threshold.basis.partition("at least ")[2].partition(" %")[0]) / 100
    below = int((scores < threshold.fail_from).sum())
    # that so many lie below the cut must be unlikely where the true share is smaller, however little
    assert below == count if count < 100 else count > below > 0.985 * count
    assert binom.sf(below - 1, count, told) <= 0.05 + 1e-12
    assert binom.sf(below - 1, count, told + 0.0101) > 0.05  # the next whole percent would be too bold


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first one waits for a device
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=99))
def test_enough_good_parts_always_give_a_threshold_that_passes_them(scores: list[float]) -> None:
    threshold, why = decided(scores)
    assert threshold is not None
    assert {verdict_of(score, threshold) for score in scores} == {Verdict.PASS}
    assert why.endswith("so costs could not decide, and how many escape is unknown.")


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=FEW), st.floats(-2e3, 2e3))
def test_few_promise_what_they_can(scores: list[float], score: float) -> None:
    threshold = threshold_from_good_parts(scores, "parts")
    assert threshold.good_scores == tuple(scores)
    assert f"at most 1 in {len(scores) + 1} fails in the long run" in threshold.basis
    verdict = verdict_of(score, threshold)
    assert (verdict is Verdict.FAIL) is (p_value(scores, score) == promised_false_alarms(len(scores)))
    reasons = judge(Prediction("part", defect_score=score), threshold).reasons
    assert f"p = {p_value(scores, score):.2g}" in reasons[1]


def test_more_than_few_do_without_ranks() -> None:
    threshold = threshold_from_good_parts(np.arange(FEW + 1.0), "parts")
    assert threshold.good_scores is None
    assert "in the long run" not in threshold.basis
    assert len(judge(Prediction("part", defect_score=1.0), threshold).reasons) == 1


def test_no_good_part_gives_no_threshold() -> None:
    threshold, why = decided([], options=MahalanobisOptions(data="-", out=Path("-")))
    assert threshold is None
    assert why == "No threshold: parts/ok: there is no validation picture; add good parts."
    with pytest.raises(OptionError, match="needs some; give at least 1"):
        threshold_from_good_parts([], "parts")


@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_the_promise_holds(count: int) -> None:
    """Over many draws of the good parts, new ones fail no more often than is said."""
    draw = np.random.default_rng(count)
    failed = [
        draw.exponential() >= threshold_from_good_parts(draw.exponential(size=count), "parts").fail_from
        for _ in range(4_000)
    ]
    assert binom.sf(sum(failed) - 1, len(failed), promised_false_alarms(count)) > 1e-4


def test_defective_parts_alone_give_no_threshold() -> None:
    threshold, why = decided(range(30), bad=30)
    assert threshold is None
    assert "parts/ok: 30 defective validation pictures and no good one" in why
    assert "--ok-labels" in why


def test_the_final_space_passes_as_many_good_parts_as_is_told() -> None:
    """Scores by fits without a fifth stand in for scores by all: the share holds in 95 of 100 trials and more."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(60):
        good, new = rng.standard_t(5, size=(20, 12)), rng.standard_t(5, size=(1000, 12))
        fold = rng.permutation(np.arange(20) % 5)
        scores = np.empty(20)
        for out in range(5):
            scores[fold == out] = UnitSpace().fit(good[fold != out]).score_samples(good[fold == out])
        cut = threshold_from_good_parts(scores, "parts").fail_from
        held.append((UnitSpace().fit(good).score_samples(new) < cut).mean() >= 0.86)
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize(("folds", "low", "high"), [(FOLDS, 0.97, 1.08), (FOLDS // 2, 1.09, 1.20)])
def test_held_out_parts_lie_hardly_farther_away_than_new_ones_from_the_final_space(
    folds: int, low: float, high: float
) -> None:
    """A threshold from folds is for the space of all parts: with half as many folds it would let too much pass."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(3):
        mixed = rng.normal(size=(40, 300))  # features of a network: many, and far fewer directions
        good, new = (rng.normal(size=(n, 40)) @ mixed + 0.3 * rng.normal(size=(n, 300)) for n in (100, 500))
        fold = rng.permutation(np.arange(100) % folds)
        held = np.empty(100)
        for out in range(folds):
            held[fold == out] = UnitSpace().fit(good[fold != out]).score_samples(good[fold == out])
        ratios.append(np.median(held) / np.median(UnitSpace().fit(good).score_samples(new)))
    assert low < np.mean(ratios) < high


def test_a_unit_space_of_few_parts_is_not_taken_for_known() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnitSpaceError, match="29 good parts cannot make it so; give at least 30"):
        chi_square_limit(UnitSpace().fit(rng.normal(size=(29, 3))))
    assert chi_square_limit(UnitSpace().fit(rng.normal(size=(30, 3)))).value > 1


@pytest.mark.parametrize("where", ["none", "positions", "pooled"])
def test_a_flat_folder_is_taken_for_good_parts(tmp_path: Path, where: str) -> None:
    data = flat(tmp_path / "parts", 20)
    told: list[str] = []
    heard = Listener(say=told.append)
    run = train("mahalanobis", data=str(data), out=tmp_path / "run", base="toy", where=where, listener=heard)
    assert "No picture has a label, so all 20 are taken as good parts." in told
    record = read_record(run)
    assert record.ok_labels == record.labels == ("ok",)
    assert record.threshold is not None
    assert "with 95 % confidence at least 86 % of good parts pass" in record.threshold["basis"]
    assert "20 good training pictures, each scored by a fit without it (20 folds)" in record.threshold["basis"]
    assert [example.label for example in load_dataset(data)] == [None] * 20  # what is read stays what it is
    judged = json.loads((run / "evaluation.json").read_text("utf-8"))["judged"]
    failed = [one["verdict"] for one in judged].count("FAIL")
    assert failed <= 2, "each is judged by a cut that the others chose, which the largest may exceed"


@pytest.mark.parametrize("count", [12, 19, 21, 33, 52])
def test_small_folders_train(tmp_path: Path, count: int) -> None:
    data = flat(tmp_path / "parts", count)
    run = train("mahalanobis", data=str(data), out=tmp_path / "run", base="toy", report=False)
    threshold = read_record(run).threshold
    assert threshold is not None
    assert (f"at most 1 in {count + 1} fails" in threshold["basis"]) is (count <= FEW)
    assert (threshold["good_scores"] is not None) is (count <= FEW)


@pytest.mark.parametrize(("where", "fewest"), [("none", 12), ("positions", 12), ("pooled", 2), ("neighbours", 2)])
def test_fewer_than_can_be_learned_from_are_refused_with_the_number(tmp_path: Path, where: str, fewest: int) -> None:
    data = flat(tmp_path / "parts" / "ok", fewest - 1)
    sentence = rf"{data}: {counted(fewest - 1, 'good part')}; {fewest} are needed to learn from: add 1"
    sentence += r", or take --where pooled or neighbours, for which 2 are enough\." if fewest > 2 else r"\."
    how: dict[str, Any] = {"out": tmp_path / "run", "base": "toy", "where": where, "report": False}
    with pytest.raises(DatasetError, match=sentence):
        train("mahalanobis", data=str(data.parent), **how)
    assert not (tmp_path / "run").exists()
    another = part(99, scratched=False)
    another.save(data / "another.png")
    assert read_record(train("mahalanobis", data=str(data.parent), **how)).threshold is not None


@pytest.mark.parametrize("form", ["csv", "items", "parquet"])
def test_tables_without_a_label_are_taken_for_good_parts(tmp_path: Path, form: str) -> None:
    rows = np.random.default_rng(0).normal(size=(25, 3))
    if form == "csv":
        flat(tmp_path / "images", 25)
        data = tmp_path / "data.csv"
        data.write_text("path,lot\n" + "".join(f"{number:03}.png,L{number % 6}\n" for number in range(25)), "utf-8")
    elif form == "items":
        data = tmp_path / "data.csv"
        data.write_text("a,b,c\n" + "".join(",".join(map(str, row)) + "\n" for row in rows), "utf-8")
    else:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        data = tmp_path / "data.parquet"
        parquet.write_table(pa.table(dict(zip("abc", rows.T, strict=True))), data)
    told: list[str] = []
    heard = Listener(say=told.append)
    base: dict[str, Any] = {"base": "toy"} if form == "csv" else {}
    run = train("mahalanobis", data=str(data), out=tmp_path / "run", report=False, listener=heard, **base)
    assert f"No {'picture' if form == 'csv' else 'row'} has a label, so all 25 are taken as good parts." in told
    assert read_record(run).threshold is not None
    with pytest.raises(DatasetError, match="none of its 25" if form == "csv" else "table of numbers"):
        train("classifier", data=str(data), out=tmp_path / "other", base="toy")


@pytest.mark.parametrize("family", sorted(set(family_names()) - set(families_of_good_parts())))
def test_families_that_need_annotations_refuse_in_one_sentence(tmp_path: Path, family: str) -> None:
    data = flat(tmp_path / "parts", 3)
    with pytest.raises(DatasetError) as refused:
        train(family, data=str(data), out=tmp_path / "run", base="toy")
    sentence = str(refused.value)
    assert sentence.startswith(f"{data}: none of its 3 pictures has ")
    assert f"and {family} learns from " in sentence
    assert sentence.endswith("or train mahalanobis, which needs good parts alone.")
    if get_family(family).target == "label":
        assert f"put them in class folders such as {data / 'ok'} and {data / 'scratch'}" in sentence


@pytest.mark.parametrize("options", [{"family": "classifier"}, {"family": "embedder", "together": "good"}])
def test_good_parts_of_a_class_folder_are_no_two_classes(tmp_path: Path, options: dict[str, Any]) -> None:
    data = flat(tmp_path / "parts" / "ok", 4).parent
    sentence = (
        rf"{data}: all training pictures \(4\) are of class ok, and {options['family']} learns what sets classes apart"
    )
    with pytest.raises(DatasetError, match=f"{sentence}; add .*, or train mahalanobis, which needs good parts alone"):
        train(**options, data=str(data), out=tmp_path / "run", base="toy")


def test_unlabelled_pictures_beside_labelled_ones_are_left_out(parts: Path) -> None:
    dataset = load_dataset(parts)
    labels = [None, *dataset.column("label")[1:]]
    mixed = dataset.with_labels(labels, dataset.classes)
    assert take_for_good(mixed, None) is None
    assert divide(mixed, Target.LABEL).notes == ("1 picture without a label was left out.",)
    boxed = Dataset.from_examples(replace(example, label=None, boxes=Detections()) for example in dataset.select([0]))
    assert take_for_good(boxed, None) is None


def test_a_labelled_test_split_tells_what_good_parts_are_called(parts: Path) -> None:
    dataset = load_dataset(parts)
    splits = ["train"] * 50 + ["test"] * 70
    labels = [None] * 50 + ["good"] * 10 + ["scratch"] * 59 + [None]
    split = dataset.with_labels(labels, ()).with_splits(splits)
    taken = take_for_good(split, None)
    assert taken is not None
    assert taken.task.ok_labels == ("good",)
    assert taken.note == "No picture of split train has a label, so all 50 are taken as good parts."
    assert taken.dataset.column("label") == ["good"] * 50 + labels[50:]
    named = split.with_labels([label and label.replace("good", "A") for label in labels], ())
    with pytest.raises(DatasetError, match=r"no class of the others \(A, scratch\) is named like a good part.*--ok-"):
        take_for_good(named, None)
    chosen = take_for_good(named, ["A"])
    assert chosen is not None
    assert chosen.task.ok_labels == chosen.task.labels == ("A",)


def test_the_folder_of_good_parts_is_named_where_it_tells(parts: Path) -> None:
    from kenpin.models.contract import Task

    task = Task(("ok", "scratch"), ("ok",))
    assert good_folder(load_dataset(parts), task) == str(parts / "ok")
    assert good_folder(load_dataset(parts), replace(task, ok_labels=("ok", "scratch"))) == str(parts)
    elsewhere = Dataset.from_examples((replace(e, origin="table.csv:1") for e in load_dataset(parts)), root="table.csv")
    assert good_folder(elsewhere, task) == "table.csv"


def test_one_defective_part_is_judged_and_in_no_ones_way(tmp_path: Path, parts: Path) -> None:
    dataset = load_dataset(parts).select(range(61))
    folds = random_folds(dataset, 5, seed=0, learned=["ok"])
    assert set(folds[:60]) == {0, 1, 2, 3, 4}
    with pytest.raises(DatasetError, match="5 folds need at least 5 pictures of each class, but there is only 1"):
        random_folds(dataset, 5, seed=0)
    whole = load_dataset(parts)
    assert random_folds(whole, 5, seed=3, learned=["ok"]) == random_folds(whole, 5, seed=3)
    run = train("mahalanobis", dataset=dataset, data="-", out=tmp_path / "run", base="toy", report=False)
    basis = (read_record(run).threshold or {})["basis"]
    assert "on 60 good and 1 defective training pictures, each scored by a fit without it (10 folds)" in basis


def test_judge_chooses_by_good_parts_where_there_are_no_others(kenpin: Run) -> None:
    def table(count: int) -> str:
        Path("scores.csv").write_text("id,defect_score,label\n" + "".join(f"{n},{n / 10},ok\n" for n in range(count)))
        return "scores.csv"

    words = ("--truth", "scores.csv", "--out", "page.html", "--json", "found.json", "--overwrite")
    status, out, _ = kenpin("judge", table(20), *words)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "FAIL from 1.9, PASS below."
    assert lines[1].startswith(
        "The cut lies above the largest score of 20 good parts: of new good parts at most 1 in 21 fails in the long run"
    )
    assert "with 95 % confidence at least 86 %" in lines[1]
    assert lines[2] == "On scores.csv: 20 PASS, 0 FAIL, 0 REVIEW."
    assert "0 of 20 good parts were failed (at most 14.0 %, one-sided 95 %)" in out
    status, out, _ = kenpin("judge", table(1), *words)
    assert status == 0
    assert "at most 1 in 2 fails" in out


def test_a_part_at_the_largest_score_passes() -> None:
    threshold = threshold_from_good_parts(np.full(20, 3.0), "parts")
    assert judge(Prediction("a", defect_score=3.0), threshold).verdict is Verdict.PASS
    assert judge(Prediction("a", defect_score=np.nextafter(3.0, 4.0)), threshold).verdict is Verdict.FAIL
