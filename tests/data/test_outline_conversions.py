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
from kenpin.masks import outline_of
from kenpin.outlines import Outline, to_coco
from kenpin.records import Box, Detections, Example, ImageSource
from tests.builders import write_picture

# pycocotools is not ready for NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FORMATS = [name for name in format_names() if "outlines" in get_format(name).CARRIES]
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
