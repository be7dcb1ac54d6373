"""PaliGemma's answers: four `<loc####>` as y1 x1 y2 x2 of 1024 bins, 16 `<seg###>` or none, label; ` ; ` between."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kenpin.codecs._decoded import Decoded, DetectionSpans, bins_of, box_of, carrying_problem, is_sound
from kenpin.errors import LabelError, ShapeError
from kenpin.records import Box, Detections

BINS = 1024
SEPARATOR = " ; "
_BOX = re.compile(r"(?:<loc[0-9]{4}>)+")
_BIN = re.compile(r"<loc([0-9]{4})>")
# a label may hold a separator too, so only the last one before the next box divides; and before the answer's end only
# one with a space behind it, which no label ends with
_DIVIDER = re.compile(r" ?; ?\Z")
_CUT = re.compile(r" ?; \Z")
_SEGMENTS = re.compile(r"(?:<seg(?:0[0-9]{2}|1[01][0-9]|12[0-7])>){16}")


def problem_with(label: str) -> str | None:
    """Why PaliGemma's answer cannot carry this label, as the end of a sentence; None when it can."""
    return carrying_problem(label)


def prefix(labels: Sequence[str]) -> str:
    """The instruction that asks for these classes: `detect a ; b`."""
    return "detect " + SEPARATOR.join(labels)


def encode(detections: Detections, size_wh: tuple[int, int]) -> str:
    """Detections in their own order (see `in_reading_order`) -> answer text; none -> empty text.

    Raises LabelError, and ShapeError for segments that are not sixteen codes.

    >>> encode(Detections(((10, 20, 30, 40),), ("solder-bridge",)), (100, 100))
    '<loc0204><loc0102><loc0409><loc0307> solder-bridge'
    """
    parts = []
    segments = detections.segments or ("",) * len(detections)
    for box, label, segment in zip(detections.boxes_xyxy_px, detections.labels, segments, strict=True):
        if (problem := problem_with(label)) is not None:
            raise LabelError(f"label {label!r} {problem}; PaliGemma's answers cannot carry it. Rename the class.")
        if segment and _SEGMENTS.fullmatch(segment) is None:
            raise ShapeError(f"segments {segment!r} of label {label!r}; give 16 codes <seg000> to <seg127>, or none.")
        x1, y1, x2, y2 = bins_of(box, size_wh, BINS)
        parts.append("".join(map(location, (y1, x1, y2, x2))) + f"{segment} {label}")
    return SEPARATOR.join(parts)


def location(bin: int) -> str:
    """The location token of a bin."""
    return f"<loc{bin:04d}>"


def decode(text: str, size_wh: tuple[int, int]) -> Decoded:
    """Answer text -> detections at the bins' centres, in the text's order, and what was not understood.

    >>> decoded = decode("<loc0204><loc0102><loc0409><loc0307> dent ; <loc0204> gap", (1024, 1024))
    >>> decoded.detections.labels, decoded.detections.boxes_xyxy_px, decoded.rejected
    (('dent',), ((102.5, 204.5, 307.5, 409.5),), ('<loc0204> gap',))
    """
    boxes: list[Box] = []
    labels: list[str] = []
    segments: list[str] = []
    spans: list[DetectionSpans] = []
    runs = [run.span() for run in _BOX.finditer(text)]
    ends = [*(start for start, _ in runs[1:]), len(text)]
    opening = text[: runs[0][0] if runs else len(text)].strip()
    rejected = [opening] if opening else []
    previous_end = runs[0][0] if runs else 0
    for (start, stop), next_start in zip(runs, ends, strict=False):
        divider = (_CUT if next_start == len(text) else _DIVIDER).search(text, stop, next_start)
        end = divider.start() if divider else next_start
        segment = _SEGMENTS.match(text, stop, end)
        behind = text[segment.end() if segment else stop : end]
        label = behind.strip()
        label_start = end - len(behind.lstrip())
        y1, x1, y2, x2 = [int(b) for b in _BIN.findall(text, start, stop)][:4] if stop - start == 36 else [BINS] * 4
        if is_sound((x1, y1, x2, y2), BINS) and carrying_problem(label) is None:
            boxes.append(box_of((x1, y1, x2, y2), size_wh, BINS))
            labels.append(label)
            segments.append(segment.group() if segment else "")
            spans.append(DetectionSpans((label_start, label_start + len(label)), (start, stop), (previous_end, start)))
        else:
            rejected.append(text[start:end].strip())
        previous_end = end
    detections = Detections(tuple(boxes), tuple(labels), segments=tuple(segments) if any(segments) else None)
    return Decoded(detections, tuple(rejected), tuple(spans))
