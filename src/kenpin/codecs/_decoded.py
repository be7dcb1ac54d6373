"""The result of decoding, of either codec, and the labels that no text answer can carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from kenpin.boxes import dequantise, quantise
from kenpin.records import Box, Detections

# tokens with a meaning of their own in the two families' vocabularies; inside a label they would be read as such
_RESERVED = re.compile(
    r"<(?:loc_?\d+|seg\d+|pad|s|/s|eos|bos|unk|mask|image|start_of_turn|end_of_turn|unused\d+|sep|poly|and"
    r"|/?(?:od|ocr|cap|ncap|dcap|grounding|seg|region_cap|region_to_desciption|proposal))>",
    re.IGNORECASE,
)

Span = tuple[int, int]
"""First character, and the one after the last."""


class DetectionSpans(NamedTuple):
    """Spans of the answer's text in which a detection is written."""

    label: Span
    """Span of its label; boxes under one label share it."""
    box: Span
    """Span of its four location tokens."""
    link: Span
    """Span of the separator before it (PaliGemma); empty where there is none."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The sound detections of a text with their spans in it, and the pieces that could not be parsed."""

    detections: Detections
    rejected: tuple[str, ...] = ()
    spans: tuple[DetectionSpans, ...] = ()


def carrying_problem(label: str) -> str | None:
    """Why a text answer cannot carry this label, as the end of a sentence; None when it can."""
    if not label:
        return "is empty"
    if label != label.strip():
        return "begins or ends with white space"
    # not str.isprintable, which would refuse the wide space of Japanese class names
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label):
        return "holds a line break or another control character"
    if (token := _RESERVED.search(label)) is not None:
        return f"holds {token.group()}, which the model reads as a token of its own"
    return None


def is_sound(bins_xyxy: Sequence[int], bins: int) -> bool:
    """Whether four bins are within range and make a box that is not inverted."""
    x1, y1, x2, y2 = bins_xyxy
    return max(bins_xyxy) < bins and x1 <= x2 and y1 <= y2


def bins_of(box: Box, size_wh: tuple[int, int], bins: int) -> tuple[int, int, int, int]:
    """One pixel box -> its four bins x1, y1, x2, y2."""
    x1, y1, x2, y2 = (int(b) for b in quantise([box], size_wh, bins)[0])
    return x1, y1, x2, y2


def box_of(bins_xyxy: Sequence[int], size_wh: tuple[int, int], bins: int) -> Box:
    """Four bins -> the pixel box between the bins' centres."""
    x1, y1, x2, y2 = (float(c) for c in dequantise([bins_xyxy], size_wh, bins)[0])
    return x1, y1, x2, y2


def chosen(detections: Detections, indices: Sequence[int]) -> Detections:
    """The detections of these indices, in this order."""
    columns: dict[str, Any] = {}
    for name in (field.name for field in fields(detections)):
        values = getattr(detections, name)
        columns[name] = None if values is None else tuple(values[index] for index in indices)
    return Detections(**columns)
