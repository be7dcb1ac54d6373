"""COCO's average precision of boxes or outlines, over whole splits, with bootstrap intervals.

Truth and detections are one record a picture, in the same order; pictures without objects count, for any detection on
them is wrong. Of one picture and class the 100 best detections count, as in COCO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.boxes import area, xywh_from_xyxy
from kenpin.errors import MissingExtraError
from kenpin.installing import installing
from kenpin.masks import area as area_of
from kenpin.masks import mask_of, outline_of
from kenpin.metrics.detection import CROWD, match_at
from kenpin.metrics.intervals import Interval, picture_intervals
from kenpin.outlines import Outline, to_coco
from kenpin.records import Detections

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST = 100  # detections of one class on one picture
_RESAMPLES = 500
_AREAS = ("all", "small", "medium", "large")
_50, _75 = 0, 5  # indices of these overlaps


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Means over the classes with true boxes, all but two also over the ten overlaps; None without true boxes."""

    mean: float | None
    at_50: float | None
    at_75: float | None
    small: float | None
    """Of true boxes of less than 32² pixels; medium: of less than 96²; large: of the others."""
    medium: float | None
    large: float | None
    per_class: Mapping[str, float | None]
    per_class_at_50: Mapping[str, float | None]


def average_precision(
    truth: Sequence[Detections],
    found: Sequence[Detections],
    labels: Sequence[str],
    *,
    sizes_wh: Sequence[tuple[int, int]] | None = None,
) -> AveragePrecision:
    """Average precision as COCO defines it; every detection must have a score.

    sizes_wh: of the pictures; with them, the pixels of the outlines are compared in place of the boxes, and a box
    without an outline stands for its own pixels. Raises MissingExtraError.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise MissingExtraError(f"mAP needs faster-coco-eval: {installing('detection')}") from error
    number = {label: i for i, label in enumerate(labels, 1)}
    both = (COCO(_coco(pictures, number, sizes_wh)) for pictures in (truth, found))
    evaluation = COCOeval_faster(*both, "bbox" if sizes_wh is None else "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    # overlaps, recalls, classes, areas, numbers of detections; -1 where there is no true box
    precision: Floats = np.asarray(evaluation.eval["precision"], np.float64)[..., -1]
    everywhere = precision[..., 0]
    small, medium, large = (_mean(precision[..., _AREAS.index(name)]) for name in _AREAS[1:])
    return AveragePrecision(
        mean=_mean(everywhere),
        at_50=_mean(everywhere[_50]),
        at_75=_mean(everywhere[_75]),
        small=small,
        medium=medium,
        large=large,
        per_class={label: _mean(everywhere[:, :, i]) for i, label in enumerate(labels)},
        per_class_at_50={label: _mean(everywhere[_50, :, i]) for i, label in enumerate(labels)},
    )


def average_precision_intervals(
    truth: Sequence[Detections],
    found: Sequence[Detections],
    labels: Sequence[str],
    *,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> tuple[Interval | None, Interval | None, Interval | None]:
    """Bootstrap intervals of the mean average precision, and of those at overlaps 0.50 and 0.75.

    Resampled pictures keep their boxes and matches, so that only the sums over pictures are done again.
    """
    tallies = [tally for tally in _tallies(truth, found, labels) if tally.boxes.any()]
    most = max((len(tally.picture) for tally in tallies), default=0)

    def means(draws: Ints) -> Floats:
        if not tallies:
            return np.full((len(draws), 3), np.nan)
        # (classes, resamples, overlaps); a class without a box in a resample does not count in its mean
        precisions = np.stack([_weighted(tally, draws) for tally in tallies])
        defined = ~np.isnan(precisions)
        total = np.where(defined, precisions, 0.0).sum(0)
        mean = np.divide(total, defined.sum(0), out=np.full_like(total, np.nan), where=defined.any(0))
        return np.stack([mean.mean(1), mean[:, _50], mean[:, _75]], axis=1)

    cells = len(truth) + 4 * most
    mean, at_50, at_75 = picture_intervals(means, len(truth), cells_each=cells, resamples=resamples, seed=seed)
    return mean, at_50, at_75


def _coco(
    pictures: Sequence[Detections], number: Mapping[str, int], sizes_wh: Sequence[tuple[int, int]] | None = None
) -> dict[str, Any]:
    """The pictures in COCO's form. Ids begin at 1: its evaluation takes annotation 0 for one that was not found."""
    annotations: list[dict[str, Any]] = []
    for image, boxes in enumerate(pictures, 1):
        rows = zip(xywh_from_xyxy(boxes.boxes_xyxy_px).tolist(), area(boxes.boxes_xyxy_px).tolist(), strict=True)
        for i, (box_xywh, size) in enumerate(rows):
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": number[boxes.labels[i]],
                "bbox": box_xywh,
                "area": size,
                "iscrowd": int(boxes.crowd is not None and boxes.crowd[i]),
            }
            if sizes_wh is not None:
                runs = outline_of(mask_of(_outline(boxes, i), sizes_wh[image - 1]))
                annotation |= {"segmentation": to_coco(runs), "area": area_of(runs, sizes_wh[image - 1])}
            annotations.append(annotation if boxes.scores is None else annotation | {"score": boxes.scores[i]})
    sizes = sizes_wh or [(0, 0)] * len(pictures)
    return {
        "images": [{"id": image, "width": w, "height": h} for image, (w, h) in enumerate(sizes, 1)],
        "categories": [{"id": i, "name": label} for label, i in number.items()],
        "annotations": annotations,
    }


def _outline(boxes: Detections, index: int) -> Outline:
    outline = None if boxes.outlines is None else boxes.outlines[index]
    x1, y1, x2, y2 = boxes.boxes_xyxy_px[index]
    return outline or Outline(((x1, y1, x2, y1, x2, y2, x1, y2),))


def _mean(precision: Floats) -> float | None:
    defined = precision[precision > -1]
    return float(defined.mean()) if len(defined) else None


@dataclass(frozen=True, slots=True)
class _Tally:
    """One class: its detections by falling score, and its true boxes on each picture."""

    picture: Ints
    right: NDArray[np.bool_]
    """(overlaps, detections)"""
    wrong: NDArray[np.bool_]
    boxes: Ints


def _tallies(truth: Sequence[Detections], found: Sequence[Detections], labels: Sequence[str]) -> list[_Tally]:
    stated = [_strongest(detections) for detections in found]
    matches = np.concatenate(
        [match_at(*pair, OVERLAPS.tolist()) for pair in zip(truth, stated, strict=True)]
        or [np.zeros((len(OVERLAPS), 0), np.int64)],
        axis=1,
    )
    names = np.array([label for detections in stated for label in detections.labels], object)
    scores = np.array([score for detections in stated for score in detections.scores or ()], np.float64)
    picture = np.repeat(np.arange(len(stated)), [len(detections) for detections in stated])
    tallies = []
    for label in labels:
        mine = np.flatnonzero(names == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        boxes = np.array([_count(detections, label) for detections in truth], np.int64)
        finds = matches[:, mine]
        tallies.append(_Tally(picture[mine], finds >= 0, (finds < 0) & (finds != CROWD), boxes))
    return tallies


def _count(truth: Detections, label: str) -> int:
    crowd = truth.crowd or (False,) * len(truth)
    return sum(name == label and not hidden for name, hidden in zip(truth.labels, crowd, strict=True))


def _strongest(detections: Detections) -> Detections:
    """The detections with the best scores of each class, as many as COCO counts, in their order."""
    scores = detections.scores or ()
    if len(detections) <= _MOST:
        return detections
    seen: dict[str, int] = {}
    kept = []
    for i in sorted(range(len(detections)), key=lambda i: -scores[i]):
        seen[detections.labels[i]] = seen.get(detections.labels[i], 0) + 1
        if seen[detections.labels[i]] <= _MOST:
            kept.append(i)
    kept.sort()
    return Detections(
        tuple(detections.boxes_xyxy_px[i] for i in kept),
        tuple(detections.labels[i] for i in kept),
        tuple(scores[i] for i in kept),
    )


def _weighted(tally: _Tally, draws: Ints) -> Floats:
    """Average precision where each picture counts as often as it was sampled; NaN without a box. (r, p) -> (r, 10)."""
    # The mean over 101 recalls of the best precision at that recall or beyond: Everingham et al. 2010, section 4.2, as
    # COCO samples it. A detection stands for the recalls between the one before it and its own.
    boxes = draws @ tally.boxes
    weight = draws[:, tally.picture]
    values = np.full((len(draws), len(OVERLAPS)), np.nan)
    for i in range(len(OVERLAPS)):
        caught = np.cumsum(weight * tally.right[i], axis=1)
        stated = caught + np.cumsum(weight * tally.wrong[i], axis=1)
        precision = np.divide(caught, stated, out=np.zeros(caught.shape), where=stated > 0)
        best_beyond = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(caught, boxes[:, None], out=np.zeros(caught.shape), where=boxes[:, None] > 0)
        reached = np.searchsorted(_RECALLS, recall, side="right")
        values[:, i] = (np.diff(reached, axis=1, prepend=0) * best_beyond).sum(1) / len(_RECALLS)
    values[boxes == 0] = np.nan
    return values
