"""The part record: all results on one part with their runs, as JSON and as an Arrow row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pyarrow as pa

from kenpin.chained import BEFORE
from kenpin.data.picture_look import PictureLook
from kenpin.description.answers import Description
from kenpin.errors import RunError
from kenpin.records import Detections, Verdict
from kenpin.records_json import from_json, to_json
from kenpin.regions.region import DefectRegion

SCHEMA_VERSION: Literal[1] = 1
"""Of the table of records."""
LINE_VERSION: Literal[2] = 2
"""Of a line of the journal; lines of version 1 hold no hash of what stands above them."""
MOST_RECORDED = 50
"""Regions of an answer that a record holds, the largest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One run's answer on a part. None: the run does not predict this."""

    run: str
    """Its name in the policy."""
    version: str
    """Hash of the run's record, which holds those of its files."""
    data_set: str
    """Fingerprint of the data set that it was trained on."""
    fail_from: float | None
    """The threshold that judged; None where the run does not decide."""
    review_from: float | None
    verdict: Verdict | None
    score: float | None
    reasons: tuple[str, ...]
    label: str | None = None
    probabilities: Mapping[str, float] | None = None
    distance: float | None = None
    """D²/k."""
    contributions: Mapping[str, float] | None = None
    """The items with the largest shares of the distance."""
    layer_contributions: Mapping[str, float] | None = None
    """Shares of the distance by layer of the network, where there are several."""
    boxes: Detections | None = None
    text: str | None = None
    """A language model's raw answer."""
    map: str | None = None
    """File of its map, below the folder of the records."""
    region_from: float | None = None
    """Number of its map, or score of its boxes, from which regions were found; None: none were looked for, or all
    boxes are."""
    regions: tuple[DefectRegion, ...] | None = None
    """Regions against the part, the largest first; None where none were looked for."""
    regions_left_out: int = 0
    """Further, smaller regions, which rules count and the record does not hold."""
    view: str | None = None
    """The view that it is the answer on, where a part is judged by several: for this run the worst one."""


@dataclass(frozen=True, slots=True)
class RecordedView:
    """A picture of a part that is judged by several."""

    name: str | None
    """Of the view; None where its picture names none."""
    id: str
    """The picture's path below the watched folder, or as it was named."""
    picture: str
    """Its whole path."""
    picture_hash: str
    """Content hash; empty where the picture could not be read."""
    picture_bytes: int
    modified_ns: int
    size_wh: tuple[int, int] | None
    """None where it cannot be opened."""
    error: str | None = None
    """Why it cannot be opened, or why the runs failed on it."""
    answers: tuple[Answer, ...] = ()
    """Answers of each run on this picture, with its maps; their verdicts are by the cuts for parts."""


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """A known case similar to the part."""

    id: str
    picture: str
    verdict: str
    label: str | None
    note: str | None
    distance: float


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a part lies to the good parts of a product."""

    product: str
    distance: float
    """D²/k, by the product's unit space."""
    times: float
    """The distance over that of a usual good part of the product, the median of those it did not learn from."""
    spreads: float
    """How far beyond a usual good part it lies, in the good parts' standard deviations; of cube roots of distances."""


@dataclass(frozen=True, slots=True)
class ProductChoice:
    """How the product of a part that came without one was looked for."""

    product: str | None
    """None: no product is near, or two are nearly as near."""
    nearest: tuple[Nearness, ...]
    """Of all products that were measured, the nearest first."""
    limit: float
    """Times as far as a usual good part up to which a product is near."""
    margin: float
    """Factor by which the next product must be farther."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part: its picture by name and content, the verdict, and its grounds."""

    id: str
    """The picture's path below the watched folder, or as it was named."""
    picture: str
    """Its whole path."""
    picture_hash: str
    """Content hash, 32 hexadecimal digits, empty where the picture could not be read; with the id it identifies the
    part."""
    picture_bytes: int
    modified_ns: int
    """When the file was last written, in nanoseconds since 1970."""
    size_wh: tuple[int, int] | None
    """Displayed width and height in pixels; None where it cannot be opened."""
    verdict: Verdict
    reasons: tuple[str, ...]
    lot: str | None
    policy: str
    """Hash of the policy and of its runs."""
    kenpin: str
    """Version of kenpin."""
    judged_at: str
    """UTC, ISO 8601."""
    latency_s: float
    """Time from the complete picture to this record, before it was written."""
    label: str | None = None
    """Class, by the first run that predicts one."""
    distance: float | None = None
    """D²/k, by the first run that measures it."""
    description: Description | None = None
    """Description in words."""
    contradictions: tuple[str, ...] = ()
    """Contradictions between the description and the evidence, a sentence each."""
    answers: tuple[Answer, ...] = ()
    """Answers of each run, in the policy's order; empty where the picture cannot be opened."""
    cases: tuple[RecordedCase, ...] = ()
    """Nearest first."""
    aside: str | None = None
    """Path of a file that is no picture, below the folder of the records, once it is moved aside."""
    look: PictureLook | None = None
    """How the picture was taken; None where it was not measured, as it is in a station."""
    choice: ProductChoice | None = None
    """None where the product was told with the part."""
    rule: str | None = None
    """The rule of the policy that decided; None where none held."""
    px_per_mm: tuple[float, float] | None = None
    """Pixels a millimetre, across and down, by which regions were measured; None where they are in pixels alone."""
    views: tuple[RecordedView, ...] = ()
    """Where parts are judged by several pictures, each of them, sorted by name: `answers` are then the worst ones, by
    run, `picture` and `size_wh` those of the worst view, and `picture_hash` is over all."""

    @property
    def deciding_place(self) -> int | None:
        """Place of the view whose picture stands for the part; None where the part is of one picture."""
        return next((place for place, view in enumerate(self.views) if view.picture == self.picture), None)

    @property
    def deciding(self) -> RecordedView | None:
        """The view whose picture stands for the part; None where the part is of one picture."""
        return None if self.deciding_place is None else self.views[self.deciding_place]

    @property
    def answers_on_picture(self) -> tuple[Answer, ...]:
        """What the runs answered on the picture that stands for the part."""
        return self.answers if self.deciding is None else self.deciding.answers


def first_score(answers: Sequence[Answer]) -> float | None:
    """Of the first run that has one."""
    return next((answer.score for answer in answers if answer.score is not None), None)


def first_map(answers: Sequence[Answer]) -> str | None:
    """File of the first map that was drawn; None where none was."""
    return next((answer.map for answer in answers if answer.map is not None), None)


PartKey = tuple[str, str]
"""Key of a part: its id and its content."""


def part_key(id: str, picture_hash: str, picture_bytes: int, modified_ns: int) -> PartKey:
    """The key of a part. Unreadable files of one name are distinguished by size and time."""
    return id, picture_hash or f"{picture_bytes} {modified_ns}"


def to_values(record: PartRecord) -> dict[str, Any]:
    """A record as a line of the journal holds it, without the hash."""
    return {"schema": LINE_VERSION, **to_json(record)}


def from_values(values: Mapping[str, Any], where: str) -> PartRecord:
    """The record that a line's JSON holds. Raises RunError."""
    if values.get("schema") not in (1, LINE_VERSION):
        raise RunError(
            f"{where}: its schema is {values.get('schema')}, this kenpin reads up to {LINE_VERSION}; use the kenpin "
            "that wrote it."
        )
    return from_json(
        PartRecord, {name: value for name, value in values.items() if name not in ("schema", BEFORE)}, where
    )


_SHARES = pa.map_(pa.string(), pa.float64())
_CORNERS = ("x1_px", "y1_px", "x2_px", "y2_px")
_BOX = pa.struct([("label", pa.string()), ("score", pa.float64()), *((name, pa.float64()) for name in _CORNERS)])
_RINGS = pa.list_(pa.list_(pa.float64()))
_POINT = pa.list_(pa.float64())
_REGION = pa.struct(
    [
        ("rings_px", _RINGS),
        ("holes_px", _RINGS),
        ("box_xyxy_px", _POINT),
        ("centre_xy_px", _POINT),
        *((name, pa.float64()) for name in ("area_px", "length_px", "width_px", "peak")),
        ("label", pa.string()),
        *((name, pa.float64()) for name in ("resolution_px", "area_mm2", "length_mm", "width_mm")),
        ("centre_xy_mm", _POINT),
        ("resolution_mm", pa.float64()),
        ("places", pa.list_(pa.string())),
        ("ignored", pa.bool_()),
        ("view", pa.string()),
    ]
)
_ANSWER = pa.struct(
    [
        ("run", pa.string()),
        ("version", pa.string()),
        ("data_set", pa.string()),
        ("fail_from", pa.float64()),
        ("review_from", pa.float64()),
        ("verdict", pa.string()),
        ("score", pa.float64()),
        ("reasons", pa.list_(pa.string())),
        ("label", pa.string()),
        ("probabilities", _SHARES),
        ("distance", pa.float64()),
        ("contributions", _SHARES),
        ("layer_contributions", _SHARES),
        ("boxes", pa.list_(_BOX)),
        ("text", pa.string()),
        ("map", pa.string()),
        ("region_from", pa.float64()),
        ("regions", pa.list_(_REGION)),
        ("regions_left_out", pa.int64()),
        ("view", pa.string()),
    ]
)
_VIEW = pa.struct(
    [
        *((name, pa.string()) for name in ("name", "id", "picture", "picture_hash")),
        ("picture_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("size_wh", pa.list_(pa.int32())),
        ("error", pa.string()),
        ("answers", pa.list_(_ANSWER)),
    ]
)
_LOOK = pa.struct([(name, pa.float64()) for name in ("brightness", "contrast", "sharpness")])
_NEARNESS = pa.struct([("product", pa.string()), *((name, pa.float64()) for name in ("distance", "times", "spreads"))])
_CHOICE = pa.struct(
    [("product", pa.string()), ("nearest", pa.list_(_NEARNESS)), ("limit", pa.float64()), ("margin", pa.float64())]
)
_CASE = pa.struct(
    [*((name, pa.string()) for name in ("id", "picture", "verdict", "label", "note")), ("distance", pa.float64())]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("picture", pa.string()),
        ("picture_hash", pa.string()),
        ("picture_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("size_wh", pa.list_(pa.int32())),
        ("verdict", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("lot", pa.string()),
        ("policy", pa.string()),
        ("kenpin", pa.string()),
        ("judged_at", pa.string()),
        ("latency_s", pa.float64()),
        ("label", pa.string()),
        ("distance", pa.float64()),
        ("description", pa.struct([(item.name, pa.string()) for item in fields(Description)])),
        ("contradictions", pa.list_(pa.string())),
        ("answers", pa.list_(_ANSWER)),
        ("cases", pa.list_(_CASE)),
        ("aside", pa.string()),
        ("look", _LOOK),
        ("choice", _CHOICE),
        ("rule", pa.string()),
        ("px_per_mm", pa.list_(pa.float64())),
        ("views", pa.list_(_VIEW)),
    ],
    metadata={"kenpin.part_records": str(SCHEMA_VERSION)},
)


def to_row(record: PartRecord) -> dict[str, Any]:
    """A record as a row of `SCHEMA`."""
    row = asdict(record)
    _convert(record.answers, row["answers"])
    for view, of_view in zip(record.views, row["views"], strict=True):
        _convert(view.answers, of_view["answers"])
    return row


def _convert(answers: Sequence[Answer], rows: Sequence[dict[str, Any]]) -> None:
    """Bring the values of answers into the form of `_ANSWER`, in place."""
    for answer, values in zip(answers, rows, strict=True):
        boxes = answer.boxes
        values["boxes"] = None if boxes is None else list(map(_box, *_columns(boxes)))
        for name in ("probabilities", "contributions", "layer_contributions"):
            values[name] = None if values[name] is None else list(values[name].items())


def _columns(boxes: Detections) -> tuple[Any, Any, Any]:
    return boxes.boxes_xyxy_px, boxes.labels, boxes.scores or (None,) * len(boxes)


def _box(box: tuple[float, ...], label: str, score: float | None) -> dict[str, Any]:
    return {"label": label, "score": score, **dict(zip(_CORNERS, box, strict=True))}
