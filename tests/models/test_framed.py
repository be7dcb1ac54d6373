"""Runs that look at a region of interest, at aligned parts, at parts without what surrounds them."""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kenpin.data.dataset import Dataset
from kenpin.data.framing import Framed, Framing
from kenpin.data.images import png_of, read_image
from kenpin.errors import ImageError, OptionError
from kenpin.export import export_int8, export_package
from kenpin.forecast import forecast_run
from kenpin.inspection import Line
from kenpin.models import get_family
from kenpin.models.contract import Explained, Task
from kenpin.models.explaining import maps_of
from kenpin.models.framed import framing_of
from kenpin.models.tiles import tiling_of
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.runtime import version_of
from kenpin.training import train
from tests.drawn_parts import SIZE, drawn_part, drawn_parts, example
from tests.objects import joined as together
from tests.objects import made_objects

TILES: dict[str, Any] = {"tile_px": 32, "overlap": 0.25}
WAYS = [
    pytest.param(("mahalanobis", {}), id="items"),
    pytest.param(("mahalanobis", {"where": "positions"}), id="positions"),
    pytest.param(("mahalanobis", {"where": "pooled", **TILES}), id="pooled in tiles"),
    pytest.param(("classifier", {"tuning": "head"}), id="head"),
    pytest.param(("classifier", {"tuning": "full", "epochs": 1, **TILES}), id="full in tiles"),
    pytest.param(("embedder", {"tuning": "head", "epochs": 1}), id="embedder"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A region of interest and a reference."""
    folder = tmp_path_factory.mktemp("named")
    roi = Image.new("L", SIZE)
    ImageDraw.Draw(roi).rectangle((20, 16, 76, 56), fill=255)
    roi.save(folder / "roi.png")
    drawn_part(500).save(folder / "part.png")
    return {"roi": folder / "roi.png", "align": folder / "part.png"}


@pytest.fixture(scope="module", params=WAYS)
def run(request: pytest.FixtureRequest, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that looks at a region of interest, whose file is gone since."""
    family, options = request.param
    folder = tmp_path_factory.mktemp("framed")
    roi = folder / "roi.png"
    roi.write_bytes(files["roi"].read_bytes())
    out = train(family, out=folder / "run", data="-", dataset=drawn_parts(0), base="toy", report=False, roi=str(roi),
                **options)  # fmt: skip
    roi.unlink()
    return out


def _score(run: Path, image: Image.Image) -> float:
    prediction = load_predictor(run).predict(np.asarray(image))
    return prediction.defect_score or 0.0


def test_what_lies_outside_changes_nothing_and_what_lies_inside_does(run: Path) -> None:
    part, outside, inside = (drawn_part(200) for _ in range(3))
    ImageDraw.Draw(outside).rectangle((0, 0, 96, 10), fill=255)
    ImageDraw.Draw(inside).rectangle((44, 24, 60, 40), fill=255)
    assert _score(run, outside) == _score(run, part)
    assert _score(run, inside) != _score(run, part)


def test_each_picture_is_framed_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    framed: list[Image.Image] = []
    frame = Framing.of

    def counted(self: Framing, image: Image.Image) -> Framed:
        framed.append(image)
        return frame(self, image)

    monkeypatch.setattr(Framing, "of", counted)
    predictor, parts = load_predictor(run), drawn_parts(400, 20)
    assert len(list(predictor.predict(parts))) == len(framed) == len(parts)


def test_maps_show_nothing_outside(run: Path) -> None:
    predictor, image = load_predictor(run), drawn_part(201, bad=True)
    if not isinstance(predictor.model, Explained):
        pytest.skip("an embedder's answer has no map")
    ((map_,),) = maps_of(predictor.model, [image.convert("RGB")], [example(image, "a", bad=True)])
    assert map_.values.shape == SIZE[::-1]
    assert np.isnan(map_.values[:15]).all()
    assert np.isnan(map_.values[:, 78:]).all()
    assert np.isfinite(map_.values[18:54, 22:74]).all()
    if predictor.localises:
        assert map_.score == pytest.approx(predictor.predict(np.asarray(image)).distance)


@pytest.mark.skipif(version_of("openvino") is None, reason="needs OpenVINO")
def test_a_package_frames_as_its_run_does(run: Path, tmp_path: Path) -> None:
    package, parts = export_package(run, tmp_path / "package", to="openvino"), drawn_parts(100, 3)
    ours, theirs = load_predictor(package), load_predictor(run)
    for one, other in zip(ours.predict(parts), theirs.predict(parts), strict=True):
        assert one.defect_score == pytest.approx(other.defect_score, rel=1e-3)
    framing = framing_of(ours.model)
    assert framing is not None
    assert framing.key == framing_of(theirs.model).key  # type: ignore[union-attr]


@pytest.mark.skipif(version_of("openvino") is None or find_spec("nncf") is None, reason="needs NNCF")
def test_int8_is_calibrated_on_what_the_network_sees(files: dict[str, Path], tmp_path: Path) -> None:
    parts = Dataset.from_examples(replace(one, split="train") for one in drawn_parts(0))
    others = Dataset.from_examples(replace(one, split="validation") for one in drawn_parts(50))
    run = train("mahalanobis", out=tmp_path / "run", data="-", dataset=together(parts, others), base="toy",
                where="pooled", report=False, roi=str(files["roi"]), **TILES)  # fmt: skip
    found = export_int8(run, tmp_path / "int8", data=together(parts, others), tolerance=10)
    tiling = tiling_of(load_predictor(run).model)
    assert tiling is not None
    framing = framing_of(load_predictor(run).model)
    assert framing is not None
    of_each = len(tiling.tiles(framing.size_of(SIZE)))
    assert found.calibrated_on == len(parts) * of_each, "tiles, not pictures"
    assert found.parts == len(others)
    assert not found.controlled


def _turned(image: Image.Image, degrees: float, right: int, down: int) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, translate=(right, down), fillcolor=30)


def test_an_aligned_part_scores_alike_wherever_it_lies_and_one_that_does_not_fit_is_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    moved = Dataset.from_examples(
        example(_turned(drawn_part(seed), (seed % 7) - 3.0, seed % 9 - 4, seed % 5 - 2), f"{seed}", bad=False)
        for seed in range(16)
    )
    named: dict[str, Any] = {name: str(file) for name, file in files.items()}
    run = train("mahalanobis", out=tmp_path / "run", data="-", dataset=moved, base="toy", where="positions",
                report=False, **named)  # fmt: skip
    straight = _score(run, drawn_part(300))
    for degrees, right, down in ((4, 8, -6), (-5, -9, 7), (0, 9, 0)):
        assert _score(run, _turned(drawn_part(300), degrees, right, down)) == pytest.approx(straight, rel=0.6)
        assert _score(run, _turned(drawn_part(300, bad=True), degrees, right, down)) > 2 * straight
    noise = np.random.default_rng(0).integers(0, 256, (72, 96), np.uint8)
    with pytest.raises(ImageError, match="Leave it out, or align to a picture that it is like"):
        load_predictor(run).predict(noise)
    left_out: list[str] = []
    pictures = [Example("noise", ImageSource("noise.png", png_of(noise, "noise"))), *drawn_parts(100, 1)]
    found = load_predictor(run).predict(pictures, on_error=lambda example, error: left_out.append(example.id))
    assert (left_out, [one.id for one in found]) == (["noise"], ["good100", "bad100"])


def test_a_line_reviews_what_it_cannot_align(files: dict[str, Path], tmp_path: Path) -> None:
    train("mahalanobis", out=tmp_path / "run", data="-", dataset=drawn_parts(0), base="toy", where="pooled",
          report=False, align=str(files["align"]))  # fmt: skip
    (tmp_path / "policy.yaml").write_text("runs: {space: {run: run, fail_from: 1e9}}\nmaps: {of: space, when: PASS}\n")
    noise = np.random.default_rng(0).integers(0, 256, (72, 96), np.uint8)
    sent = {
        "part": _turned(drawn_part(1), 3, 4, -2),
        "noise": Image.fromarray(noise),
        "small": drawn_part(1).resize((40, 30)),
    }
    with Line(tmp_path / "policy.yaml", tmp_path / "records") as line:
        records = {}
        for name, image in sent.items():
            memory = io.BytesIO()
            image.save(memory, "PNG")
            records[name] = line.judge(name, memory.getvalue())
    assert {name: record.verdict for name, record in records.items()} == {
        "part": "PASS", "noise": "REVIEW", "small": "REVIEW",
    }  # fmt: skip
    assert records["part"].answers[0].map is not None
    assert "it has 40 × 30 pixels and the reference of the alignment 96 × 72" in records["small"].reasons[0]


def test_boxes_come_back_in_the_frame_of_the_picture(tmp_path: Path) -> None:
    few = together(made_objects(6), made_objects(2, first=50, split="validation"))
    width, height = read_image(few[0].image).size
    roi = Image.new("L", (width, height))
    ImageDraw.Draw(roi).rectangle((width // 4, 0, width, height), fill=255)
    roi.save(tmp_path / "roi.png")
    run = train("florence2", out=tmp_path / "run", data="-", dataset=few, base="toy", epochs=1, max_new_tokens=30,
                report=False, roi=str(tmp_path / "roi.png"))  # fmt: skip
    for prediction in load_predictor(run).predict(made_objects(4, first=80)):
        assert prediction.detections is not None
        for x1, _, x2, _ in prediction.detections.boxes_xyxy_px:
            assert width // 4 <= x1 <= x2 <= width


def test_a_forecast_tries_what_the_training_looks_at(files: dict[str, Path], tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": "-", "dataset": drawn_parts(0), "base": "toy", "epochs": 1}
    options["out"] = str(tmp_path / "run")
    whole = forecast_run("classifier", tuning="full", **options)
    tiled = forecast_run("classifier", tuning="full", roi=str(files["roi"]), **options, **TILES)
    assert whole.times is not None
    assert tiled.times is not None
    assert tiled.times.steps > whole.times.steps


def test_names_that_lead_nowhere_say_so(tmp_path: Path, files: dict[str, Path]) -> None:
    for option in ("roi", "align"):
        named: dict[str, Any] = {option: str(tmp_path / "absent.png")}
        with pytest.raises(ImageError, match=r"absent\.png: there is no such file"):
            train("mahalanobis", out=tmp_path / "run", data="-", dataset=drawn_parts(0), base="toy",
                  **named)  # fmt: skip
    options = get_family("mahalanobis").Options.from_mapping({"data": "-", "out": "-", "roi": str(files["roi"])})
    with pytest.raises(OptionError, match="`roi` does nothing with a table"):
        get_family("mahalanobis").create(options, Task(("ok",), ("ok",), items=("a", "b")))
