"""Updates: a run with further good parts is the run of all parts together, honest about what it was judged by."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kenpin
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.finished_run import Run
from kenpin.models.package import is_package
from kenpin.run.lineage import read_lineage
from kenpin.run.moments import read_moments
from kenpin.run.record import read_record
from kenpin.training import train
from tests.commands import Run as Kenpin
from tests.pictures import part, write_parts

Parts = list[tuple[Any, str]]
FURTHER = 13


def _good(first: int, count: int) -> Parts:
    return [(part(first + number, scratched=False), "ok") for number in range(count)]


def _bad(first: int, count: int) -> Parts:
    return [(part(first + number, scratched=True), "scratch") for number in range(count)]


OLD = [*_good(0, 30), *_bad(100, 12)]
NEW = _good(200, FURTHER)
SEEN_BY_NOBODY = [part(400 + number, scratched=number % 2 == 0) for number in range(8)]
KINDS: dict[str, dict[str, Any]] = {
    "pictures": {},
    "pseudo": {"inverse": "pseudo"},
    "pooled": {"where": "pooled"},
    "positions": {"where": "positions"},
}


def _distances(run: Run, pictures: Sequence[Any] = SEEN_BY_NOBODY) -> list[float]:
    return [one.distance or 0.0 for one in run.predictor().predict(list(pictures))]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _trained(OLD, tmp_path_factory.mktemp("updating") / "before")


def _trained(parts: Any, out: Path, **options: Any) -> Run:
    return train("mahalanobis", dataset=parts, out=out, base="toy", report=False, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_is_the_fit_to_all_parts_together(kind: str, tmp_path: Path) -> None:
    old = [*_good(0, 15), *_bad(100, 2)]
    run = _trained(old, tmp_path / "run", **KINDS[kind])
    whole = _trained([*old, *NEW], tmp_path / "whole", **KINDS[kind])
    once = kenpin.update(run, NEW[:5], tmp_path / "once")
    twice = kenpin.update(once, NEW[5:], tmp_path / "twice")
    wanted = _distances(whole)
    np.testing.assert_allclose(_distances(twice), wanted, rtol=1e-5)
    assert not np.allclose(_distances(run), wanted, rtol=1e-3)
    assert not np.allclose(_distances(once), wanted, rtol=1e-3)


def test_a_table_is_updated_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixing = np.eye(4) + 0.3 * rng.normal(size=(4, 4))

    def table(name: str, rows: np.ndarray) -> Path:
        lines = [",".join(["id", "a", "b", "c", "d", "label"])]
        lines += [f"{name}{number}," + ",".join(map(repr, map(float, row))) + ",ok" for number, row in enumerate(rows)]
        file = tmp_path / f"{name}.csv"
        file.write_text("\n".join(lines) + "\n")
        return file

    old, new = rng.normal(size=(40, 4)) @ mixing, rng.normal(size=(25, 4)) @ mixing + 1
    run, whole = (
        train("mahalanobis", data=str(table(name, rows)), out=tmp_path / f"run-{name}", report=False)
        for name, rows in (("old", old), ("all", np.concatenate([old, new])))
    )
    updated = kenpin.update(run, table("new", new), tmp_path / "updated")
    found = kenpin.load_dataset(tmp_path / "old.csv")
    answers = [[one.distance or 0.0 for one in of.predictor().predict(found)] for of in (updated, whole)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-9)


def test_what_the_run_knows_is_left_out_and_told(before: Run, tmp_path: Path) -> None:
    given = [*NEW[:4], *OLD[:3], NEW[0]]
    updated = kenpin.update(before, given, tmp_path / "run")
    notes = " ".join(updated.notes)
    assert "4 good parts added" in notes
    assert f"3 pictures were left out: {before} knows them." in notes
    assert "1 picture was left out: copies" in notes
    known = read_moments(updated)
    assert known is not None
    assert known.moments.count == 34
    with pytest.raises(DatasetError, match=r"2 that it knows"):
        kenpin.update(before, OLD[:2], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_its_lineage_knows_the_new_pictures_and_the_old_ones(before: Run, tmp_path: Path) -> None:
    new, bad = kenpin.load_dataset(NEW), kenpin.load_dataset(_bad(300, 4))
    updated = kenpin.update(before, [*NEW, *_bad(300, 4)], tmp_path / "run")
    lineage = read_lineage(updated)
    assert lineage.learned == read_lineage(before).learned | set(new.contents())
    assert not set(bad.contents()) & lineage.contents  # they were measured on, and decided nothing
    assert read_lineage(updated, of_network=True) == read_lineage(before, of_network=True)  # the base is what it was
    with pytest.raises(DatasetError, match="has learned from all of these"):
        updated.evaluate(NEW)
    assert len(updated.evaluate(_bad(300, 4)).judged) == 4


def test_new_parts_are_judged_by_fits_without_them(before: Run, tmp_path: Path) -> None:
    """Else a few hundred items would find every new part near."""
    updated = kenpin.update(before, NEW, tmp_path / "run")
    honest = [one.prediction.distance or 0.0 for one in updated.evaluation.judged]
    remembered = _distances(updated, [picture for picture, _ in NEW])
    assert len(honest) == FURTHER
    assert np.mean(honest) > 1.2 * np.mean(remembered)
    assert updated.evaluation.split == "cross-validation"


def test_the_threshold_is_kept_and_says_what_it_is_worth(before: Run, tmp_path: Path) -> None:
    updated = kenpin.update(before, [*NEW, *_bad(300, 6)], tmp_path / "run")
    assert updated.threshold is not None
    assert before.threshold is not None
    assert updated.threshold.fail_from == before.threshold.fail_from
    basis = updated.threshold.basis
    assert f"Kept through an update of {before}, with which the distances of new good parts moved to " in basis
    assert "such a cut passes more parts than before, defective ones too" in basis  # 30 parts for 64 items are few
    assert "Of 13 new good parts, each scored by a fit that has not learned from it, 13 pass: at least 79 %" in basis
    assert "Of 6 defective parts 0 escape" in basis
    again = kenpin.update(updated, _good(800, 2), tmp_path / "again")
    assert (again.threshold or updated.threshold).basis.count("Kept through an update") == 1
    alone = kenpin.update(before, NEW, tmp_path / "alone")
    assert "How many defective parts escape now is unknown" in (alone.threshold or updated.threshold).basis


def test_given_parts_may_decide_again(before: Run, tmp_path: Path) -> None:
    given = [*NEW, *_bad(300, 6)]
    updated = kenpin.update(before, given, tmp_path / "run", decide="again")
    assert updated.threshold is not None
    assert before.threshold is not None
    assert updated.threshold.fail_from != before.threshold.fail_from
    assert "6 defective" in updated.threshold.basis
    assert set(kenpin.load_dataset(given).contents()) <= read_lineage(updated).contents
    by_few = kenpin.update(before, NEW, tmp_path / "few", decide="again").threshold
    assert by_few is not None
    assert f"at most 1 in {len(NEW) + 1} fails in the long run" in by_few.basis


def test_made_defects_that_chose_a_threshold_are_told_as_long_as_it_is_kept(tmp_path: Path) -> None:
    run = _trained(_good(0, 20), tmp_path / "run", made_defects=8, defect_rate=0.1)
    kept = kenpin.update(run, NEW, tmp_path / "kept")
    assert kept.threshold is not None
    assert kept.threshold.basis.startswith("Defects made by the program")
    assert kept.record.options["made_defects"] == 8
    again = kenpin.update(run, _good(200, 20), tmp_path / "again", decide="again")
    assert again.threshold is not None
    assert "made" not in again.threshold.basis
    assert again.record.options["made_defects"] == 0


def test_a_calibration_is_kept_with_its_threshold(tmp_path: Path) -> None:
    run = _trained(OLD, tmp_path / "run", calibrate="platt")
    updated = kenpin.update(run, NEW, tmp_path / "updated")
    (kept, was) = (json.loads((of / "model" / "calibration.json").read_text()) for of in (updated, run))
    assert kept == was
    scores = [one.defect_score or 0.0 for one in updated.predictor().predict(SEEN_BY_NOBODY)]
    assert all(0 <= score <= 1 for score in scores)


def test_a_limit_of_the_law_is_computed_again(tmp_path: Path) -> None:
    old = _good(0, 36)
    run = _trained(old, tmp_path / "run", limit="chi-square")
    updated = kenpin.update(run, NEW, tmp_path / "updated")
    whole = _trained([*old, *NEW], tmp_path / "whole", limit="chi-square")
    cuts = [of.threshold.fail_from if of.threshold is not None else 0.0 for of in (updated, whole, run)]
    assert cuts[0] == pytest.approx(cuts[1], rel=1e-9)
    assert cuts[0] != pytest.approx(cuts[2], rel=1e-6)


def test_selected_items_stay_selected(tmp_path: Path) -> None:
    run = _trained(OLD, tmp_path / "run", select_items=True, factors=15)
    updated = kenpin.update(run, NEW, tmp_path / "updated")
    items = [set(np.load(of / "model" / "unit_space.npz")["items"].tolist()) for of in (run, updated)]
    assert items[0] == items[1]


def test_parts_that_the_run_fails_are_named(before: Run, tmp_path: Path) -> None:
    odd = [(part(500, scratched=True), "ok"), *NEW[:2]]
    updated = kenpin.update(before, odd, tmp_path / "run")
    assert any("does not pass 1 of them; look whether they are good" in note for note in updated.notes)


def test_unlabelled_parts_are_good_and_other_names_are_taken(before: Run, tmp_path: Path) -> None:
    plain = kenpin.update(before, [picture for picture, _ in NEW], tmp_path / "plain")
    named = kenpin.update(before, [(picture, "fine") for picture, _ in NEW], tmp_path / "named", ok_labels=["fine"])
    guessed = kenpin.update(before, [(picture, "良品") for picture, _ in NEW], tmp_path / "guessed")
    for run in (named, guessed):
        np.testing.assert_allclose(_distances(run), _distances(plain), rtol=1e-9)
    assert any("No picture has a label" in note for note in plain.notes)
    with pytest.raises(OptionError, match="did you mean"):
        kenpin.update(before, NEW, tmp_path / "no", ok_labels=["okay"])
    with pytest.raises(DatasetError, match="--ok-labels"):
        kenpin.update(before, [(picture, "scratch") for picture, _ in NEW], tmp_path / "no")


def test_the_new_run_is_sealed_reported_and_names_its_parent(before: Run, tmp_path: Path) -> None:
    updated = kenpin.update(before, NEW, tmp_path / "run")
    record = read_record(updated)
    parent = record.dataset["before"]
    assert parent["run"] == str(before)
    assert parent["dataset"] == before.record.dataset
    assert "moments.npz" in record.files
    assert "lineage.npz" in record.files
    page = (updated / "report.html").read_text(encoding="utf-8")
    assert "Updated from" in page
    assert record.dataset["fingerprint"] != before.record.dataset["fingerprint"]
    (updated / "moments.npz").write_bytes(b"0")
    with pytest.raises(RunError, match="not the file that was trained"):
        kenpin.update(updated, _good(600, 3), tmp_path / "next")


def test_a_package_of_it_judges_alike(before: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from kenpin.export import export_package

    updated = kenpin.update(before, NEW, tmp_path / "run")
    export_package(updated, tmp_path / "package", to="onnx")
    package = kenpin.load_predictor(tmp_path / "package")
    found = [one.distance or 0.0 for one in package.predict(SEEN_BY_NOBODY)]
    assert found == pytest.approx(_distances(updated), rel=1e-3)
    assert not list((tmp_path / "package").rglob("moments.npz"))
    assert is_package(tmp_path / "package")
    given = [*_good(900, 3), *_bad(950, 3), *NEW[:2]]
    compared = kenpin.compare(before, tmp_path / "package", given)
    assert compared.parts == 6
    assert dict(compared.left_out) == {str(tmp_path / "package"): 2}
    with pytest.raises(RunError, match="is a package"):
        kenpin.update(tmp_path / "package", NEW, tmp_path / "no")


def test_runs_that_keep_no_moments_are_refused_with_the_remedy(tmp_path: Path, before: Run) -> None:
    never = _trained(OLD, tmp_path / "never", updatable="never")
    assert not (never / "moments.npz").exists()
    with pytest.raises(RunError, match="--updatable always"):
        kenpin.update(never, NEW, tmp_path / "no")
    recognising = _trained(OLD, tmp_path / "rt", method="rt")
    with pytest.raises(OptionError, match="method rt"):
        kenpin.update(recognising, NEW, tmp_path / "no")
    copy = Run(shutil.copytree(before, tmp_path / "copy"))
    (copy / "moments.npz").unlink()
    with pytest.raises(RunError, match="is missing"):
        kenpin.update(copy, NEW, tmp_path / "no")


def test_the_command_adds_a_folder_of_good_parts(kenpin: Kenpin, tmp_path: Path, before: Run) -> None:
    write_parts(tmp_path / "new", count=8, first=700)
    status, out, told = kenpin("update", before, "--data", "new", "--out", "run")
    assert (status, out.strip()) == (0, "run")
    assert "8 good parts added" in told
    assert "Threshold" in told
    status, _, told = kenpin("update", before, "--data", "new", "--out", "run")
    assert (status, "already exists" in told) == (2, True)
    status, _, told = kenpin("update", "run", "--data", "new", "--out", "again")
    assert (status, "8 that it knows" in told) == (2, True)


def test_parts_that_a_network_below_has_learned_from_are_added_and_judge_nothing(
    toy_run: Any, few_parts: Path, tmp_path: Path
) -> None:
    below = toy_run("embedder", tmp_path / "below", epochs=1)
    run = train("mahalanobis", dataset=OLD, out=tmp_path / "run", base=str(below), report=False)
    dataset = kenpin.load_dataset(few_parts)
    seen = dataset.select(row for row, label in enumerate(dataset.column("label")) if label == "ok").select(range(4))
    learned = [(str(example.image.path), "ok") for example in seen]
    updated = kenpin.update(run, [*learned, *NEW[:6]], tmp_path / "updated")
    known = read_moments(updated)
    assert known is not None
    assert known.moments.count == 40
    assert len(updated.evaluation.judged) == 6
    network = read_lineage(updated, of_network=True)
    assert set(seen.contents()) <= network.contents
    assert not set(kenpin.load_dataset(NEW[:6]).contents()) & network.contents  # a run on it may be judged by these
    with pytest.raises(DatasetError, match="none can show what the update does"):
        kenpin.update(run, learned, tmp_path / "no")
