"""Pictures judged tile by tile: maps without seams, boxes in one piece, and one way for run, package and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of, read_image
from kenpin.data.tiling import Tiling
from kenpin.errors import DatasetError, ImageError, OptionError
from kenpin.explain import explain
from kenpin.export import export_package
from kenpin.inspection import Line
from kenpin.models import get_family
from kenpin.models.contract import Explained, Task
from kenpin.models.explaining import maps_of
from kenpin.models.joined_boxes import joined
from kenpin.models.passing import decode, outputs_together
from kenpin.models.stitching import stitched
from kenpin.models.tiles import tiling_of
from kenpin.predictor import load_predictor
from kenpin.records import Box, Detections, Example, ImageSource, Prediction
from kenpin.runtime import version_of
from kenpin.training import train
from tests.builders import picture_bytes
from tests.objects import joined as objects_together
from tests.objects import made_objects

SIZE = (72, 56)
TILES: dict[str, Any] = {"tile_px": 32, "overlap": 0.25}
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("mahalanobis", {}),
    ("mahalanobis", {"where": "pooled"}),
    ("mahalanobis", {"where": "neighbours"}),
    ("classifier", {"tuning": "head"}),
    ("classifier", {"tuning": "full", "epochs": 1}),
    ("embedder", {"tuning": "head", "epochs": 1}),
]


def _part(seed: int, *, bad: bool) -> Example:
    draw = np.random.default_rng(seed)
    pixels = draw.integers(90, 130, (SIZE[1], SIZE[0], 3), np.uint8)
    boxes = None
    if bad:
        x, y = (int(draw.integers(4, side - 16)) for side in SIZE)
        pixels[y : y + 10, x : x + 10] = 250
        boxes = Detections(((x, y, x + 10.0, y + 10.0),), ("scratch",))
    return Example(
        f"{'bad' if bad else 'good'}{seed}",
        ImageSource(f"{seed}.png", png_of(pixels, "made")),
        label="scratch" if bad else "ok",
        boxes=boxes,
    )


def _parts(first: int, count: int = 12) -> Dataset:
    return Dataset.from_examples(_part(seed, bad=bad) for bad in (False, True) for seed in range(first, first + count))


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]} {' '.join(map(str, way[1].values()))}")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that looks at tiles."""
    family, options = request.param
    folder = tmp_path_factory.mktemp("tiles") / "run"
    more = {"data": "-", "dataset": _parts(0), "base": "toy", "report": False}
    return train(family, out=folder, **(more | TILES | options))


def test_a_run_judges_the_worst_tile_of_each_part_and_forgets_nothing_on_disk(run: Path) -> None:
    predictor, parts = load_predictor(run), _parts(100, 4)
    tiling = tiling_of(predictor.model)
    assert tiling is not None
    found = list(predictor.predict(parts))
    assert [one.id for one in found] == parts.column("id")
    if predictor.labels or predictor.model.__class__.__name__ == "UnitSpaceInspector":
        plain = load_predictor(run)
        plain.model.tiling = None  # type: ignore[attr-defined]
        for example, one in zip(parts, found, strict=True):
            image = read_image(example.image)
            of_tiles = plain.predict([tiling.cut(image, at_xy) for at_xy in tiling.tiles(image.size)])
            assert one.defect_score == pytest.approx(max(tile.defect_score or 0 for tile in of_tiles), abs=1e-5)
    again = list(load_predictor(run).predict(parts))
    assert [one.defect_score for one in again] == [one.defect_score for one in found]


def test_a_part_alone_is_judged_as_among_others(run: Path) -> None:
    predictor, parts = load_predictor(run), _parts(100, 3)
    among = list(predictor.predict(parts))
    images = [read_image(example.image) for example in parts]
    (together,) = outputs_together([predictor.model], images)
    for one, alone in zip(among, decode(predictor.model, together, list(parts)), strict=True):
        assert alone.defect_score == pytest.approx(one.defect_score, rel=1e-4)
        assert alone.label == one.label


def test_maps_are_of_the_whole_picture(run: Path) -> None:
    predictor, example = load_predictor(run), _part(200, bad=True)
    if not isinstance(predictor.model, Explained):
        pytest.skip("an embedder's answer has no map")
    ((map_,),) = maps_of(predictor.model, [read_image(example.image)], [example])
    assert map_.values.shape == SIZE[::-1]
    assert np.isfinite(map_.values).all()
    if predictor.localises:
        (prediction,) = predictor.predict([example])
        assert map_.score == pytest.approx(prediction.distance)
        assert float(map_.values.max()) == pytest.approx(map_.score)


def test_a_picture_that_cannot_be_opened_is_named_once_and_left_out(run: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(picture_bytes(1, size_wh=SIZE)[:300])
    (tmp_path / "text.png").write_text("no picture")
    broken = [Example(name, ImageSource(str(tmp_path / name))) for name in ("cut.png", "text.png")]
    parts = Dataset.from_examples([*_parts(100, 1), *broken, *_parts(101, 1)])
    named: list[str] = []
    predictor = load_predictor(run)
    found = list(predictor.predict(parts, on_error=lambda example, error: named.append(example.id)))
    assert sorted(named) == ["cut.png", "text.png"]
    assert [one.id for one in found] == [id for id in parts.column("id") if id not in named]
    with pytest.raises(ImageError, match=r"cut\.png"):
        list(predictor.predict(parts))


@pytest.mark.skipif(version_of("openvino") is None, reason="needs OpenVINO")
def test_a_package_judges_tiles_as_its_run_does(run: Path, tmp_path: Path) -> None:
    package = load_predictor(export_package(run, tmp_path / "package", to="openvino"))
    parts = _parts(100, 3)
    assert tiling_of(package.model) == tiling_of(load_predictor(run).model)
    for ours, theirs in zip(package.predict(parts), load_predictor(run).predict(parts), strict=True):
        assert ours.defect_score == pytest.approx(theirs.defect_score, rel=1e-3)


def test_a_map_of_pictures_of_several_sizes(tmp_path: Path) -> None:
    run = train("mahalanobis", out=tmp_path / "run", data="-", dataset=_parts(0), base="toy", where="pooled",
                report=False, **TILES)  # fmt: skip
    images = [Image.fromarray(np.full((h, w, 3), 100, np.uint8)) for w, h in ((40, 40), (72, 56), (20, 90))]
    predictor = load_predictor(run)
    (outputs,) = outputs_together([predictor.model], images)
    predictions = decode(predictor.model, outputs, [Example(f"{n}", ImageSource()) for n in range(3)])
    for image, grid, prediction in zip(images, outputs["map"], predictions, strict=True):
        assert prediction.distance == pytest.approx(float(grid.max()))
        assert predictor.model.map_of(grid, image.size).values.shape == image.size[::-1]  # type: ignore[attr-defined]


def test_a_line_judges_pictures_of_several_sizes_by_tiles(tmp_path: Path) -> None:
    train("mahalanobis", out=tmp_path / "run", data="-", dataset=_parts(0), base="toy", where="pooled", report=False,
          **TILES)  # fmt: skip
    (tmp_path / "policy.yaml").write_text(
        "runs: {space: {run: run, fail_from: 3}}\nmaps: {of: space, when: FAIL}\n"
        "rules: [FAIL if region of space > 20 px²]\n"
    )
    bad, large = _part(300, bad=True), picture_bytes(1, size_wh=(150, 90))
    assert bad.image.data is not None
    with Line(tmp_path / "policy.yaml", tmp_path / "records") as line:
        records = [line.judge("bad.png", bad.image.data), line.judge("large.png", large)]
    (alone,) = load_predictor(tmp_path / "run").predict([bad])
    assert records[0].answers[0].distance == pytest.approx(alone.distance, rel=1e-4)
    assert records[0].verdict == "FAIL"
    assert records[0].answers[0].regions
    for record in records:
        map_file = record.answers[0].map
        assert (map_file is not None) is (record.verdict == "FAIL")
        if map_file is not None:
            assert (tmp_path / "records" / map_file).is_file()


def test_boxes_are_learned_from_tiles_and_come_back_in_the_frame_of_the_picture(tmp_path: Path) -> None:
    few = objects_together(made_objects(6), made_objects(2, first=50, split="validation"))
    run = train("florence2", out=tmp_path / "run", data="-", dataset=few, base="toy", epochs=1, max_new_tokens=30,
                report=False, tile_px=40)  # fmt: skip
    predictor, parts = load_predictor(run), made_objects(3, first=80)
    for example, one in zip(parts, predictor.predict(parts), strict=True):
        width, height = read_image(example.image).size
        assert one.detections is not None
        for x1, y1, x2, y2 in one.detections.boxes_xyxy_px:
            assert 0 <= x1 <= x2 <= width
            assert 0 <= y1 <= y2 <= height
    (tmp_path / "a.png").write_bytes(picture_bytes(1, size_wh=(80, 60)))
    with pytest.raises(OptionError, match="its boxes have no maps in the frame of the whole"):
        list(explain(predictor, [tmp_path / "a.png"]))


# ---- stitching and joining ----


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.integers(4, 30),
    st.integers(4, 30),
)
def test_tiles_of_a_map_make_the_map_again(seed: int, unit: int, overlap: float, rows: int, columns: int) -> None:
    tiling = Tiling(8 * unit, overlap, unit)
    whole = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    size_wh = (columns * unit, rows * unit)
    wide = np.pad(whole, ((0, 8), (0, 8)), mode="edge")
    grids = np.stack([wide[y // unit :, x // unit :][:8, :8] for x, y in tiling.tiles(size_wh)])
    np.testing.assert_allclose(stitched(grids, tiling, size_wh), whole, rtol=1e-4, atol=1e-5)


def test_the_edge_of_a_tile_is_left_to_its_neighbour() -> None:
    tiling = Tiling(32, 0.5, 4)
    grids = np.zeros((len(tiling.tiles((96, 32))), 8, 8), np.float32)
    grids[:, :, 0] = grids[:, :, -1] = 100  # what a network makes of the border of its picture
    found = stitched(grids, tiling, (96, 32))
    assert found[:, 1:-1].max() < 0.01
    assert (found[:, [0, -1]] == 100).all(), "the border of the picture itself is nobody else's"


def _seen(boxes: list[Box], tiling: Tiling, size_wh: tuple[int, int]) -> list[Prediction]:
    """What a perfect inspector finds in each tile."""
    found = []
    for x, y in tiling.tiles(size_wh):
        cut = [
            tuple(float(np.clip(value - (x, y)[i % 2], 0, tiling.tile_px)) for i, value in enumerate(box))
            for box in boxes
        ]
        shown = tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in cut if x1 < x2 and y1 < y2)
        scores = tuple(0.5 + 0.01 * n for n in range(len(shown)))
        found.append(
            Prediction(
                "", defect_score=max(scores, default=0.0), detections=Detections(shown, ("a",) * len(shown), scores)
            )
        )
    return found


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=4))
def test_a_thing_across_several_tiles_comes_back_as_one_box(corners: list[tuple[int, ...]]) -> None:
    size_wh, tiling = (300, 260), Tiling(100, 0.3)
    boxes: list[Box] = []
    for x, y, w, h in corners:
        box = (x * 28.0 + 2, y * 24.0 + 2, min(298.0, x * 28.0 + 20 + w * 26), min(258.0, y * 24.0 + 18 + h * 22))
        assume(all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in boxes))
        boxes.append(box)
    found = joined(_seen(boxes, tiling, size_wh), tiling.tiles(size_wh), 100, size_wh)
    assert found.detections is not None
    assert sorted(found.detections.boxes_xyxy_px) == sorted(boxes)


def test_boxes_of_other_classes_and_other_things_stay_apart() -> None:
    tiling, size_wh = Tiling(100, 0.3), (170, 100)
    left = Detections(((75.0, 10.0, 95.0, 30.0), (80.0, 60.0, 98.0, 90.0)), ("a", "a"), (0.9, 0.4))
    right = Detections(((5.0, 10.0, 25.0, 30.0), (10.0, 40.0, 28.0, 55.0)), ("b", "a"), (0.8, 0.3))
    found = joined(
        [Prediction("", defect_score=0.9, detections=left), Prediction("", defect_score=0.8, detections=right)],
        tiling.tiles(size_wh), 100, size_wh,
    )  # fmt: skip
    assert found.detections is not None
    assert len(found.detections) == 4
    assert found.defect_score == 0.9


# ---- refusals ----


@pytest.mark.parametrize(
    ("family", "options", "what"),
    [
        ("mahalanobis", {"where": "positions"}, "`where` positions is for whole pictures"),
        ("mahalanobis", {"select_items": True}, "`select_items` true is for whole pictures"),
        ("mahalanobis", {"limit": "f", "ridge": 0}, "`limit` f is for whole pictures"),
        ("mahalanobis", {"tile_px": None}, "`overlap` does nothing without `tile_px`"),
        ("embedder", {"base": "mlp", "tuning": "full"}, "`tile_px` does nothing with base mlp"),
    ],
)
def test_options_that_do_not_go_with_tiles_say_so(family: str, options: dict[str, Any], what: str) -> None:
    values = {"data": "-", "out": "-", "tile_px": 32, "overlap": 0.5} | options
    with pytest.raises(OptionError, match=what):
        get_family(family).Options.from_mapping(values)


def test_a_table_has_no_tiles() -> None:
    options = get_family("mahalanobis").Options.from_mapping({"data": "-", "out": "-", "tile_px": 32})
    with pytest.raises(OptionError, match="`tile_px` does nothing with a table"):
        get_family("mahalanobis").create(options, Task(("ok",), ("ok",), items=("a", "b")))


def test_defects_that_nobody_marked_are_refused_before_anything_is_learned(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing marks the defect"):
        train("classifier", out=tmp_path / "run", data=str(parts), base="toy", tile_px=32)
    assert not (tmp_path / "run").exists()
