"""Training by part: one rule for scores, threshold, evaluation, report and `predict`, and refusals in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kenpin import evaluate
from kenpin.cli import _judged
from kenpin.cli._judged import mistakes
from kenpin.cli._telling import closing_lines
from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import KenpinError, OptionError
from kenpin.evaluation.parts import pictures_of
from kenpin.export import export_package
from kenpin.export.quantised import export_int8
from kenpin.finished_run import Run
from kenpin.models import get_family
from kenpin.models.mahalanobis.options import MahalanobisOptions
from kenpin.models.package import folder_of_report
from kenpin.predictor import load_predictor
from kenpin.quality.part_verdicts import SeenView, judge_part
from kenpin.records import Example, Verdict
from kenpin.run.layout import evaluation_files
from kenpin.run.maps import read_maps
from kenpin.updating import update
from kenpin.words import Texts
from kenpin.words.recorded import translated
from tests.catalogues import TRANSLATED
from tests.commands import Run as Command
from tests.part_pictures import FORM, VIEWS, draw_parts, trained


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("parts"), 24, 8)


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(parts, tmp_path_factory.mktemp("runs") / "run", where="pooled", report=True)


def test_a_run_says_that_it_judges_by_part_and_was_decided_by_parts(run: Run) -> None:
    assert run.record.parts == {"by": FORM, "count": 2, "names": list(VIEWS)}
    assert "A part is judged by views side and top: the worst of them decides." in run.notes
    assert run.threshold is not None
    assert "16 good and 8 defective training parts" in run.threshold.basis
    judged = run.evaluation.judged
    assert len(judged) == 24
    assert all(len(part.views) == 2 for part in judged)
    options = get_family("mahalanobis").Options.from_mapping(run.record.options)
    told = "\n".join([*closing_lines(run, options), _judged.findings(run.evaluation)])
    assert "On 24 training parts of 48 pictures, each judged by a fit without it:" in told
    assert "24 training picture" not in told
    assert any(
        sentence in told for sentence in ("No mistake on 24 parts.", "part        mistake", "part       mistake")
    )
    assert sum(bool(part.defective) for part in judged) == 8
    for part in judged:
        assert part.prediction.defect_score == part.views[0].score == max(view.score or 0.0 for view in part.views)
        assert (part.label == "scratch") is any(view.label == "scratch" for view in part.views)


def test_views_of_one_part_were_held_out_together(parts: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from kenpin.training import crossfit, folding

    seen = []
    learned = folding.learned_without

    def watched(dataset: Dataset, folds: Any, fold: int) -> list[int]:
        rows = learned(dataset, folds, fold)
        groups = dataset.column("group")
        seen.append({groups[row] for row in rows} & {groups[row] for row, of in enumerate(folds) if of == fold})
        return rows

    monkeypatch.setattr(crossfit, "learned_without", watched)
    trained(parts, tmp_path / "run")
    assert seen
    assert not any(seen)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("mahalanobis", {}),
        ("mahalanobis", {"where": "neighbours"}),
        ("classifier", {"tuning": "head"}),
        ("classifier", {"tuning": "full", "epochs": 1}),
    ],
)
def test_one_view_a_part_is_judged_as_pictures_are_bit_for_bit(family: str, options: Any, tmp_path: Path) -> None:
    data = draw_parts(tmp_path / "data", 20, 7, views=("top",))
    by_part, by_picture = (
        trained(load_dataset(data).with_groups([f"p{n}" for n in range(20)]), tmp_path / name, family, by=by, **options)
        for name, by in (("part", "group"), ("picture", "picture"))
    )
    assert by_part.threshold == by_picture.threshold or (
        by_part.threshold is not None
        and by_picture.threshold is not None
        and by_part.threshold.fail_from == by_picture.threshold.fail_from
    )
    old = sorted(one.prediction.defect_score or 0.0 for one in by_picture.evaluation.judged)
    new = sorted(one.prediction.defect_score or 0.0 for one in by_part.evaluation.judged)
    assert old == new
    assert by_part.evaluation.confusion == by_picture.evaluation.confusion
    assert dict(by_part.evaluation.measures.items()) == dict(by_picture.evaluation.measures)


def test_evaluation_predict_and_package_give_the_verdicts_of_judge_part(
    run: Run, tmp_path: Path, kenpin: Command
) -> None:
    data = draw_parts(tmp_path / "new", 10, 4, seed=1)
    torn = sorted(data.rglob("*_top.png"))[0]
    torn.unlink()
    predictor = run.predictor()
    assert predictor.views is not None
    assert predictor.threshold is not None
    found = evaluate(predictor, data, ok_labels=("ok",), threshold=predictor.threshold, split=None)
    by_hand: dict[str, Verdict] = {}
    for part in {path.name.split("_")[0] for path in data.rglob("*.png")}:
        files = sorted(data.rglob(f"{part}_*.png"))
        views = [SeenView(path.stem.split("_")[1], predictor.predict(path)) for path in files]
        by_hand[part] = judge_part(part, views, predictor.views, predictor.threshold).verdict
        names = {path.stem.split("_")[1]: path for path in files}
        assert predictor.judge_part(names, part).verdict is by_hand[part]
    assert {part.id: part.verdict for part in found.judged} == by_hand
    assert by_hand[torn.name.split("_")[0]] is Verdict.REVIEW
    assert {Verdict.FAIL, Verdict.PASS} <= set(by_hand.values())
    assert any("1 part of 10 is not judged" in note for note in found.notes)
    written = tmp_path / "predicted.json"
    status, _, _ = kenpin("predict", run, data, "--json", written, "--draw", tmp_path / "drawn")
    assert status == 0
    rows = json.loads(written.read_text())["predictions"]
    assert {row["id"]: row["verdict"] for row in rows} == {part: verdict.value for part, verdict in by_hand.items()}
    assert len(list((tmp_path / "drawn").iterdir())) == 19
    package = export_package(run, tmp_path / "package", to="openvino")
    of_package = load_predictor(package)
    again = evaluate(of_package, data, ok_labels=("ok",), threshold=of_package.threshold, split=None)
    assert {part.id: part.verdict for part in again.judged} == by_hand


def test_a_picture_that_cannot_be_opened_makes_its_part_one_for_a_person(
    run: Run, tmp_path: Path, kenpin: Command
) -> None:
    data = draw_parts(tmp_path / "new", 3, 0, seed=2)
    (data / "ok" / "p2-01_side.png").write_bytes(b"\x89PNG damaged")
    for view in VIEWS:
        (data / "ok" / f"p2-02_{view}.png").write_bytes(b"\x89PNG damaged")
    written = tmp_path / "predicted.json"
    status, told, _ = kenpin("predict", run, data, "--json", written)
    assert status == 1
    verdicts = {row["id"]: row["verdict"] for row in json.loads(written.read_text())["predictions"]}
    assert verdicts == {"p2-00": "PASS", "p2-01": "REVIEW", "p2-02": "REVIEW"}
    assert told.count("REVIEW") == 2


def test_a_part_of_which_a_picture_was_learned_is_not_held_out(run: Run, parts: Path, tmp_path: Path) -> None:
    data = draw_parts(tmp_path / "new", 6, 2, seed=3)
    known = sorted(parts.rglob("p0-10_*.png"))[0]
    (data / "ok" / "p3-05_side.png").write_bytes(known.read_bytes())
    predictor = run.predictor()
    found = evaluate(predictor, data, ok_labels=("ok",), threshold=predictor.threshold, split=None)
    assert "p3-05" not in {part.id for part in found.judged}
    assert len(found.judged) == 5
    with_seen = evaluate(predictor, data, ok_labels=("ok",), threshold=predictor.threshold, split=None, with_seen=True)
    assert {part.id for part in with_seen.judged if part.seen} == {"p3-05"}


def test_the_report_shows_every_view_with_its_map(run: Run) -> None:
    kept = evaluation_files(run)
    maps = read_maps(kept.maps)
    assert maps is not None
    shown = {id for part in run.evaluation.judged if part.id in {"p0-00"} for id in pictures_of(part)}
    assert len(shown) == 2
    assert shown <= set(maps.by_id)
    page = (folder_of_report(run) / "report.html").read_text()
    assert "the worst of 2 pictures" in page
    assert "side: map" in page
    assert "top: map" in page
    assert "24 parts" in page


def test_thresholds_of_calibrated_scores_are_of_parts_too(parts: Path, tmp_path: Path) -> None:
    run = trained(parts, tmp_path / "run", "classifier", tuning="head", calibrate="platt")
    for part in run.evaluation.judged:
        assert part.views[0].score == part.prediction.defect_score
    predictor = run.predictor()
    data = draw_parts(tmp_path / "new", 8, 4, seed=4)
    found = evaluate(predictor, data, ok_labels=("ok",), threshold=predictor.threshold, split=None)
    for part in found.judged:
        scores = [view.score for view in part.views if view.score is not None]
        assert len(scores) == 2
        assert part.prediction.defect_score == max(scores) == scores[0]


def test_parts_by_a_column_are_told_by_it_and_predict_asks_for_a_form(
    parts: Path, tmp_path: Path, kenpin: Command
) -> None:
    table = tmp_path / "parts.csv"
    lines = ["path,label,part,view"]
    for path in sorted(parts.rglob("*.png")):
        part, view = path.stem.split("_")
        lines.append(f"{path},{path.parent.name},{part},{view}")
    table.write_text("\n".join(lines))
    run = trained(table, tmp_path / "run", by="group", data_outside=True)
    assert run.record.parts == {"by": "group", "count": 2, "names": list(VIEWS)}
    status, _, told = kenpin("predict", run, parts)
    assert status == 2
    assert "give the form of their names, such as --by {part}_{view}" in told
    status, shown, _ = kenpin("predict", run, parts, "--by", FORM)
    assert status == 0
    assert len(shown.splitlines()) == 24


@pytest.mark.parametrize(
    ("family", "options", "why"),
    [
        ("florence2", {}, "predicts boxes of single pictures"),
        ("mahalanobis", {"limit": "chi-square"}, "a law of the distance"),
        ("mahalanobis", {"made_defects": 2, "defect_rate": 0.1}, "defects are made in single pictures"),
        ("mahalanobis", {"trim": 0.1, "where": "pooled"}, "--trim"),
        ("mahalanobis", {"by": "serial"}, "no picture of .* has a column 'serial'"),
    ],
)
def test_what_cannot_be_judged_by_part_is_refused(
    parts: Path, tmp_path: Path, family: str, options: Any, why: str
) -> None:
    with pytest.raises(KenpinError, match=why):
        trained(parts, tmp_path / "run", family, **options)


def test_single_pictures_are_not_judged_by_a_threshold_for_parts(run: Run, parts: Path, tmp_path: Path) -> None:
    picture = next(parts.rglob("*.png"))
    with pytest.raises(OptionError, match="judges parts by views side and top"):
        run.predictor().judge(picture)
    with pytest.raises(OptionError, match="INT8 is judged by verdicts of single pictures"):
        export_int8(run, tmp_path / "int8")
    with pytest.raises(OptionError, match="train it again on all pictures, with --by"):
        update(run, parts, tmp_path / "updated")


def test_lots_stay_together_where_a_column_names_parts(parts: Path) -> None:
    from kenpin.data.part_names import with_parts

    data = load_dataset(parts)
    lots = [f"L{int(Path(id).name[3:5]) // 4}" for id in data.column("id")]
    assert with_parts(data.with_groups(lots), FORM).column("group") == lots
    assert isinstance(data[0], Example)


def test_what_is_told_of_a_run_by_part_tells_parts_and_pictures_apart(run: Run) -> None:
    told = "\n".join(closing_lines(Path(run), MahalanobisOptions(data="parts", out="run", by=FORM)))
    assert "On 24 training parts of 48 pictures, each judged by a fit without it:" in told
    assert "these parts chose the threshold" in told
    assert "these pictures" not in told
    assert "48 training pictures are of 24 parts." in run.notes
    assert any("cells of 40 good pictures, one unit space" in note for note in run.notes), run.notes
    told_on_pages = [note for note in run.notes if " part" in note and not note.startswith("Threshold")]
    for note in (*told_on_pages, *run.evaluation.notes):
        for language in TRANSLATED:
            assert translated(note, Texts(language)) is not None, note
    assert mistakes(run.evaluation) == "No mistake on 24 parts."
