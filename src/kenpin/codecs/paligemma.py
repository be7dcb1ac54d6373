"""PaliGemma's answers: four `<loc####>` as y1 x1 y2 x2 of 1024 bins, 16 `<seg###>` or none, label; ` ; ` between."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kenpin.codecs._decoded import Decoded, bins_of, box_of, carrying_problem, is_sound
from kenpin.errors import LabelError
from kenpin.records import Box, Detections

BINS = 1024
# the whole token after it: a label may hold "; <loc1", but never a token
_SEPARATOR = re.compile(r" ?; ?(?=<loc[0-9]{4}>)")
_OBJECT = re.compile(r"((?:<loc[0-9]{4}>){4})((?:<seg[0-9]{3}>){16})? ?(.*)", re.DOTALL)
_BIN = re.compile(r"<loc([0-9]{4})>")


def problem_with(label: str) -> str | None:
    """Why PaliGemma's answer cannot carry this label, as the end of a sentence; None when it can."""
    return carrying_problem(label)


def prefix(labels: Sequence[str]) -> str:
    """The instruction that asks for these classes: `detect a ; b`."""
    return "detect " + " ; ".join(labels)


def encode(detections: Detections, size_wh: tuple[int, int]) -> str:
    """Detections in their own order -> answer text; no box -> empty text. Raises LabelError."""
    parts = []
    segments = detections.segments or ("",) * len(detections)
    for box, label, segment in zip(detections.boxes_xyxy_px, detections.labels, segments, strict=True):
        if (problem := problem_with(label)) is not None:
            raise LabelError(f"label {label!r} {problem}; PaliGemma's answers cannot carry it. Rename the class.")
        x1, y1, x2, y2 = bins_of(box, size_wh, BINS)
        parts.append("".join(f"<loc{b:04d}>" for b in (y1, x1, y2, x2)) + f"{segment} {label}")
    return " ; ".join(parts)


def decode(text: str, size_wh: tuple[int, int]) -> Decoded:
    """Answer text -> detections at the bins' centres, in the text's order, and what was not understood."""
    boxes: list[Box] = []
    labels: list[str] = []
    segments: list[str] = []
    rejected: list[str] = []
    for piece in _SEPARATOR.split(text):
        match = _OBJECT.fullmatch(piece.strip())
        label = match.group(3).strip() if match else ""
        y1, x1, y2, x2 = (int(b) for b in _BIN.findall(match.group(1))) if match else (0, 0, 0, 0)
        if match and is_sound((x1, y1, x2, y2), BINS) and carrying_problem(label) is None:
            boxes.append(box_of((x1, y1, x2, y2), size_wh, BINS))
            labels.append(label)
            segments.append(match.group(2) or "")
        elif piece.strip():
            rejected.append(piece.strip())
    return Decoded(
        Detections(tuple(boxes), tuple(labels), segments=tuple(segments) if any(segments) else None), tuple(rejected)
    )
