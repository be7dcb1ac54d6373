"""Annotation files by the tool that wrote them: which tool it is, and what to export from it instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.reading.reading import first_text

_LOOK_AT_BYTES = 65_536
_NAMES_TRIED = 200


@dataclass(frozen=True, slots=True)
class Tool:
    """Whose file it is, and the remedy where no reader took it."""

    name: str
    remedy: str

    @property
    def is_read(self) -> bool:
        """Whether a format of kenpin reads it, which the remedy names."""
        return self.remedy.startswith("Read ")


@dataclass(frozen=True, slots=True)
class _Sign:
    endings: tuple[str, ...]
    every: tuple[str, ...]
    """Regular expressions; each occurs in the beginning of the file. None: the ending alone says it."""
    tool: Tool


def _as(name: str, export: str) -> Tool:
    return Tool(name, f"Export it as {export}")


_JSON, _XML, _TEXT, _TABLE = (".json",), (".xml",), (".txt",), (".csv", ".tsv")
_YOLO_LINE = r"\A\s*\d+(\.0)?( -?\d*\.?\d+(e-?\d+)?){4,}\s*$"
_SIGNS = (
    _Sign(
        _JSON, (r'"shapes"\s*:', r'"imagePath"|"shape_type"'), Tool("labelme's JSON", "Read it with --format labelme")
    ),
    _Sign(_JSON, (r'"_via_img_metadata"|"region_attributes"',), _as("the VGG annotator's JSON (VIA)", "COCO")),
    _Sign(_JSON, (r'"asset"\s*:', r'"regions"\s*:|"visitedTags"'), _as("VoTT's JSON", "VoTT CSV or Pascal VOC")),
    _Sign(_JSON, (r'"visitedTags"|"activeLearningSettings"',), _as("VoTT's project", "VoTT CSV or Pascal VOC")),
    _Sign(_JSON, (r'"from_name"\s*:', r'"to_name"\s*:'), _as("Label Studio's own JSON", "COCO or YOLO with images")),
    _Sign(
        _JSON, (r'"(rectangle|polygon|brush)labels"\s*:',), _as("Label Studio's short JSON", "COCO or YOLO with images")
    ),
    _Sign(_JSON, (r'"dm_format_version"|"media_type"\s*:', r'"items"|"categories"'), _as("Datumaro's JSON", "COCO")),
    _Sign(_JSON, (r'"classTitle"\s*:|"projectType"\s*:',), _as("Supervisely's JSON", "COCO, YOLO or Pascal VOC")),
    _Sign(_JSON, (r'"coordinates"\s*:', r'"annotations?"\s*:'), _as("CreateML's JSON", "Pascal VOC, YOLO or COCO")),
    _Sign((*_JSON, ".ndjson", ".jsonl"), (r'"data_row"|"Labeled Data"',), _as("Labelbox's JSON", "COCO")),
    _Sign(_JSON, (r'"bounding_box"\s*:|"polygon"\s*:', r'"slots"|"item"\s*:'), _as("V7's JSON", "COCO or Pascal VOC")),
    _Sign(_JSON, (r'"images"\s*:', r'"annotations"\s*:'), Tool("a COCO file", "Read it with --format coco")),
    _Sign((".jsonl", ".manifest"), (r'"source-ref"\s*:',), _as("a manifest of Ground Truth", "COCO")),
    _Sign(
        _XML,
        (r"<annotations\b", r"<track\b"),
        _as("CVAT's XML of a video", "CVAT for images, COCO or YOLO, with images"),
    ),
    _Sign(_XML, (r"<annotations\b",), Tool("CVAT's XML", "Read it with --format cvat, or export it as COCO")),
    _Sign(_XML, (r"<annotation\b",), Tool("a Pascal VOC file", "Read it with --format voc")),
    _Sign(_TABLE, (r"region_shape_attributes",), _as("the VGG annotator's CSV (VIA)", "COCO")),
    _Sign(_TABLE, (r"annotation_id", r"lead_time"), _as("Label Studio's CSV", "COCO or YOLO with images")),
    _Sign(_TABLE, (r"(?i)\bx_?min\b",), Tool("a table of boxes", "Read it with --format csv")),
    _Sign(_TEXT, (_YOLO_LINE,), Tool("YOLO's labels", "Read them with --format yolo")),
    _Sign((".tfrecord", ".tfrecords", ".record"), (), _as("a TFRecord", "COCO or Pascal VOC")),
    _Sign((".mat",), (), _as("a MATLAB file", "COCO, or CSV for labels")),
    _Sign((".pkl", ".pickle"), (), _as("a pickle, which may run code when it is opened", "COCO or CSV")),
    _Sign((".h5", ".hdf5"), (), _as("an HDF5 file", "pictures with COCO or CSV")),
    _Sign((".lst", ".rec"), (), _as("a RecordIO file", "COCO or Pascal VOC")),
)


def tool_of(path: str | Path) -> Tool | None:
    """The tool that wrote an annotation file; None where it shows none that is known. Never fails."""
    suffix = Path(path).suffix.lower()
    signs = [sign for sign in _SIGNS if suffix in sign.endings]
    text = first_text(path, _LOOK_AT_BYTES) if any(sign.every for sign in signs) else ""
    for sign in signs:
        if all(re.search(pattern, text, re.MULTILINE) for pattern in sign.every):
            return sign.tool
    return None


def names_one_of(path: str | Path, pictures: Sequence[str]) -> bool:
    """Whether a text file names one of these pictures, of which the first are looked for. Never fails."""
    if not pictures:
        return False
    text = first_text(path, _LOOK_AT_BYTES)
    return any(name in text for name in pictures[:_NAMES_TRIED])
