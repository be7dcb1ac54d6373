"""The record of an opened picture, before anything but its verdict is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

from kenpin.inspection.nearest import told
from kenpin.inspection.pictures import Opened, as_text
from kenpin.inspection.record import PartRecord
from kenpin.records import Verdict


def part_record(
    opened: Opened, verdict: Verdict, reasons: Sequence[str], *, policy: str, lot: str | None = None
) -> PartRecord:
    """The fields of every record, at this moment. policy: hash of what judged; lot: where the picture has none."""
    seen, now_s = opened.seen, time.time()
    if opened.choice is not None:
        reasons = [*reasons, told(opened.choice)]
    return PartRecord(
        id=seen.id,
        picture=opened.whole_path,
        picture_hash=opened.picture_hash,
        picture_bytes=seen.size_bytes,
        modified_ns=seen.modified_ns,
        size_wh=None if opened.image is None else opened.image.size,
        verdict=verdict,
        reasons=tuple(map(as_text, reasons)),
        lot=lot if opened.lot is None else opened.lot,
        policy=policy,
        kenpin=_kenpin(),
        judged_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds"),
        latency_s=round(max(0.0, now_s - seen.since_s), 6),
        look=opened.look,
        choice=opened.choice,
    )


@cache
def _kenpin() -> str:
    """Version of this kenpin, which is looked up in a file."""
    return version("kenpin")
