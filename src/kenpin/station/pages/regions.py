"""Regions on the page of a part: a row each, and their outlines on its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.inspection.record import Answer, PartRecord
from kenpin.regions.region import DefectRegion
from kenpin.station.reviewing.marks import DefectMark


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region of a part."""

    number: int
    """From 1; its name on the picture."""
    run: str
    region: DefectRegion
    has_box: bool
    """Whether the run's answer draws it already."""
    view: int | None
    """Place of the view that it is on; None of a part by one picture."""
    view_name: str | None
    """Of the view, or of its picture."""


@dataclass(frozen=True, slots=True)
class RegionTable:
    """The regions of a part that its record holds."""

    rows: Sequence[RegionRow]
    left_out: int
    """Smaller ones, which the record does not hold."""

    @property
    def marks(self) -> list[DefectMark]:
        """Outlines of the regions of maps; those of boxes are drawn as boxes."""
        return [
            DefectMark(f"{row.number}", row.region.box_xyxy_px, ring, row.view)
            for row in self.rows
            if not row.has_box
            for ring in row.region.rings_px
        ]


def region_table(record: PartRecord) -> RegionTable:
    """The regions of all answers, view after view and run after run, the largest first."""
    pictures: list[tuple[int | None, str | None, Sequence[Answer]]]
    pictures = [(place, view.name or view.id, view.answers) for place, view in enumerate(record.views)]
    pictures = pictures or [(None, None, record.answers)]
    found = [
        (place, name, answer, region)
        for place, name, answers in pictures
        for answer in answers
        for region in answer.regions or ()
    ]
    rows = [
        RegionRow(number, answer.run, region, answer.boxes is not None, place, name)
        for number, (place, name, answer, region) in enumerate(found, start=1)
    ]
    left_out = sum(answer.regions_left_out for _, _, answers in pictures for answer in answers)
    return RegionTable(rows, left_out)
