"""Regions: the connected parts of a map, a mask or an answer in boxes, each with its outline and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.regions.finding import regions_of_detections, regions_of_map, regions_of_mask
    from kenpin.regions.region import DefectRegion, told_region

__all__ = ["DefectRegion", "regions_of_detections", "regions_of_map", "regions_of_mask", "told_region"]

# whoever reads records alone computes nothing
__getattr__ = on_first_use(
    __name__,
    {
        "DefectRegion": "region",
        "regions_of_detections": "finding",
        "regions_of_map": "finding",
        "regions_of_mask": "finding",
        "told_region": "region",
    },
)
