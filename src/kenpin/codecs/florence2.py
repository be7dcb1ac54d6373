"""Florence-2's answers: `label<loc_x1><loc_y1><loc_x2><loc_y2>`, 1000 bins, one label before one or several boxes."""

from __future__ import annotations

import re

from kenpin.codecs._decoded import Decoded, DetectionSpans, bins_of, box_of, carrying_problem, is_sound
from kenpin.errors import LabelError
from kenpin.records import Box, Detections

BINS = 1000
# at most four digits: int() refuses numbers of thousands of digits, and no bin has more than three
_BOXES = re.compile(r"(?:<loc_[0-9]{1,4}>)+")
_BIN = re.compile(r"<loc_([0-9]{1,4})>")


def problem_with(label: str) -> str | None:
    """Why Florence-2's answer cannot carry this label, as the end of a sentence; None when it can."""
    return carrying_problem(label)


def encode(detections: Detections, size_wh: tuple[int, int]) -> str:
    """Detections in their own order (see `in_reading_order`) -> answer text; none -> empty text. Raises LabelError.

    >>> encode(Detections(((10, 20, 30, 40),), ("solder-bridge",)), (100, 100))
    'solder-bridge<loc_100><loc_200><loc_300><loc_400>'
    """
    parts = []
    for box, label in zip(detections.boxes_xyxy_px, detections.labels, strict=True):
        if (problem := problem_with(label)) is not None:
            raise LabelError(f"label {label!r} {problem}; Florence-2's answers cannot carry it. Rename the class.")
        parts.append(label + "".join(map(location, bins_of(box, size_wh, BINS))))
    return "".join(parts)


def location(bin: int) -> str:
    """The location token of a bin."""
    return f"<loc_{bin}>"


def decode(text: str, size_wh: tuple[int, int]) -> Decoded:
    """Answer text -> detections at the bins' centres, in the text's order, and what was not understood.

    >>> decoded = decode("gap<loc_100><loc_200><loc_300><loc_400>dent<loc_7>", (1000, 1000))
    >>> decoded.detections.labels, decoded.detections.boxes_xyxy_px, decoded.rejected
    (('gap',), ((100.5, 200.5, 300.5, 400.5),), ('dent<loc_7>',))
    """
    boxes: list[Box] = []
    labels: list[str] = []
    spans: list[DetectionSpans] = []
    rejected: list[str] = []
    end = 0
    for run in _BOXES.finditer(text):
        before = text[end : run.start()]
        label = before.strip()
        label_start = end + len(before) - len(before.lstrip())
        end = run.end()
        tokens = list(_BIN.finditer(text, run.start(), run.end()))
        for first in range(0, len(tokens), 4):
            four = tokens[first : first + 4]
            bins = [int(token.group(1)) for token in four]
            span = four[0].start(), four[-1].end()
            if len(four) == 4 and is_sound(bins, BINS) and carrying_problem(label) is None:
                boxes.append(box_of(bins, size_wh, BINS))
                labels.append(label)
                spans.append(DetectionSpans((label_start, label_start + len(label)), span, (span[0], span[0])))
            else:
                rejected.append(label + text[slice(*span)])
    if tail := text[end:].strip():
        rejected.append(tail)
    return Decoded(Detections(tuple(boxes), tuple(labels)), tuple(rejected), tuple(spans))
