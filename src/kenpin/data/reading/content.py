"""Steps that readers share: noting problems, decoding text, four numbers as a box, sizes from headers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kenpin.data.images import displayed_size
from kenpin.data.picture_files import PictureError
from kenpin.data.reading import Note
from kenpin.records import Box, Finding, ImageSource, Severity

_LARGEST_COORDINATE = 1e9  # no picture is that wide; beyond it sums and areas lose their meaning


def tell(note: Note, code: str, where: object, what: str, remedy: str, *, severity: Severity = Severity.ERROR) -> None:
    """Hand one finding to `note`."""
    note(Finding(severity, code, str(where), what, remedy))


def read_text(path: Path, note: Note) -> str | None:
    """The file as UTF-8 text, line ends unchanged; None and a finding where it cannot be read so."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is not UTF-8 text"
        tell(note, "unparsable-file", path, what, "Save the file again as UTF-8")
    except OSError as error:
        tell(note, "missing-file", path, f"it cannot be read ({error.strerror})", "Put it there, or correct its name")
    return None


def read_json(path: Path, note: Note) -> Any:
    """The file's JSON value; None and a finding where there is none."""
    text = read_text(path, note)
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        tell(note, "unparsable-file", path, f"it is not JSON ({error})", "Export it again, or correct it there")
    return None


def four_numbers(values: object) -> Box | None:
    """Four finite numbers, from numbers or their texts; None where `values` are anything else."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        return None
    try:
        first, second, third, fourth = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    four = (first, second, third, fourth)
    return four if all(math.isfinite(v) and abs(v) < _LARGEST_COORDINATE for v in four) else None


# one box at a time: an array for each would take most of the time that a data set of boxes needs to be read
def box_from_xywh(box_xywh: Box) -> Box:
    """Left, top, width, height -> x1, y1, x2, y2, to the bit as `kenpin.boxes.xyxy_from_xywh`."""
    left, top, width, height = box_xywh
    return left, top, left + width, top + height


def box_px_from_cxcywh_unit(box_cxcywh_unit: Box, size_wh: tuple[int, int]) -> Box:
    """Centre and size as fractions of the picture (YOLO) -> x1, y1, x2, y2 in pixels, to the bit as
    `kenpin.boxes.xyxy_px_from_cxcywh_unit`."""
    (cx, cy, w, h), (width, height) = box_cxcywh_unit, size_wh
    return (cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height


def size_of(source: ImageSource, note: Note) -> tuple[int, int] | None:
    """Displayed width and height from the picture's header; None and a finding where it cannot be read."""
    try:
        return displayed_size(source)
    except PictureError as error:
        tell(note, "unreadable-image", source, error.what, error.remedy)
    return None


def once(note: Note) -> Callable[[str, object, str, str], None]:
    """A function that notes INFO findings, each code only once."""
    codes: set[str] = set()

    def tell_once(code: str, where: object, what: str, remedy: str) -> None:
        if code not in codes:
            codes.add(code)
            tell(note, code, where, what, remedy, severity=Severity.INFO)

    return tell_once
