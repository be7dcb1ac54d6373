"""Florence-2's answers: `label<loc_x1><loc_y1><loc_x2><loc_y2>`, 1000 bins, one label before one or several boxes."""

from __future__ import annotations

import re

from kenpin.codecs._decoded import Decoded, bins_of, box_of, carrying_problem, is_sound
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
    """Detections in their own order -> answer text; no box -> empty text. Raises LabelError."""
    parts = []
    for box, label in zip(detections.boxes_xyxy_px, detections.labels, strict=True):
        if (problem := problem_with(label)) is not None:
            raise LabelError(f"label {label!r} {problem}; Florence-2's answers cannot carry it. Rename the class.")
        parts.append(label + "".join(f"<loc_{b}>" for b in bins_of(box, size_wh, BINS)))
    return "".join(parts)


def decode(text: str, size_wh: tuple[int, int]) -> Decoded:
    """Answer text -> detections at the bins' centres, in the text's order, and what was not understood."""
    boxes: list[Box] = []
    labels: list[str] = []
    rejected: list[str] = []
    end = 0
    for match in _BOXES.finditer(text):
        label = text[end : match.start()].strip()
        end = match.end()
        bins = [int(b) for b in _BIN.findall(match.group())]
        for start in range(0, len(bins), 4):
            four = bins[start : start + 4]
            if len(four) == 4 and is_sound(four, BINS) and carrying_problem(label) is None:
                boxes.append(box_of(four, size_wh, BINS))
                labels.append(label)
            else:
                rejected.append(label + "".join(f"<loc_{b}>" for b in four))
    if tail := text[end:].strip():
        rejected.append(tail)
    return Decoded(Detections(tuple(boxes), tuple(labels)), tuple(rejected))
