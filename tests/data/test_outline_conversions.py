"""Boxes and masks after any two conversions between the formats that carry outlines are those of pycocotools before."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.dataset import content_hash
from kenpin.data.formats import format_names, get_format
from kenpin.data.outlining import truth_mask
from kenpin.errors import DatasetError
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline, to_coco
from kenpin.records import Box, Detections, Example, ImageSource
from tests.builders import write_picture

# pycocotools is not ready for NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FORMATS = [name for name in format_names() if "outlines" in get_format(name).CARRIES and name != "mvtec"]
Pixels = NDArray[np.uint8]


def a_data_set(folder: Path, seed: int) -> Dataset:
    """Pictures with boxes, polygons of one and of several parts, overlapping ones among them, and masks with holes."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(5):
        width, height = int(rng.integers(20, 90)), int(rng.integers(20, 90))
        path = write_picture(folder / f"{number}.png", 10 * seed + number, size_wh=(width, height))
        boxes: list[Box] = []
        outlines: list[Outline | None] = []
        for kind in range(4):
            outline: Outline | None = None
            if kind < 2:
                parts = range(1 + 2 * kind)
                rings = ((rng.uniform(0, 0.6, 2) + rng.uniform(0.05, 0.4, (6, 2))) * [width, height] for _ in parts)
                outline = Outline(tuple(tuple(ring.reshape(-1).tolist()) for ring in rings))
            elif kind == 2:
                mask = np.zeros((height, width), bool)
                mask[3:-3, 3:-3] = rng.random((height - 6, width - 6)) < 0.8
                outline = outline_of(mask)
            x1, y1 = rng.uniform(0, 9, 2)
            boxes.append((x1, y1, x1 + 7.5, y1 + 5.25) if outline is None else outline.box_xyxy_px)
            outlines.append(outline)
        found = Detections(tuple(boxes), ("a", "b", "a", "b"), outlines=tuple(outlines))
        examples.append(Example(path.name, ImageSource(str(path)), boxes=found, size_wh=(width, height)))
    return Dataset.from_examples(examples, root=folder)


def pixels(outline: Outline | None, box: Box, size_wh: tuple[int, int]) -> Pixels:
    """By pycocotools; of a box without an outline, those of the box."""
    x1, y1, x2, y2 = box
    written = to_coco(outline) if outline else [[x1, y1, x2, y1, x2, y2, x1, y2]]
    width, height = size_wh
    runs = written if isinstance(written, dict) else pycoco.merge(pycoco.frPyObjects(written, height, width))
    return np.asarray(pycoco.decode(runs))


@pytest.mark.parametrize(("first", "second"), list(product(FORMATS, FORMATS)))
def test_boxes_and_masks_are_those_of_pycocotools(first: str, second: str, tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "made", seed=len(first) + 3 * len(second))
    write_dataset(data, tmp_path / "first", first, allow_loss=True)
    write_dataset(load_dataset(tmp_path / "first"), tmp_path / "second", second, allow_loss=True)
    back = {content_hash(example.image): example for example in load_dataset(tmp_path / "second")}
    assert len(back) == len(data)
    for example in data:
        before, after = example.boxes, back[content_hash(example.image)].boxes
        assert before is not None
        assert after is not None
        assert example.size_wh is not None
        assert after.labels == before.labels
        assert np.abs(np.array(after.boxes_xyxy_px) - np.array(before.boxes_xyxy_px)).max() <= 0.5
        assert before.outlines is not None
        assert after.outlines is not None
        for index, (one, other) in enumerate(zip(before.outlines, after.outlines, strict=True)):
            wanted = pixels(one, before.boxes_xyxy_px[index], example.size_wh)
            got = pixels(other, after.boxes_xyxy_px[index], example.size_wh)
            assert (wanted != got).sum() <= 1, "a corner may round to the other side of a pixel's middle"
            if wanted.any():
                theirs = (pycoco.toBbox(pycoco.encode(np.asfortranarray(mask))) for mask in (wanted, got))
                assert np.abs(np.subtract(*theirs)).max() <= 0.5


def separate_outlines(folder: Path) -> Dataset:
    """Pictures to train and test on, of the same names: without boxes, or with polygons and masks that are apart."""
    rng = np.random.default_rng(0)
    examples = []
    for number in range(6):
        split, size_wh = ("train", "test")[number % 2], (90, 40)
        path = write_picture(folder / split / f"{number // 2}.png", number, size_wh=size_wh)
        outlines = []
        for left in range(0, 90 if number > 1 else 0, 30):
            (x1, y1), (x2, y2) = (
                rng.uniform((left + 2, 2), (left + 6, 6)),
                rng.uniform((left + 15, 22), (left + 27, 35)),
            )
            x, y = np.linspace(x1, x2, 4), np.linspace(y1, y2, 4)
            ring = np.column_stack([x[[1, 2, 3, 3, 2, 1, 0, 0]], y[[0, 0, 1, 2, 3, 3, 2, 1]]])
            outline = Outline((tuple(ring.reshape(-1).tolist()),))
            if number > 3:
                mask = mask_of(outline, size_wh)
                mask[int(y1 + y2) // 2, int(x1 + x2) // 2] = False
                outline = outline_of(mask)
            outlines.append(outline)
        labels = (("dent", "void")[number // 4],) * len(outlines)
        boxes = Detections(tuple(one.box_xyxy_px for one in outlines), labels, outlines=tuple(outlines) or None)
        examples.append(Example(f"{split}/{path.name}", ImageSource(str(path)), split, boxes=boxes, size_wh=size_wh))
    return Dataset.from_examples(examples, root=folder)


@pytest.mark.parametrize("name", FORMATS)
def test_outlines_become_masks_of_mvtec_and_outlines_again(name: str, tmp_path: Path) -> None:
    data = separate_outlines(tmp_path / "made")
    write_dataset(data, tmp_path / "first", name)
    write_dataset(load_dataset(tmp_path / "first"), tmp_path / "mvtec", "mvtec", allow_loss=True)
    masked = load_dataset(tmp_path / "mvtec")
    assert (masked.format, masked.findings) == ("mvtec", ())
    write_dataset(masked, tmp_path / "again", name, allow_loss=True)
    for back in (masked, load_dataset(tmp_path / "again")):
        of_content = {content_hash(example.image): example for example in back}
        for example in data:
            after = of_content[content_hash(example.image)]
            assert example.boxes is not None
            assert after.boxes is not None
            assert example.size_wh is not None
            assert (after.split, after.boxes.labels) == (example.split, example.boxes.labels)
            if back is masked:
                assert after.label == (example.boxes.labels or ("good",))[0]
            if not example.boxes:
                continue
            boxes = np.array(sorted(after.boxes.boxes_xyxy_px)) - np.array(sorted(example.boxes.boxes_xyxy_px))
            assert np.abs(boxes).max() <= 0.5
            wanted, got = truth_mask(example, example.size_wh), truth_mask(after, example.size_wh)
            assert wanted is not None
            assert got is not None
            assert (wanted != got).sum() <= 3, "a corner may round to the other side of a pixel's middle"


LEFT, RIGHT = (Outline(((x, 4.0, x + 9, 4.0, x + 9, 12.0, x, 12.0),)) for x in (2.0, 20.0))


@pytest.mark.parametrize(
    ("outlines", "labels", "split", "problem"),
    [
        ((LEFT, RIGHT), ("a", "b"), "test", r"several labels \(a, b\).* Write coco, yolo or cvat"),
        ((LEFT, None), ("a", "a"), "test", "its boxes are not those of a mask"),
        ((LEFT, LEFT), ("a", "a"), "test", "two of its outlines touch, or one has several parts"),
        ((Outline(LEFT.rings + RIGHT.rings),), ("a",), "test", "two of its outlines touch, or one has several parts"),
        ((Outline(((2.1, 4.1, 2.2, 4.1, 2.2, 4.2),)),), ("a",), "test", "two of its outlines touch, or one has"),
        ((LEFT,), ("ok",), "train", "it is labelled 'ok' and has boxes"),
        ((LEFT,), ("a",), None, "split None, label a; the MVTec layout needs"),
        ((outline_of(np.eye(9)),), ("a",), "test", r"a mask has \(9, 9\) pixels, the picture \(32, 20\)"),
    ],
)
def test_outlines_that_no_mask_of_mvtec_has_are_refused(
    outlines: tuple[Outline | None, ...], labels: tuple[str, ...], split: str | None, problem: str, tmp_path: Path
) -> None:
    picture = ImageSource(str(write_picture(tmp_path / "a.png", 1)))
    boxes = Detections(tuple((one or LEFT).box_xyxy_px for one in outlines), labels, outlines=outlines)
    with pytest.raises(DatasetError, match=f"^a: .*{problem}" if split else f"^a: {problem}"):
        write_dataset(Dataset.from_examples([Example("a", picture, split, boxes=boxes)]), tmp_path / "out", "mvtec")
    assert not (tmp_path / "out").exists()
