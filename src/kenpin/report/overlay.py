"""Boxes drawn over a thumbnail as SVG: the true ones dashed, the predicted ones solid, with label and score."""

from __future__ import annotations

from collections import defaultdict
from unicodedata import east_asian_width

from markupsafe import Markup

from kenpin.records import Box, JudgedExample, Verdict

_SIDE = 320.0  # units of the longer side, so that lines and letters are equally large on all pictures
_LINE = 14.0  # height of a line of letters
_LETTERS = 22  # of a label; the lines below the picture show all of it
_WIDTHS = defaultdict(lambda: 8.0, W=13.0, F=13.0)  # of a letter, about
_STYLES = {True: "right", False: "wrong", None: "aside"}
_LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"  # without it the score would stand before an Arabic label


def overlay(part: JudgedExample) -> Markup | None:
    """The part's boxes at the score cut, to be laid over its picture; None where they or its size are not known."""
    if part.boxes is None or part.boxes.size_wh is None or part.prediction.detections is None:
        return None
    scale = _SIDE / max(part.boxes.size_wh)
    width, height = (side * scale for side in part.boxes.size_wh)
    truth, said = part.boxes.truth, part.prediction.detections
    drawn = []
    for box, label, found in zip(truth.boxes_xyxy_px, truth.labels, part.boxes.found, strict=True):
        # a found one bears the label of what found it
        drawn.append(_drawn("true", box, scale, "" if found else _shortened(label), width, below=height))
    scores = said.scores or (None,) * len(said)
    decisive = max(said.scores or (), default=None) if part.verdict in (Verdict.REVIEW, Verdict.FAIL) else None
    for box, label, score, right in zip(said.boxes_xyxy_px, said.labels, scores, part.boxes.right, strict=True):
        # a box that counts for nothing may still be what the verdict stands on
        if right is not None or (score is not None and score == decisive):
            name = _shortened(label) + ("" if score is None else f"{_LEFT_TO_RIGHT} {score:.2f}")
            drawn.append(_drawn(_STYLES[right], box, scale, name, width))
    return Markup('<svg class="boxes" viewBox="0 0 {:.1f} {:.1f}" aria-hidden="true">{}</svg>').format(
        width, height, Markup("").join(drawn)
    )


def _drawn(style: str, box_px: Box, scale: float, name: str, width: float, below: float | None = None) -> Markup:
    """A box and its name above it, or below it where the picture's height is given; within, where there is no room."""
    x1, y1, x2, y2 = (value * scale for value in box_px)
    frame = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>').format(
        style, x1, y1, max(0.0, x2 - x1), max(0.0, y2 - y1)
    )
    if below is None:
        y = y1 - 4 if y1 >= _LINE else y1 + _LINE - 2
    else:
        y = y2 + _LINE - 2 if y2 + _LINE <= below else y2 - 4
    x = max(2.0, min(x1, width - 2 - sum(_WIDTHS[east_asian_width(letter)] for letter in name)))
    return frame + Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, name)


def _shortened(label: str) -> str:
    return label if len(label) <= _LETTERS else label[: _LETTERS - 1] + "…"
