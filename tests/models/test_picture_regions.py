"""Runs that look at a region of its own in each picture: what lies outside changes nothing, whatever names it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from kenpin.errors import OptionError
from kenpin.export import export_package
from kenpin.inspection import Line
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.policy import read_policy
from kenpin.models.framed import look_in
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Verdict
from kenpin.training import train
from tests.commands import Run
from tests.pictures import part

SIDE = 48
WAYS = [
    pytest.param(("mahalanobis", {}), id="items"),
    pytest.param(("mahalanobis", {"where": "positions"}), id="positions"),
    pytest.param(("mahalanobis", {"where": "pooled", "tile_px": 32}), id="pooled in tiles"),
    pytest.param(("classifier", {"tuning": "head"}), id="head"),
    pytest.param(("embedder", {"tuning": "head", "epochs": 1}), id="embedder"),
]


def _corner(seed: int) -> tuple[int, int]:
    x, y = np.random.default_rng(seed).integers(0, 96 - SIDE, 2)
    return int(x), int(y)


def _picture(seed: int, at_xy: tuple[int, int], *, bad: bool, around: int | None = None) -> Image.Image:
    """A part in its region, among what belongs to no part and differs from picture to picture."""
    rng = np.random.default_rng(seed if around is None else around)
    whole = Image.fromarray(rng.integers(0, 256, (96, 96, 3), np.uint8))
    whole.paste(part(seed, scratched=bad).crop((8, 8, 8 + SIDE, 8 + SIDE)), at_xy)
    return whole


def _mask(at_xy: tuple[int, int]) -> Image.Image:
    mask = np.zeros((96, 96), np.uint8)
    mask[at_xy[1] : at_xy[1] + SIDE, at_xy[0] : at_xy[0] + SIDE] = 255
    return Image.fromarray(mask)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in class folders, masks named as they are, and a table of polygons and masks."""
    folder = tmp_path_factory.mktemp("regions")
    rows = []
    for seed in range(40):
        bad, at_xy = seed % 2 == 1, _corner(seed)
        name = f"{'scratch' if bad else 'ok'}/{seed:03}"
        for root, image, end in (("data", _picture(seed, at_xy, bad=bad), ".png"), ("masks", _mask(at_xy), ".bmp")):
            file = folder / root / f"{name}{end}"
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file)
        (x, y), far = at_xy, SIDE
        corners = [[x, y], [x + far, y], [x + far, y + far], [x, y + far]]
        polygon = json.dumps(corners if seed % 4 < 2 else [corners])
        rows.append((f"data/{name}.png", name.partition("/")[0], polygon if seed % 3 else f"masks/{name}.bmp"))
    with (folder / "table.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("path", "label", "region"), *rows])
    return folder


def _score(predictor: Predictor, file: Path) -> float:
    (prediction,) = predictor.predict_files([file])
    assert prediction.defect_score is not None
    return prediction.defect_score


@pytest.mark.parametrize("way", WAYS)
def test_what_lies_outside_of_a_pictures_own_region_changes_nothing(
    made: Path, way: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    family, options = way
    run = train(
        family, data=made / "data", out=tmp_path / "run", base="toy", roi=str(made / "masks"), report=False, **options
    )
    predictor = load_predictor(run)
    scores = set()
    for seed in (100, 101, 102):
        at_xy = _corner(seed)
        for other in (1, 2):
            file = tmp_path / f"{other}" / "scratch" / f"{seed:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            _picture(seed, at_xy, bad=seed == 101, around=other).save(file)
        (tmp_path / "masks" / "scratch").mkdir(parents=True, exist_ok=True)
        _mask(at_xy).save(tmp_path / "masks" / "scratch" / f"{seed:03}.png")
        look_in(predictor.model, str(tmp_path / "masks"))
        of_one, of_other = (_score(predictor, tmp_path / n / "scratch" / f"{seed:03}.png") for n in ("1", "2"))
        assert of_one == of_other
        scores.add(of_one)
    assert len(scores) == 3
    # with the mask of another picture it is another score: the region decides
    shutil.copy(tmp_path / "masks" / "scratch" / "100.png", tmp_path / "masks" / "scratch" / "101.png")
    look_in(predictor.model, str(tmp_path / "masks"))
    if family != "embedder":  # whose scores reach 1
        assert _score(predictor, tmp_path / "1" / "scratch" / "101.png") not in scores


def test_masks_polygons_and_every_step_give_one_score(made: Path, tmp_path: Path, kenpin: Run) -> None:
    common: dict[str, Any] = {"base": "toy", "where": "positions", "report": False}
    run = train("mahalanobis", data=made / "data", out=tmp_path / "folder", roi=str(made / "masks"), **common)
    column = train("mahalanobis", data=made / "table.csv", out=tmp_path / "column", roi="column:region", **common)
    pictures = [made / "data" / "ok" / "000.png", made / "data" / "scratch" / "001.png"]
    wanted = [_score(load_predictor(run), picture) for picture in pictures]

    def predicted(model: Path, *more: object) -> list[float]:
        ended, _, err = kenpin("predict", model, *pictures, "--json", tmp_path / "p.json", "--overwrite", *more)
        assert ended == 0, err
        return [one["defect_score"] for one in json.loads((tmp_path / "p.json").read_text("utf-8"))["predictions"]]

    assert predicted(run) == pytest.approx(wanted, rel=1e-6)
    assert predicted(run, "--roi", made / "masks") == pytest.approx(wanted, rel=1e-6)
    assert predicted(column, "--roi", made / "table.csv") == pytest.approx(wanted, rel=1e-6)
    assert predicted(column, "--roi", made / "masks") == pytest.approx(wanted, rel=1e-6)
    export_package(run, tmp_path / "package", to="onnx")
    assert predicted(tmp_path / "package") == pytest.approx(wanted, rel=1e-4)
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"runs": {"d": "folder"}, "roi": str(made / "masks")}), "utf-8")
    kenpin("inspect", policy, *pictures, "--out", tmp_path / "records")
    found = [record.answers[0].score for record in read_records(tmp_path / "records" / JOURNAL)]
    assert found == pytest.approx(wanted, rel=1e-6)
    assert kenpin("evaluate", column, "--data", made / "table.csv", "--with-seen")[0] == 0
    ended, *_ = kenpin("explain", run, pictures[1], "--out", tmp_path / "e.png", "--array", tmp_path / "e.npz")
    assert ended == 0
    (map_,) = [values for name, values in np.load(tmp_path / "e.npz").items() if name.startswith("map")]
    assert map_.shape == (96, 96)  # of the whole picture
    x, y = _corner(1)
    outside = np.ones((96, 96), bool)
    outside[max(0, y - 8) : y + SIDE + 8, max(0, x - 8) : x + SIDE + 8] = False
    assert np.nan_to_num(map_)[outside].max() < map_[~outside].max() / 2


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no mask": (lambda masks: (masks / "ok" / "000.bmp").unlink(), "ok/000.png: its region of interest is not in"),
    "black": (lambda masks: Image.new("L", (96, 96)).save(masks / "ok" / "000.bmp"), "000.bmp is black all over"),
    "two": (lambda masks: Image.new("L", (9, 9)).save(masks / "ok" / "000.png"), "are masks of one picture"),
    "a whole folder": (lambda masks: shutil.rmtree(masks / "ok"), "And 19 more."),
    "damaged": (lambda masks: (masks / "ok" / "000.bmp").write_text("BM"), "000.bmp"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_without_a_region_is_named_before_anything_is_learned(made: Path, tmp_path: Path, name: str) -> None:
    masks = tmp_path / "masks"
    shutil.copytree(made / "masks", masks)
    spoil, sentence = REFUSED[name]
    spoil(masks)
    with pytest.raises(OptionError) as refused:
        train("mahalanobis", data=made / "data", out=tmp_path / "run", base="toy", roi=str(masks))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not [path for path in tmp_path.iterdir() if "run" in path.name]


def test_two_pictures_with_one_mask_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    for folder in ("ok", "scratch"):
        shutil.copytree(made / "data" / folder, tmp_path / "data" / folder, dirs_exist_ok=True)
    shutil.copytree(made / "masks", tmp_path / "masks")
    for folder in ("ok", "scratch"):
        for file in (tmp_path / "masks" / folder).iterdir():
            shutil.move(file, tmp_path / "masks" / file.name)
    shutil.copy(tmp_path / "data" / "ok" / "000.png", tmp_path / "data" / "scratch" / "000.png")
    with pytest.raises(OptionError, match=r"ok/000.png and .*scratch/000.png have one mask"):
        train("mahalanobis", data=tmp_path / "data", out=tmp_path / "run", base="toy", roi=str(tmp_path / "masks"))


def test_a_default_is_the_region_of_pictures_that_have_none(made: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    shutil.copytree(made / "masks", masks)
    (masks / "ok" / "000.bmp").unlink()
    _mask(_corner(0)).save(tmp_path / "default.png")
    for name, default in {"mask": str(tmp_path / "default.png"), "whole": "whole"}.items():
        how: dict[str, Any] = {"base": "toy", "roi": str(masks), "roi_default": default, "report": False}
        run = train("mahalanobis", data=made / "data", out=tmp_path / name, **how)
        (tmp_path / "default.png").unlink(missing_ok=True)  # the run keeps it
        by_default = _score(load_predictor(run), made / "data" / "ok" / "000.png")
        own = load_predictor(run)
        look_in(own.model, str(made / "masks"))
        assert (by_default == _score(own, made / "data" / "ok" / "000.png")) is (name == "mask")
    with pytest.raises(OptionError, match="`roi_default` goes with a `roi` by picture"):
        train("mahalanobis", data=made / "data", out=tmp_path / "run", base="toy", roi_default="whole")


def test_a_line_reviews_what_has_no_region_and_says_where_regions_are_missing(made: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"data": made / "data", "base": "toy", "report": False}
    run = train("mahalanobis", out=tmp_path / "run", roi=str(made / "masks"), **how)
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"runs: {{d: {run}}}\n", "utf-8")
    with Line(policy, tmp_path / "records") as line:
        good, other = (
            line.judge(name, (made / "data" / "ok" / "000.png").read_bytes()) for name in ("ok/000.png", "new.png")
        )
    assert good.answers
    assert (other.verdict, other.answers) == (Verdict.REVIEW, ())
    assert "its region of interest is not in" in other.reasons[0]
    gone = read_policy(policy).model_copy(update={"roi": str(tmp_path / "no-such-folder")})
    with pytest.raises(OptionError, match="neither a folder of masks nor a table"):
        Line(gone, tmp_path / "others")
    plain = train("mahalanobis", out=tmp_path / "plain", **how)
    with pytest.raises(OptionError, match="not trained on a region of its own in each picture"):
        look_in(load_predictor(plain).model, str(made / "masks"))
    policy.write_text(f"runs: {{d: {plain}}}\nroi: {made / 'masks'}\n", "utf-8")
    with pytest.raises(OptionError, match="no run of the policy was trained on a region of its own"):
        Line(policy, tmp_path / "third")
