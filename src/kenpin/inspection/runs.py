"""A run of the policy in hand: its model, what it decides by, and what it says of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenpin.errors import OptionError
from kenpin.inspection.pictures import Opened
from kenpin.inspection.policy import RunOptions
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, ImageSource, Judgement, Prediction, Threshold, Verdict
from kenpin.run.record import RunRecord, record_hash

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Run:
    """A run of the policy; without a threshold it decides nothing."""

    name: str
    predictor: Predictor
    record: RunRecord
    threshold: Threshold | None
    version: str
    """Hash of its record."""


@dataclass(frozen=True)
class Said:
    """What a run says of one picture, with its row of the raw outputs."""

    prediction: Prediction
    raw: Mapping[str, Tensor]


@dataclass(frozen=True)
class Judged:
    """A picture with what each run says, and the verdict that follows."""

    opened: Opened
    said: Mapping[str, Said]
    judgements: Mapping[str, Judgement]
    """Of the runs that decide."""
    verdict: Verdict
    reasons: tuple[str, ...]


def load_run(name: str, options: RunOptions, device: str | None) -> Run:
    """The run below this name of the policy. Raises RunError, OptionError."""
    predictor = load_predictor(options.run, device=device)
    if predictor.reads_tables:
        raise OptionError(f"{options.run}: run {name} judges rows of a table, not pictures; take another.")
    predictor.inspector.module.eval()
    assert predictor.record is not None
    threshold = predictor.threshold
    if options.fail_from is not None:
        threshold = Threshold(options.fail_from, options.review_from, "Set in the policy.")
        predictor.threshold = threshold
    return Run(name, predictor, predictor.record, threshold, record_hash(predictor.record))


def example_of(one: Opened) -> Example:
    """A picture as the runs are told of it."""
    return Example(one.seen.id, ImageSource(one.seen.path), size_wh=one.image.size if one.image else None)
