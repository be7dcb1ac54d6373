"""Regions on the page of a part: a row each, and their outlines on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.inspection.record import PartRecord
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
            DefectMark(f"{row.number}", row.region.box_xyxy_px, ring)
            for row in self.rows
            if not row.has_box
            for ring in row.region.rings_px
        ]


def region_table(record: PartRecord) -> RegionTable:
    """The regions of all answers on the picture, run after run, the largest first."""
    found = [(answer, region) for answer in record.answers_on_picture for region in answer.regions or ()]
    rows = [
        RegionRow(number, answer.run, region, answer.boxes is not None)
        for number, (answer, region) in enumerate(found, start=1)
    ]
    return RegionTable(rows, sum(answer.regions_left_out for answer in record.answers_on_picture))
