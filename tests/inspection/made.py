"""Part records that are made up."""

from __future__ import annotations

import math

from kenpin.data.picture_look import PictureLook
from kenpin.description.answers import Description
from kenpin.inspection.record import Answer, PartRecord, RecordedCase
from kenpin.records import Detections, Verdict
from kenpin.regions import DefectRegion

REGION = DefectRegion(
    ((1.0, 2.0, 30.5, 2.0, 30.5, 40.0, 1.0, 40.0),), ((2.0, 3.0, 2.0, 4.0, 3.0, 4.0),), (1.0, 2.0, 30.5, 40.0),
    (15.75, 21.0), 1121.0, 38.0, 29.5, 0.9, "傷", None, 2.8025, 1.9, 1.475, (0.7875, 1.05), None, ("縁",), True,
)  # fmt: skip


def record(number: int, *, id: str | None = None, content: str | None = None) -> PartRecord:
    """A record with something in every field, some of it odd."""
    boxes = Detections(((1.0, 2.0, 30.5, 40.0), (0.0, 0.0, 5.0, 5.0)), ("傷", 'a "quoted"\tlabel'), (0.9, 0.25))
    answers = (
        Answer("class", "v1", "d1", 0.5, 0.25, Verdict.FAIL, 0.7, ("It fails.",), "傷", {"ok": 0.3, "傷": 0.7}),
        Answer("far", "v2", "d1", math.inf, None, Verdict.PASS, 1.5, (), distance=1.5, contributions={"max3": 0.5}),
        Answer("boxes", "v3", "d2", None, None, None, None, (), boxes=boxes, text="two\nthings", map="maps/a.png",
               region_from=0.5, regions=(REGION,), regions_left_out=2),
        Answer("empty", "v4", "d2", None, None, None, None, (), boxes=Detections()),
    )  # fmt: skip
    return PartRecord(
        id=f"{number:05}.png" if id is None else id,
        picture=f"/line/{number:05}.png",
        picture_hash=f"{number:032x}" if content is None else content,
        picture_bytes=100 + number,
        modified_ns=1_800_000_000_000_000_000 + number,
        size_wh=(64, 48),
        verdict=Verdict.FAIL,
        reasons=("class: It fails.", "boxes: line\u2028separator"),
        lot="L-7 / 夜",
        policy="p",
        kenpin="0",
        judged_at="2026-01-01T00:00:00.000+00:00",
        latency_s=0.0125,
        label="傷",
        distance=1.5,
        description=Description("傷", "centre", "major", "a bright line", "", "polish", "low"),
        contradictions=("It says so.",),
        answers=answers,
        cases=(RecordedCase("c", "/known/c.png", "POSITIVE", None, "wiped", 0.01),),
        look=PictureLook(128.25, 31.5, 7.125),
        rule="FAIL if region of boxes > 0.8 mm² in 縁",
    )


def unreadable(number: int) -> PartRecord:
    """A record of a file that is not a picture."""
    return PartRecord(
        f"bad{number}.png", f"/line/bad{number}.png", "", 0, 0, None, Verdict.REVIEW, ("It has 0 bytes.",), None, "p",
        "0", "2026-01-01T00:00:00.000+00:00", 3.0, aside=f"aside/bad{number}.png",
    )  # fmt: skip
