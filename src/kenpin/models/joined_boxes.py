"""Boxes of neighbouring tiles as boxes of the whole picture: what two tiles see of one thing becomes one box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline
from kenpin.records import Box, Detections, Prediction

_SAME = 0.3  # overlap of what two tiles say about the part that both show, from which it is one thing


def joined(
    predictions: Sequence[Prediction], places: Sequence[tuple[int, int]], side_px: int, size_wh: tuple[int, int]
) -> Prediction:
    """One prediction of a picture from those of its tiles. places: x and y of each tile's upper left corner.

    Two boxes of one class are one thing where they agree in the part of the picture that both tiles show: the box
    around both then takes their place, with the higher score. Its defect score is the highest of a tile.
    """
    found = [
        _Found(tile, index, _shifted(box, places[tile], size_wh))
        for tile, prediction in enumerate(predictions)
        for index, box in enumerate(prediction.detections.boxes_xyxy_px if prediction.detections else ())
    ]
    groups = _grouped(found, predictions, places, side_px)
    scores = [prediction.defect_score for prediction in predictions if prediction.defect_score is not None]
    detections = _detections([[found[number] for number in group] for group in groups], predictions, places, size_wh)
    return Prediction(
        id="",
        defect_score=max(scores, default=None),
        detections=detections,
        rejected=tuple(piece for prediction in predictions for piece in prediction.rejected),
    )


class _Found:
    """A box of a tile, in the frame of the picture."""

    __slots__ = ("box", "index", "tile")

    def __init__(self, tile: int, index: int, box: Box) -> None:
        self.tile, self.index, self.box = tile, index, box


def _shifted(box: Box, at_xy: tuple[int, int], size_wh: tuple[int, int]) -> Box:
    """In the frame of the picture, and not beyond it."""
    (x, y), (width, height) = at_xy, size_wh
    x1, y1, x2, y2 = box
    return min(x1 + x, width), min(y1 + y, height), min(x2 + x, width), min(y2 + y, height)


def _grouped(
    found: Sequence[_Found], predictions: Sequence[Prediction], places: Sequence[tuple[int, int]], side_px: int
) -> list[list[int]]:
    """Numbers of the boxes that are one thing, by way of others too."""
    leader = list(range(len(found)))

    def first_of(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    for number, one in enumerate(found):
        for before, other in enumerate(found[:number]):
            if one.tile != other.tile and _label(one, predictions) == _label(other, predictions):
                both = _intersection(_frame(places[one.tile], side_px), _frame(places[other.tile], side_px))
                if both is not None and _agree(one.box, other.box, both):
                    leader[first_of(number)] = first_of(before)
    groups: dict[int, list[int]] = {}
    for number in range(len(found)):
        groups.setdefault(first_of(number), []).append(number)
    return list(groups.values())


def _frame(at_xy: tuple[int, int], side_px: int) -> Box:
    x, y = at_xy
    return float(x), float(y), float(x + side_px), float(y + side_px)


def _label(one: _Found, predictions: Sequence[Prediction]) -> str:
    detections = predictions[one.tile].detections
    assert detections is not None
    return detections.labels[one.index]


def _intersection(one: Box, other: Box) -> Box | None:
    x1, y1, x2, y2 = (*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:]))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _area(box: Box | None) -> float:
    return 0.0 if box is None else (box[2] - box[0]) * (box[3] - box[1])


def _agree(one: Box, other: Box, within: Box) -> bool:
    """Whether two boxes overlap enough in the part of the picture that both were looked for in."""
    first, second = _intersection(one, within), _intersection(other, within)
    if first is None or second is None:
        return False
    shared = _area(_intersection(first, second))
    return shared >= _SAME * (_area(first) + _area(second) - shared)


def _detections(
    groups: Sequence[Sequence[_Found]],
    predictions: Sequence[Prediction],
    places: Sequence[tuple[int, int]],
    size_wh: tuple[int, int],
) -> Detections:
    boxes, labels, scores, segments, outlines = [], [], [], [], []
    for group in groups:
        each = [(one, predictions[one.tile].detections) for one in group]
        x1, y1 = (min(one.box[side] for one, _ in each) for side in (0, 1))
        x2, y2 = (max(one.box[side] for one, _ in each) for side in (2, 3))
        boxes.append((x1, y1, x2, y2))
        labels.append(_label(group[0], predictions))
        scores.append([of.scores[one.index] for one, of in each if of is not None and of.scores is not None])
        codes = [of.segments[one.index] for one, of in each if of is not None and of.segments is not None]
        segments.append(codes[0] if len(group) == 1 and codes else "")
        drawn = [
            _placed(of.outlines[one.index], places[one.tile], size_wh)
            for one, of in each
            if of is not None and of.outlines is not None
        ]
        outlines.append(_together([outline for outline in drawn if outline is not None], size_wh))
    return Detections(
        tuple(boxes),
        tuple(labels),
        tuple(max(of) for of in scores) if all(scores) else None,
        segments=tuple(segments) if any(segments) else None,
        outlines=tuple(outlines) if any(outline is not None for outline in outlines) else None,
    )


def _placed(outline: Outline | None, at_xy: tuple[int, int], size_wh: tuple[int, int]) -> Outline | None:
    """The outline of a tile in the frame of the picture."""
    if outline is None:
        return None
    x, y = at_xy
    if outline.runs is None:
        rings = tuple(tuple(v + (y if i % 2 else x) for i, v in enumerate(ring)) for ring in outline.rings)
        return replace(outline, rings=rings)
    assert outline.size_wh is not None
    mask = mask_of(outline, outline.size_wh)[: size_wh[1] - y, : size_wh[0] - x]
    return outline_of(mask, at_xy, size_wh) if mask.any() else None


def _together(outlines: Sequence[Outline], size_wh: tuple[int, int]) -> Outline | None:
    if len(outlines) < 2:
        return outlines[0] if outlines else None
    mask = mask_of(outlines[0], size_wh)
    for outline in outlines[1:]:
        mask = mask | mask_of(outline, size_wh)
    return outline_of(mask)
