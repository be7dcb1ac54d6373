"""Average precision of masks is that of pycocotools, and is measured where predictions have outlines."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from kenpin.evaluation._box_matching import Truth, match_boxes
from kenpin.evaluation.measures import measure_all
from kenpin.evaluation.sample import Sample
from kenpin.masks import outline_of
from kenpin.metrics.average_precision import average_precision
from kenpin.outlines import Outline, to_coco
from kenpin.records import Detections, JudgedExample, Prediction
from kenpin.targets import Target

SIZE_WH = (60, 44)
LABELS = ("scratch", "void")


def a_split(seed: int) -> tuple[list[Detections], list[Detections]]:
    """True blots, as runs or polygons, and detections near them."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(6):
        outlines, near, labels = [], [], []
        for _ in range(int(rng.integers(1, 5))):
            x, y = rng.uniform(4, 40), rng.uniform(4, 30)
            ring = np.array([x, y]) + rng.uniform(0, 14, (5, 2))
            labels.append(LABELS[int(rng.integers(2))])
            outlines.append(Outline((tuple(ring.reshape(-1)),)))
            near.append(Outline((tuple((ring + rng.normal(0, 2, (5, 2))).reshape(-1)),)))
        boxes = tuple(outline.box_xyxy_px for outline in outlines)
        truth.append(Detections(boxes, tuple(labels), outlines=tuple(outlines)))
        scores = tuple(rng.random(len(near)))
        boxes = tuple(outline.box_xyxy_px for outline in near)
        found.append(Detections(boxes, tuple(labels), scores, outlines=tuple(near)))
    return truth, found


def reference(truth: list[Detections], found: list[Detections]) -> float:
    both = []
    with contextlib.redirect_stdout(io.StringIO()):
        for pictures in (truth, found):
            one = COCO()
            rows: list[dict[str, object]] = []
            for image, detections in enumerate(pictures, 1):
                for i, outline in enumerate(detections.outlines or ()):
                    assert outline is not None
                    row: dict[str, object] = {
                        "id": len(rows) + 1,
                        "image_id": image,
                        "category_id": LABELS.index(detections.labels[i]),
                    }
                    row |= {"segmentation": to_coco(outline), "area": 1, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
                    rows.append(row if detections.scores is None else row | {"score": detections.scores[i]})
            images = [{"id": image, "width": SIZE_WH[0], "height": SIZE_WH[1]} for image in range(1, len(pictures) + 1)]
            categories = [{"id": i, "name": label} for i, label in enumerate(LABELS)]
            one.dataset = {"images": images, "annotations": rows, "categories": categories}
            one.createIndex()
            both.append(one)
        evaluation = COCOeval(*both, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return float(precision[precision > -1].mean())


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_of_masks_is_that_of_pycocotools(seed: int) -> None:
    truth, found = a_split(seed)
    expected = reference(truth, found)
    sizes = [SIZE_WH] * len(truth)
    ours = average_precision(truth, found, LABELS, sizes_wh=sizes).mean
    assert ours == pytest.approx(expected, abs=1e-6)
    assert ours != pytest.approx(average_precision(truth, found, LABELS).mean, abs=1e-6), "boxes give another number"
    # a box without an outline stands for its own pixels
    full = outline_of(np.ones(SIZE_WH[::-1], bool))
    plain = [Detections(((0, 0, *SIZE_WH),), ("void",))] * 2
    drawn = [replace(one, outlines=(full,)) for one in plain]
    scored = [replace(one, scores=(0.5,)) for one in plain]
    assert average_precision(drawn, scored, LABELS, sizes_wh=sizes[:2]).mean == pytest.approx(1)


def test_masks_are_measured_where_predictions_have_outlines() -> None:
    truth, found = a_split(3)

    def measures(predicted: list[Detections], size_wh: tuple[int, int] | None = SIZE_WH) -> dict[str, float | None]:
        parts = [
            JudgedExample(str(i), None, None, None, Prediction(str(i), detections=one), None)
            for i, one in enumerate(predicted)
        ]
        matches = match_boxes(parts, [Truth(one, size_wh) for one in truth], LABELS)
        sample = Sample(matches.judged, LABELS, (), None, Target.BOXES, boxes=matches)
        return {name: one.value for name, one in measure_all(sample).items() if name.startswith("mask_")}

    sizes = [SIZE_WH] * len(truth)
    expected = average_precision(truth, found, LABELS, sizes_wh=sizes)
    assert measures(found) == {"mask_map": expected.mean, "mask_map_50": expected.at_50}
    assert expected.mean is not None
    assert measures([replace(one, outlines=None) for one in found]) == {}
    assert measures(found, size_wh=None) == {}
