"""kenpin as a script or a notebook uses it: data in memory in, one picture judged, and a run looked at."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
from PIL import Image

import kenpin
from kenpin.errors import DatasetError, ImageError, OptionError, RunError
from kenpin.export import export_merged
from kenpin.records import Prediction, Verdict
from tests.pictures import write_parts
from tests.tables import write_table
from tests.tree import ROOT

SETTINGS: dict[str, Any] = {"base": "toy", "tuning": "head", "device": "cpu"}


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> kenpin.Run:
    """A toy head on a data set in memory, its split by name in a dict."""
    paths = [str(path) for path in sorted(parts.rglob("*.png"))]
    labelled = [(path, Path(path).parent.name) for path in paths]
    data = {"train": labelled[::2], "test": labelled[1::2]}
    return kenpin.train("classifier", data=data, out=tmp_path_factory.mktemp("run") / "run", **SETTINGS)


@pytest.fixture(scope="module")
def predictor(run: kenpin.Run) -> kenpin.Predictor:
    return run.predictor(device="cpu")


def _unnamed(prediction: Prediction) -> Prediction:
    """Without its name, and with the digits that do not depend on where numbers lie in memory."""
    assert prediction.defect_score is not None
    probabilities = {name: round(one, 5) for name, one in (prediction.probabilities or {}).items()}
    return replace(prediction, id="", probabilities=probabilities, defect_score=round(prediction.defect_score, 5))


def test_a_picture_is_the_same_however_it_is_given(predictor: kenpin.Predictor, parts: Path) -> None:
    path = parts / "scratch" / "003.png"
    image = Image.open(path)
    one: list[Any] = [str(path), path, image, image.copy(), np.asarray(image), path.read_bytes()]
    assert _unnamed(predictor.predict(kenpin.load_dataset([path])[0])) == _unnamed(predictor.predict(path))
    expected = _unnamed(next(predictor.predict(kenpin.load_dataset([path]))))
    assert expected.label is not None
    for given in one:
        found = predictor.predict(given)
        assert isinstance(found, Prediction)
        assert found.id == (str(path) if isinstance(given, str | Path) else "picture/000000")
        assert _unnamed(found) == _unnamed(predictor(given)) == expected
    listed = predictor(one)
    assert isinstance(listed, list)
    assert [_unnamed(found) for found in listed] == [expected] * len(one)
    tables: list[Any] = [
        pandas.DataFrame({"path": [path]}),
        datasets.Dataset.from_dict({"image": [str(path)]}).cast_column("image", datasets.Image()),
        {"test": [image]},
        (part for part in [path]),
    ]
    for table in tables:
        streamed = predictor.predict(table)
        assert not isinstance(streamed, list)
        assert [_unnamed(found) for found in streamed] == [expected]


def test_no_picture_is_told_apart(predictor: kenpin.Predictor, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"is not a picture; predict\(kenpin\.load_dataset\('.*parts'\)\) judges"):
        predictor.predict(parts)
    with pytest.raises(ImageError, match="no such file"):
        predictor.predict("gone.png")
    with pytest.raises(OptionError, match="on_error is for several pictures"):
        predictor.predict("gone.png", on_error=print)
    with pytest.raises(DatasetError, match="type int"):
        predictor.predict(5)
    bad: list[str] = []
    found = predictor.predict(["gone.png", parts / "ok" / "000.png"], on_error=lambda one, _: bad.append(one.id))
    assert (bad, len(found)) == (["gone.png"], 1)
    assert predictor.predict([]) == []


def test_a_judgement_is_the_threshold_applied(predictor: kenpin.Predictor, parts: Path) -> None:
    assert predictor.threshold is not None
    paths = [parts / "ok" / "000.png", parts / "scratch" / "000.png"]
    judged, said = predictor.judge(paths), predictor.predict(paths)
    cut = predictor.threshold.fail_from
    assert [one.verdict for one in judged] == [
        Verdict.FAIL if one.defect_score is not None and one.defect_score >= cut else Verdict.PASS for one in said
    ]
    assert predictor.judge(said[0]) == judged[0]
    for again, first in zip(
        [predictor.judge(paths[0]), *predictor.judge(kenpin.load_dataset(paths))], (judged[0], *judged), strict=True
    ):
        assert again.score == pytest.approx(first.score, rel=1e-5)
        assert replace(again, score=first.score) == first
    with pytest.raises(OptionError, match="no threshold to judge by"):
        kenpin.Predictor(predictor.inspector).judge(paths[0])


def test_a_run_is_its_folder_and_what_is_in_it(run: kenpin.Run, parts: Path) -> None:
    assert run == Path(run)
    assert type(run / "run.json") is type(Path())
    assert run.record.options["data"] == "-"
    assert run.notes == run.record.notes
    assert any("head was fitted" in note for note in run.notes)
    assert run.evaluation.split == "test"
    assert len(run.evaluation.judged) == 60
    assert run.threshold == run.predictor(device="cpu").threshold
    assert run.report == run / "report.html"
    assert kenpin.load_run(str(run)) == run
    again = run.evaluate({"train": parts / "ok", "test": parts}, device="cpu")
    assert (again.split, len(again.judged)) == ("test", 60)
    assert again.threshold == run.threshold
    assert "60 of these 120 pictures were left out" in again.notes[0]
    assert "Not held out" in run.evaluate(parts, with_seen=True, device="cpu").notes[0]


def test_a_run_shows_itself(run: kenpin.Run, tmp_path: Path) -> None:
    assert re.fullmatch(
        r"Run\('.*/run', family='classifier', scores=\{accuracy: .*\}, notes=<\d sentences>\)", repr(run)
    )
    html = run._repr_html_()
    assert "accuracy" in html
    assert "head was fitted" in html
    assert len(html) < 100_000
    assert repr(kenpin.Run(tmp_path)) == f"Run({str(tmp_path)!r})"
    assert str(tmp_path) in kenpin.Run(tmp_path)._repr_html_()


def test_the_worst_mistakes_are_shown(run: kenpin.Run, parts: Path, tmp_path: Path) -> None:
    others = kenpin.load_dataset(write_parts(tmp_path / "others", first=1000, count=2))
    wrong = others.with_labels(["scratch", "ok", "ok", "scratch"], ())
    mistaken = kenpin.train("classifier", dataset={"train": parts, "test": wrong}, out=tmp_path / "run", **SETTINGS)
    wrongly = len([one for one in mistaken.evaluation.judged if one.prediction.label != one.label])
    assert mistaken._repr_html_().count("<img") == wrongly > 0


def test_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        kenpin.load_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"holds no run\.json"):
        _ = kenpin.Run(tmp_path).notes


def test_numbers_in_a_frame_train_and_are_judged(tmp_path: Path) -> None:
    frame = pandas.read_csv(write_table(tmp_path / "parts.csv"))
    run = kenpin.train("mahalanobis", data=frame, out=tmp_path / "run", report=False)
    assert run.report is None
    judged = list(run.predictor().judge(frame))
    assert [one.id for one in judged] == frame["id"].tolist()
    assert {one.verdict for one in judged} == {Verdict.PASS, Verdict.FAIL}
    with pytest.raises(OptionError, match="is not a picture; predict"):
        run.predictor().predict(tmp_path / "parts.csv")


def test_vectors_of_what_is_in_memory(run: kenpin.Run, parts: Path, tmp_path: Path) -> None:
    paths = sorted((parts / "ok").glob("*.png"))[:3]
    found = kenpin.embed(run, [Image.open(path) for path in paths], tmp_path / "memory", device="cpu")
    from_files = kenpin.embed(run, paths, tmp_path / "files", device="cpu").vectors
    assert found.vectors == pytest.approx(from_files, rel=1e-4, abs=1e-5)


def test_a_path_of_either_kind_trains_the_same(tmp_path: Path) -> None:
    table = write_table(tmp_path / "parts.csv")
    by_path = kenpin.train("mahalanobis", data=table, out=tmp_path / "a", report=False)
    by_text = kenpin.train("mahalanobis", data=str(table), out=tmp_path / "b", report=False)
    assert by_path.record.options["data"] == by_text.record.options["data"] == str(table)
    assert by_path.record.scores == by_text.record.scores


@pytest.mark.parametrize("name", kenpin.__all__)
def test_public_names_are_told_of(name: str) -> None:
    assert name in dir(kenpin)
    assert f"`{name}`" in (kenpin.__doc__ or "")
    assert f"`{name}`" in (ROOT / "docs" / "python.md").read_text("utf-8")


def test_paths_are_taken_wherever_a_setting_is_a_path(parts: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tuning": "full", "epochs": 1, "report": False}
    few = write_parts(tmp_path / "few", count=10)
    first = kenpin.train("classifier", data=few, out=tmp_path / "first", base="toy", **settings)
    base = export_merged(str(first), str(tmp_path / "base"))
    assert kenpin.load_base(base)(parts / "ok" / "000.png").label in ("ok", "scratch")
    write_parts(tmp_path / "others", count=30, first=5000)
    further = kenpin.train("classifier", data=tmp_path / "others", out=tmp_path / "further", base=first, **settings)
    assert further.record.options["base"] == str(first)


def test_a_recipe_is_taken_and_what_is_given_goes_before_it(parts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("tuning: head\nhead: linear\ncost-escape: 3\n", "utf-8")
    run = kenpin.train("classifier", config=recipe, data=parts, out=tmp_path / "run", base="toy", cost_escape=7)
    assert [run.record.options[name] for name in ("head", "cost_escape")] == ["linear", 7]
    recipe.write_text("tuning: head\nhaed: linear\n", "utf-8")
    with pytest.raises(OptionError, match=r"recipe\.yaml line 2: unknown option `haed`"):
        kenpin.train("classifier", config=str(recipe), data=parts, out=tmp_path / "other", base="toy")


def test_an_earlier_state_predicts(parts: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 2, "report": False}
    run = kenpin.train("classifier", data=parts, out=tmp_path / "run", **settings)
    earlier = run.predictor(checkpoint="best")
    assert earlier.threshold is None
    assert "threshold and calibration of a run belong to its final weights" in (earlier.undecided or "")


def test_default_takes_an_options_own_default_over_a_recipe(parts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("tuning: head\ncost_escape: 3\n", "utf-8")
    run = kenpin.train(
        "classifier", config=recipe, data=parts, out=tmp_path / "run", base="toy", cost_escape="default", report=False
    )
    assert run.record.options["cost_escape"] == 10
