"""A loaded run of the policy: its model, its threshold, and its output for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kenpin.data.images import as_rgb
from kenpin.errors import OptionError
from kenpin.inspection.pictures import Opened
from kenpin.inspection.policy import RunOptions
from kenpin.models.contract import Explained, Localised
from kenpin.models.explaining import maps_of as maps_together
from kenpin.models.outputs import Outputs
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, ImageSource, Judgement, Map, Prediction, Threshold, Verdict
from kenpin.regions.region import DefectRegion
from kenpin.run.record import RunRecord, record_hash
from kenpin.runtime.engines import EngineName
from kenpin.targets import Target


@dataclass(frozen=True)
class PolicyRun:
    """A run of the policy; without a threshold it decides nothing."""

    name: str
    predictor: Predictor
    record: RunRecord
    threshold: Threshold | None
    version: str
    """Hash of its record."""
    folder: Path
    """Where it lies: a run, or a package of one."""


@dataclass(frozen=True)
class RunOutput:
    """A run's prediction for one picture, with its row of the raw outputs."""

    prediction: Prediction
    raw: Outputs


@dataclass(frozen=True)
class JudgedPart:
    """A picture with the output of each run, and the fused verdict."""

    opened: Opened
    outputs: Mapping[str, RunOutput]
    judgements: Mapping[str, Judgement]
    """Judgements of the runs that decide."""
    verdict: Verdict
    reasons: tuple[str, ...]
    rule: str | None = None
    """The rule of the policy that decided."""
    regions: Mapping[str, tuple[DefectRegion, ...]] = field(default_factory=dict)
    """Regions by run, the largest first, of those in which regions were looked for."""


def load_run(name: str, options: RunOptions, device: str | None, engine: EngineName) -> PolicyRun:
    """Load the run with this name in the policy. Raises RunError, OptionError."""
    predictor = load_predictor(options.run, device=device, engine=engine)
    if predictor.reads_tables:
        raise OptionError(f"{options.run}: run {name} judges rows of a table, not pictures; take another.")
    assert predictor.record is not None
    threshold = predictor.threshold
    if options.fail_from is not None:
        threshold = Threshold(options.fail_from, options.review_from, "Set in the policy.")
        predictor.threshold = threshold
    return PolicyRun(name, predictor, predictor.record, threshold, record_hash(predictor.record), options.run)


def example_of(opened: Opened) -> Example:
    """An opened picture as an example for the runs."""
    return Example(opened.seen.id, ImageSource(opened.seen.path), size_wh=opened.image.size if opened.image else None)


def maps_of(run: PolicyRun, opened: Opened, output: RunOutput) -> tuple[Map, ...]:
    """The run's maps of a picture: from its raw outputs where its score is from a map, else computed now."""
    inspector, image = run.predictor.model, opened.image
    assert image is not None
    if isinstance(inspector, Localised):
        return (inspector.map_of(output.raw["map"][0], image.size),)
    assert isinstance(inspector, Explained)
    (maps,) = maps_together(inspector, [as_rgb(image)], [example_of(opened)])
    return maps


def map_against(run: PolicyRun, output: RunOutput, maps: Sequence[Map]) -> Map | None:
    """The map against the part; None where the map explains a good class, or single boxes."""
    good = output.prediction.label in run.record.ok_labels
    return maps[0] if maps and not good and run.predictor.target is Target.LABEL else None
