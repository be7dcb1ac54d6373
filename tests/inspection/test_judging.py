"""Runs that stand on one base compute it once, and say what each says alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.export import export_package
from kenpin.inspection import closer_look, judging
from kenpin.inspection.judging import Judges
from kenpin.inspection.pictures import Opened, open_picture, sighting_of
from kenpin.inspection.policy import DescribeOptions, Policy
from kenpin.inspection.runs import JudgedPart
from kenpin.models.inference import infer_together
from kenpin.models.mahalanobis.cell_shares import CellShares
from kenpin.models.passing import decode, outputs_together
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import ImageSource, Prediction, Verdict
from tests.pictures import write_parts
from tests.toy_runs import ToyRun, trained

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "head": ("classifier", {}),
    "space": ("mahalanobis", {}),
    "vectors": ("embedder", {"epochs": 1}),
    "places": ("mahalanobis", {"where": "positions"}),
    "tuned": ("classifier", {"tuning": "full", "epochs": 1, "batch_size": 32}),
    "on_head": ("mahalanobis", {"base": "head"}),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of several families: the first three on the same features of one base, each of the others on its own."""
    folder = tmp_path_factory.mktemp("runs")
    few = write_parts(folder / "few", count=24)
    for name, (family, options) in RUNS.items():
        base = {"base": str(folder / options["base"])} if "base" in options else {}
        trained(family, folder / name, few, **options | base)
    return folder


def _predictors(runs: Path) -> dict[str, Predictor]:
    found = {name: load_predictor(runs / name) for name in RUNS}
    for one in found.values():
        one.inspector.module.eval()
    return found


def _numbers(said: Prediction) -> list[float]:
    shares = [*(said.probabilities or {}).values(), *(said.contributions or {}).values(), *(said.embedding or ())]
    return [*shares, said.defect_score or 0.0, said.distance or 0.0]


def test_together_they_say_what_each_says_alone(
    runs: Path, parts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path))
    predictors, some = _predictors(runs), load_dataset(parts).select(range(0, 120, 17))
    examples = list(some)
    images = [read_image(example.image) for example in examples]
    together = infer_together([one.inspector for one in predictors.values()], images)
    for (name, predictor), raw in zip(predictors.items(), together, strict=True):
        alone = list(predictor.predict(some))
        for ours, theirs in zip(decode(predictor.inspector, raw, examples), alone, strict=True):
            assert (ours.id, ours.label) == (theirs.id, theirs.label)
            assert np.allclose(_numbers(ours), _numbers(theirs), rtol=0, atol=1e-6), name


def test_what_they_share_is_computed_once(runs: Path, parts: Path) -> None:
    predictors = _predictors(runs)
    images = [read_image(example.image) for example in load_dataset(parts).select(range(3))]
    passes: dict[str, int] = dict.fromkeys(predictors, 0)
    for name, predictor in predictors.items():

        def count(*_: object, name: str = name) -> None:
            passes[name] += 1

        predictor.inspector.module.register_forward_hook(count)
        base = getattr(predictor.inspector.module, "base_model", None)
        if base is not None and base is not predictor.inspector.module:
            base.register_forward_hook(count)
    infer_together([predictors[name].inspector for name in ("head", "space")], images)
    assert (passes["head"], passes["space"]) == (1, 0)
    infer_together([predictors[name].inspector for name in ("head", "tuned", "places")], images)
    assert passes["head"] == 2
    assert passes["tuned"] > 0
    assert passes["places"] > 0


def test_the_judges_answer_with_a_record_a_picture_the_bad_ones_in_their_place(
    runs: Path, parts: Path, tmp_path: Path
) -> None:
    options = {"runs": {"head": {"run": runs / "head", "fail_from": 0.5}, "places": str(runs / "places")}}
    judges = Judges(Policy.from_mapping(options))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"bad")
    pictures = [_opened(path) for path in (parts / "ok" / "000.png", bad, parts / "scratch" / "000.png")]
    records = judges.judge(pictures, tmp_path)
    assert [record.picture_hash for record in records] == [one.picture_hash for one in pictures]
    assert [len(record.answers) for record in records] == [2, 0, 2]
    assert records[1].verdict == "REVIEW"
    assert "bad.png: the content is not a picture" in records[1].reasons[0]
    alone = load_predictor(runs / "head").predict_files([parts / "ok" / "000.png"])
    assert records[0].answers[0].score == pytest.approx(next(alone).defect_score, abs=1e-6)


def test_a_picture_that_a_run_fails_on_is_for_review_and_holds_up_no_other(
    runs: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges = Judges(Policy.from_mapping({"runs": {"head": {"run": runs / "head", "fail_from": 0.5}}}))
    paths = [parts / "ok" / "000.png", parts / "scratch" / "000.png", parts / "ok" / "001.png"]
    before = judges.judge(list(map(_opened, paths)), tmp_path)

    def fails_on_the_second(models: Any, images: list[Any], known: Any, examples: Any) -> object:
        if any(image.tobytes() == read_image(ImageSource(str(paths[1]))).tobytes() for image in images):
            raise RuntimeError("not enough memory\nsecond line")
        return outputs_together(models, images, known, examples)

    monkeypatch.setattr(judging, "outputs_together", fails_on_the_second)
    records = judges.judge(list(map(_opened, paths)), tmp_path)
    assert [len(record.answers) for record in records] == [1, 0, 1]
    assert [record.verdict for record in records] == [before[0].verdict, "REVIEW", before[2].verdict]
    assert records[1].reasons == ("The runs failed on it: not enough memory",)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("classifier", {}),
        ("classifier", {"object": "brightness"}),
        ("mahalanobis", {"where": "positions"}),
        ("mahalanobis", {"tile_px": 32}),
        ("package", {}),
    ],
)
def test_a_grey_file_is_judged_like_its_copy_in_colour(
    family: str, options: dict[str, Any], toy_run: ToyRun, parts: Path, tmp_path: Path
) -> None:
    if family == "package":
        run = export_package(
            toy_run("mahalanobis", tmp_path / "run", where="positions"), tmp_path / "package", to="onnx"
        )
    else:
        run = toy_run(family, tmp_path / "run", **options)
    judges = Judges(
        Policy.from_mapping({"runs": {"run": str(run)}, "maps": {"of": "run", "when": ["PASS", "FAIL", "REVIEW"]}})
    )
    modes, records = ("L", "RGB"), []
    for mode in modes:
        folder = tmp_path / mode
        folder.mkdir()
        with Image.open(parts / "scratch" / "000.png") as picture:
            picture.convert("L").convert(mode).save(folder / "part.png")
        opened = _opened(folder / "part.png")
        assert opened.image is not None
        assert opened.image.mode == mode
        records += judges.judge([opened], folder)
    assert records[0].answers[0].map is not None
    one, other = (replace(record.answers[0], map=None) for record in records)
    assert one == other
    drawn = [(tmp_path / mode / str(of.answers[0].map)).read_bytes() for mode, of in zip(modes, records, strict=True)]
    assert drawn[0] == drawn[1]


def test_a_closer_look_that_fails_leaves_the_verdict_and_says_so(
    runs: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"runs": {"places": str(runs / "places")}, "maps": {"of": "places", "when": ["PASS", "FAIL", "REVIEW"]}}
    judges = Judges(Policy.from_mapping(options))
    opened = [_opened(parts / "scratch" / "000.png")]
    (before,) = judges.judge(opened, tmp_path)
    assert before.answers[0].map is not None

    def fails(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr(closer_look, "draw_maps", fails)
    (record,) = judges.judge(opened, tmp_path)
    assert record.verdict == before.verdict
    assert record.answers[0].score == before.answers[0].score
    assert record.answers[0].map is None
    assert record.reasons == (*before.reasons, "The map of places failed: ValueError")

    def is_full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(closer_look, "draw_maps", is_full)
    (record,) = judges.judge(opened, tmp_path)
    assert record.verdict == before.verdict
    assert record.reasons == (*before.reasons, "The map of places failed: No space left on device")


def test_no_gradient_is_left_on(runs: Path, parts: Path) -> None:
    predictor = load_predictor(runs / "head")
    (outputs,) = infer_together([predictor.inspector], [read_image(next(iter(load_dataset(parts))).image)])
    assert all(isinstance(values, np.ndarray) for values in outputs.values())
    assert torch.is_grad_enabled()


def _opened(path: Path) -> Opened:
    return open_picture(sighting_of(path.name, str(path), path.stat()))


@pytest.mark.parametrize("describes", [False, True])
@pytest.mark.parametrize("fails_from", [0.0, 1e9])
def test_what_a_distance_is_made_up_of_is_looked_for_where_somebody_is_told(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_from: float, describes: bool
) -> None:
    pictures = sorted((runs / "few" / "ok").glob("*.png"))[:5]
    wanted = {Path(one.id).name: one.contributions for one in load_predictor(runs / "places").predict_files(pictures)}
    assert all(wanted.values()), "who asks for predictions gets them"
    judges = Judges(Policy.from_mapping({"runs": {"places": {"run": str(runs / "places"), "fail_from": fails_from}}}))
    if describes:
        asked = DescribeOptions.model_construct(run=runs, when=(Verdict.PASS, Verdict.FAIL))
        monkeypatch.setattr(judges, "_policy", judges._policy.model_copy(update={"describe": asked}))
    looked, of = list[float](), CellShares.of

    def noted(shares: CellShares, seen: Any, score: float) -> Any:
        looked.append(score)
        return of(shares, seen, score)

    monkeypatch.setattr(CellShares, "of", noted)
    parts = [part for part in judges.judged([_opened(picture) for picture in pictures]) if isinstance(part, JudgedPart)]
    told = fails_from == 0 or describes
    assert [part.verdict for part in parts] == [Verdict.FAIL if fails_from == 0 else Verdict.PASS] * len(pictures)
    assert len(looked) == (len(pictures) if told else 0)
    for part in parts:
        found = part.outputs["places"].prediction.contributions
        assert found == (wanted[part.opened.seen.id] if told else None)
        if fails_from == 0:
            assert next(iter(wanted[part.opened.seen.id] or ())) in " ".join(part.reasons)
