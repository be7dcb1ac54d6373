"""Boxes over a thumbnail as SVG: the true ones on one picture, the predicted ones on another beside it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from kenpin.records import Box, Detections, JudgedExample, Verdict
from kenpin.report.label_layout import lay_out
from kenpin.visible import beginning, columns

_SIDE = 320.0  # units of the longer side, so that lines and letters are equally large on all pictures
_LINE = 15.0  # height of a line of letters
_LEAST = 4.0  # side of a box
_BASE = 3.5  # of the letters above the end of their line
_FAR = 4.0  # distance from which a line leads from a label to its box
_LETTERS = 22  # of a label; the lines below the picture show all of it
_COLUMN, _MARGIN = 8.0, 4.0  # width of a letter, about, and of what is beside them
_STYLES = {True: "right", False: "wrong", None: "aside"}
_LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"  # without it the score would stand before an Arabic label


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A box with its label."""

    style: str
    box_px: Box
    label: str
    score: float | None = None


def annotated_boxes(boxes: Detections, size_wh: tuple[int, int]) -> Markup:
    """Annotated boxes with their labels, of a picture that was not judged."""
    drawn = [_Drawn("true", box, label) for box, label in zip(boxes.boxes_xyxy_px, boxes.labels, strict=True)]
    return _svg(size_wh, drawn)


def true_boxes(part: JudgedExample) -> Markup | None:
    """A part's annotated boxes; None where the boxes or the picture's size are unknown."""
    if part.boxes is None or part.boxes.size_wh is None:
        return None
    truth = part.boxes.truth
    return _svg(
        part.boxes.size_wh,
        [
            _Drawn("true" if is_found else "missed", box, label)
            for box, label, is_found in zip(truth.boxes_xyxy_px, truth.labels, part.boxes.found, strict=True)
        ],
    )


def predicted_boxes(part: JudgedExample) -> Markup | None:
    """A part's predicted boxes at the score cut; None where the boxes or the picture's size are unknown."""
    detections = part.prediction.detections
    if part.boxes is None or part.boxes.size_wh is None or detections is None:
        return None
    scores = detections.scores or (None,) * len(detections)
    decisive = max(detections.scores or (), default=None) if part.verdict in (Verdict.REVIEW, Verdict.FAIL) else None
    return _svg(
        part.boxes.size_wh,
        [
            _Drawn(_STYLES[right], box, label, score)
            for box, label, score, right in zip(
                detections.boxes_xyxy_px, detections.labels, scores, part.boxes.right, strict=True
            )
            # a box below the score cut may still be the one that decides the verdict
            if right is not None or (score is not None and score == decisive)
        ],
    )


def _svg(size_wh: tuple[int, int], drawn: list[_Drawn]) -> Markup:
    scale = _SIDE / max(size_wh)
    width, height = (side * scale for side in size_wh)
    laid = [_scaled(item.box_px, scale) for item in drawn]
    names = [_name(item, width) for item in drawn]
    spots = lay_out(laid, [(_width(name), _LINE) for name in names], (width, height))
    shapes = [_frame(item.style, box) for item, box in zip(drawn, laid, strict=True)]
    shapes += [
        _label(item.style, name, box, spot)
        for item, name, box, spot in zip(drawn, names, laid, spots, strict=True)
        if spot is not None
    ]
    return Markup('<svg class="boxes" viewBox="0 0 {:.1f} {:.1f}" aria-hidden="true">{}</svg>').format(
        width, height, Markup("").join(shapes)
    )


def _scaled(box_px: Box, scale: float) -> Box:
    """In units; a box without area is drawn so that it can be seen."""
    x1, y1, x2, y2 = (value * scale for value in box_px)
    return x1, y1, max(x1 + _LEAST, x2), max(y1 + _LEAST, y2)


def _frame(style: str, box: Box) -> Markup:
    x1, y1, x2, y2 = box
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>').format(
        style, x1, y1, x2 - x1, y2 - y1
    )


def _label(style: str, name: str, box: Box, spot: Box) -> Markup:
    """The letters, and a line to the box where they had to be shifted away from it."""
    x, y = (min(max(at, low), high) for at, low, high in ((box[0], spot[0], spot[2]), (box[1], spot[1], spot[3])))
    to_x, to_y = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    leader = Markup()
    if max(abs(to_x - x), abs(to_y - y)) > _FAR:
        leader = Markup('<path class="leader {}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"></path>').format(
            style, x, y, to_x, to_y
        )
    return leader + Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
        style, spot[0] + 2, spot[3] - _BASE, name
    )


def _name(item: _Drawn, width: float) -> str:
    """Label and score, the label cut to what the picture has room for."""
    tail = "" if item.score is None else f"{_LEFT_TO_RIGHT} {item.score:.2f}"
    room = int((width - _MARGIN) / _COLUMN) - columns(tail)
    return beginning(item.label, max(1, min(_LETTERS, room))) + tail


def _width(name: str) -> float:
    return _MARGIN + _COLUMN * columns(name)
