"""The regions of a part: from each run's map or boxes, with the policy's scale, places and ignored sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kenpin.errors import OptionError
from kenpin.inspection.pictures import Opened
from kenpin.inspection.policy import Policy
from kenpin.inspection.region_rules import SizeBound
from kenpin.inspection.runs import PolicyRun, RunOutput, map_against, maps_of
from kenpin.models.contract import Explained, Localised
from kenpin.regions import DefectRegion, regions_of_detections, regions_of_map
from kenpin.regions.places import touches
from kenpin.targets import Target


@dataclass(frozen=True)
class _Looked:
    """A run in which regions are looked for."""

    run: PolicyRun
    cut: float | None
    """Number of the map, or score of a box, from which they are found; None: all boxes."""
    ignored: SizeBound | None


class RegionFinder:
    """Finds the regions by which a policy's rules judge, and those that records show."""

    def __init__(self, policy: Policy, runs: Mapping[str, PolicyRun]) -> None:
        """Raises OptionError where a rule is on the regions of a run that has none."""
        self._scale, self._places = policy.scale, policy.places or {}
        self._looked: dict[str, _Looked] = {}
        for name, run in runs.items():
            options = policy.runs[name]
            asked = name in policy.runs_with_regions or options.region_from is not None
            cut = options.region_from if options.region_from is not None else run.predictor.regions_from
            if asked:
                _check(name, run, cut)
            if _has_regions(run, cut) and (asked or not _costs_more(run)):
                self._looked[name] = _Looked(run, cut, options.ignored)

    @property
    def cuts(self) -> Mapping[str, float]:
        """By run, the number from which regions are found."""
        return {name: looked.cut for name, looked in self._looked.items() if looked.cut is not None}

    def find(
        self, opened: Opened, outputs: Mapping[str, RunOutput], *, rehearsing: bool = False
    ) -> dict[str, tuple[DefectRegion, ...]]:
        """Regions of a picture by run, the largest first. rehearsing: whether the picture is none of a part, whose size
        says nothing. Raises OptionError where a place lies outside of the picture."""
        assert opened.image is not None
        size_wh = opened.image.size
        if not rehearsing:
            for name, place in self._places.items():
                if not place.lies_in(size_wh):
                    raise OptionError(
                        f"place {name} lies outside of the picture of {size_wh[0]} × {size_wh[1]} pixels; correct it "
                        "in the policy."
                    )
        rings = {name: place.ring_px(size_wh) for name, place in self._places.items()}
        found: dict[str, tuple[DefectRegion, ...]] = {}
        for name, looked in self._looked.items():
            regions = self._regions(looked, opened, outputs[name])
            found[name] = tuple(
                replace(
                    region,
                    places=tuple(place for place, ring in rings.items() if touches(region, ring)),
                    ignored=looked.ignored is not None and not looked.ignored.holds(region),
                )
                for region in regions
            )
        return found

    def _regions(self, looked: _Looked, opened: Opened, output: RunOutput) -> tuple[DefectRegion, ...]:
        run, prediction = looked.run, output.prediction
        assert opened.image is not None
        if run.predictor.target.locates:
            boxes = prediction.detections
            if boxes is None:
                return ()
            return regions_of_detections(boxes, opened.image.size, looked.cut, self._scale)
        assert looked.cut is not None
        map_ = map_against(run, output, maps_of(run, opened, output))
        return () if map_ is None else regions_of_map(map_, looked.cut, self._scale)


def _has_regions(run: PolicyRun, cut: float | None) -> bool:
    finite = cut is not None and math.isfinite(cut)
    if run.predictor.target.locates:
        return finite or cut is None
    return finite and isinstance(run.predictor.model, Explained) and run.predictor.target is Target.LABEL


def _costs_more(run: PolicyRun) -> bool:
    """Whether its map is computed for regions alone."""
    return not run.predictor.target.locates and not isinstance(run.predictor.model, Localised)


def _check(name: str, run: PolicyRun, cut: float | None) -> None:
    """Refuse a run without regions. Raises OptionError."""
    if _has_regions(run, cut):
        return
    model, target = run.predictor.model, run.predictor.target
    if not target.locates and (not isinstance(model, Explained) or target is not Target.LABEL):
        raise OptionError(
            f"run {name} finds no regions, for it gives neither a map nor boxes; take one of mahalanobis with --where, "
            "or a detector."
        )
    if cut is None:
        raise OptionError(
            f"run {name} has no number of its map from which a part fails; give it `region_from` in the policy."
        )
    raise OptionError(
        f"run {name}: no region reaches {cut:g}, from which its parts fail; give it `region_from` in the policy."
    )
