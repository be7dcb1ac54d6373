"""Outlines cover the pixels that pycocotools gives them, in its own text, and no mask loses a pixel as polygons."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as pycoco

from kenpin.data import Dataset
from kenpin.errors import ShapeError
from kenpin.masks import area, joined_ring, mask_of, outline_of, outline_of_rows, rings_of
from kenpin.outlines import Outline, decode_runs, encode_runs, from_coco, from_text, to_coco, to_text
from kenpin.records import Detections, Example, ImageSource

# pycocotools is not ready for NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def polygons(seed: int) -> list[tuple[tuple[int, int], list[list[float]]]]:
    """Sizes of pictures, each with one to three random polygons that may reach out of it, or cross themselves."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(60):
        size = int(rng.integers(1, 90)), int(rng.integers(1, 90))
        rings = []
        for _ in range(int(rng.integers(1, 4))):
            ring = rng.random((int(rng.integers(3, 9)), 2)) * 1.6 * np.array(size) - 0.3 * np.array(size)
            rings.append((ring if number % 3 else np.round(ring)).reshape(-1).tolist())
        made.append((size, rings))
    return made


def test_polygons_cover_the_pixels_of_pycocotools() -> None:
    for (width, height), rings in polygons(1):
        theirs = pycoco.merge(pycoco.frPyObjects(rings, height, width))
        ours = from_coco(rings)
        assert (mask_of(ours, (width, height)) == pycoco.decode(theirs).astype(bool)).all()
        assert area(ours, (width, height)) == pycoco.area(theirs)


def test_runs_are_those_of_pycocotools_in_both_forms() -> None:
    for (width, height), rings in polygons(2):
        theirs = pycoco.merge(pycoco.frPyObjects(rings, height, width))
        mask = pycoco.decode(theirs).astype(bool)
        text = theirs["counts"].decode()
        ours = from_coco({"size": [height, width], "counts": text})
        assert ours == outline_of(mask) == from_coco({"size": [height, width], "counts": list(decode_runs(text))})
        assert to_coco(ours) == {"size": [height, width], "counts": text}
        assert (mask_of(ours, (width, height)) == mask).all()
        assert area(ours, (width, height)) == mask.sum()
        if mask.any():
            x, y, box_width, box_height = pycoco.toBbox(theirs)
            assert ours.box_xyxy_px == (x, y, x + box_width, y + box_height)


def test_a_mask_in_its_frame_is_that_of_the_whole_picture() -> None:
    rng = np.random.default_rng(3)
    for number in range(200):
        width, height = rng.integers(1, 9, 2).tolist()
        x1, y1 = rng.integers(0, (width, height)).tolist()
        x2, y2 = (width, height) if number % 3 else (x1 + 1, y1 + 1)
        mask = np.zeros((height, width), bool)
        mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < rng.choice([0, 0.5, 0.9, 1])
        part = mask[y1:y2, x1:x2]
        rows = outline_of(part.T).runs
        assert rows is not None
        whole = Outline(runs=rows, size_wh=part.shape)
        assert (part == mask_of(whole, part.shape).T).all(), "runs of rows are those of the columns of its transpose"
        encoded = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        for found in (outline_of(mask), outline_of(part, (x1, y1), (width, height))):
            assert encode_runs(found.runs or ()) == encoded
        assert outline_of_rows(rows, (x1, y1, x2 - x1, y2 - y1), (width, height)) == outline_of(mask)
        with pytest.raises(ShapeError, match="reaches out of its picture"):
            outline_of(part, (x1 + width - x2 + 1, y1), (width, height))


def test_masks_as_polygons_keep_each_pixel_holes_and_islands_among_them() -> None:
    rng = np.random.default_rng(3)
    for share in (0.1, 0.4, 0.6, 0.9):
        width, height = int(rng.integers(2, 30)), int(rng.integers(2, 30))
        mask = rng.random((height, width)) < share
        mask[0, 0] = True
        for rings in (rings_of(outline_of(mask)), [joined_ring(outline_of(mask), (width, height))]):
            theirs = pycoco.merge(pycoco.frPyObjects([list(ring) for ring in rings], height, width))
            assert (pycoco.decode(theirs).astype(bool) == mask).all()


def test_hundreds_of_regions_become_one_polygon() -> None:
    mask = np.indices((24, 30)).sum(axis=0) % 2 == 0  # 360 pixels that touch by corners alone
    outline = outline_of(mask)
    assert len(rings_of(outline)) == 360
    assert (mask_of(Outline((joined_ring(outline, (30, 24)),)), (30, 24)) == mask).all()


def test_overlapping_polygons_stay_covered_where_a_format_knows_only_one() -> None:
    both = Outline(((2, 2, 20, 2, 20, 20, 2, 20), (10, 10, 30, 10, 30, 30, 10, 30)))
    apart = Outline(((2, 2, 8, 2, 8, 8, 2, 8), (10, 10, 30, 10, 30, 30, 10, 30)))
    for outline in (both, apart):
        joined = Outline((joined_ring(outline, (40, 40)),))
        assert (mask_of(joined, (40, 40)) == mask_of(outline, (40, 40))).all()
    assert len(joined_ring(apart, (40, 40))) == 2 * (4 + 4 + 2)


def test_polygons_that_reach_to_the_ends_of_the_world_are_cut_first() -> None:
    far = Outline(((-9e8, -9e8, 9e8, -9e8, 9e8, 5, -9e8, 5),))
    mask = mask_of(far, (30, 20))
    assert mask[:5].all()
    assert not mask[5:].any()
    assert not mask_of(Outline(((5e8, 5e8, 6e8, 5e8, 6e8, 6e8),)), (30, 20)).any()


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1, 2, 3, 4, 5, "x"]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 10**400]],
        "text",
        {"counts": [4]},
        {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [4.0]},
        {"size": [2, 2], "counts": "\x00"},
        {"size": [2, 2], "counts": "o" * 50},
        {"size": [2, 2], "counts": "o"},
        {"size": [10**9, 10**9], "counts": [10**18]},
    ],
)
def test_what_is_no_outline_is_refused(segmentation: object) -> None:
    with pytest.raises(ShapeError):
        from_coco(segmentation)


def test_numbers_of_any_size_survive_compression() -> None:
    runs = (0, 1, 31, 32, 1_000_000, 7, 2**30, 0)
    assert decode_runs(encode_runs(runs)) == runs


def test_outlines_survive_the_table_and_leave_other_fingerprints_alone() -> None:
    outlines = (
        Outline(((0.1, 2.0, 3.7, 2.0, 3.0, 9.9),)),
        None,
        outline_of(np.eye(5, dtype=bool)),
        Outline(((0.0, 1.0, 2.0, 0.0, 3.0, 2.0, 1.0, 3.0),), oriented=True),
    )
    found = Detections(((0, 0, 9, 9),) * 4, ("void",) * 4, outlines=outlines)
    example = Example("a.png", ImageSource("a.png"), boxes=found)
    data = Dataset.from_examples([example])
    assert data[0] == example
    assert [from_text(to_text(outline)) for outline in outlines if outline] == [o for o in outlines if o]
    plain = Dataset.from_examples(
        [Example("a.png", ImageSource("a.png"), boxes=Detections(((0, 0, 9, 9),), ("void",)))]
    )
    assert plain.fingerprint() == "9a9f6993d50c483a2e3ca6f95afa52e2"
    assert data.fingerprint() != Dataset.from_examples([Example("a.png", ImageSource("a.png"))]).fingerprint()
