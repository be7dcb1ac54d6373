"""What pages show, gathered from the store and the records: frozen, and without a word of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kenpin.inspection.record import Answer, PartRecord
from kenpin.quality.bounds import clopper_pearson
from kenpin.records import Verdict
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import PartRow, page, tallied

_DEFECTS = 12  # in the strip
_LOOKED_AT = 200  # parts among which they are looked for
RecordOf = Callable[[PartRow], PartRecord]
_SHOWN = (Verdict.PASS, Verdict.FAIL, Verdict.REVIEW)


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """How many parts of a lot have a verdict, and the exact 95 % interval of their share."""

    verdict: Verdict
    parts: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Box:
    """A box to draw."""

    label: str
    xyxy_px: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LineView:
    """The screen of the line."""

    last: PartRow | None
    boxes: Sequence[Box]
    lot: str | None
    """Of the last part."""
    counts: Sequence[VerdictCount]
    """Of that lot, or of all parts."""
    defects: Sequence[PartRow]


def line_view(connection: Connection, product: str, record_of: RecordOf) -> LineView:
    """The screen of a product's line. record_of: reads the record of a part."""
    (*newest,) = page(connection, PartFilter(product), size=_LOOKED_AT).parts
    last = newest[0] if newest else None
    lot = None if last is None else last.lot
    found = tallied(connection, PartFilter(product, lot=lot), ("verdict",))
    parts = {verdict: found.get((verdict,), 0) for verdict in _SHOWN}
    total = sum(parts.values())
    counts = [VerdictCount(verdict, count, *(clopper_pearson(count, total) or (None, None)))
              for verdict, count in parts.items()]  # fmt: skip
    boxes = () if last is None else boxes_of(record_of(last).answers_on_picture)
    defects = [part for part in newest[1:] if part.verdict is not Verdict.PASS][:_DEFECTS]
    return LineView(last, boxes, lot, counts, defects)


def boxes_of(answers: Sequence[Answer]) -> tuple[Box, ...]:
    """All boxes that runs found on a picture."""
    return tuple(
        Box(label, box)
        for answer in answers
        if answer.boxes is not None
        for box, label in zip(answer.boxes.boxes_xyxy_px, answer.boxes.labels, strict=True)
    )
