"""Acceptance criteria: what must hold of an inspector, fixed with their hash and time before it is tested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from kenpin.errors import OptionError, RunError
from kenpin.evaluation.measures import MEASURES
from kenpin.files import read_json, write_json
from kenpin.nearest import did_you_mean
from kenpin.run.layout import evaluation_files
from kenpin.run.seal import file_hash
from kenpin.strict_options import StrictOptions
from kenpin.yaml_file import read_yaml_with_bytes

_FORM = "kenpin criteria 1"
Share = Annotated[float, Field(ge=0, le=1)]


class MeasureLimit(StrictOptions):
    """A limit of a measure."""

    at_most: float | None = Field(None, description="Largest number that is accepted.")
    at_least: float | None = Field(None, description="Smallest number that is accepted.")
    by: Literal["value", "low", "high"] = Field(
        "value", description="What is compared: the measure's value, or an end of its two-sided 95 % interval."
    )

    @model_validator(mode="after")
    def _is_one_limit(self) -> Self:
        if (self.at_most is None) is (self.at_least is None):
            raise ValueError("a limit is either `at_most` or `at_least`; give one of them.")
        return self

    def allows(self, number: float) -> bool:
        """Whether a number is accepted."""
        return number <= self.at_most if self.at_most is not None else number >= (self.at_least or 0.0)


class GageLimits(StrictOptions):
    """Limits of a gage study by `kenpin gage`."""

    appraiser: str | None = Field(None, description="Appraiser whom they are for, such as kenpin; by default everyone.")
    kappa: float | None = Field(None, ge=-1, le=1, description="Kappa with the truth, at least.")
    repeats: Share | None = Field(None, description="Share of parts on which every trial says the same, at least.")
    effectiveness: Share | None = Field(None, description="Share of parts that are right in every trial, at least.")
    missed: Share | None = Field(None, description="Share of NG decisions that miss, at most.")
    false_alarms: Share | None = Field(None, description="Share of false alarms on OK parts, at most.")
    gage_share: Share | None = Field(
        None, description="Share of the gage in the total standard deviation (%GRR), at most."
    )


class DriftPlan(StrictOptions):
    """How the inspector is watched once it runs."""

    measure: str = Field(description="What is charted, such as distance or defect_score.")
    reference: str = Field(description="Parts that it is compared with, in words or as a file.")
    every: str = Field(description="When it is looked at: each lot of 50, each shift.")
    on_alarm: str = Field(description="What is done at an alarm, and by whom.")
    arl: float = Field(1000.0, gt=1, description="Points of a chart between two false alarms, on average.")
    shift: float = Field(1.0, gt=0, description="Shift of the mean, in standard deviations, to be found soonest.")


class Criteria(StrictOptions):
    """Acceptance criteria of an inspector."""

    intended_use: str | None = Field(None, description="What it is to decide, on which parts, and what it is not for.")
    measures: dict[str, MeasureLimit] = Field(default_factory=dict, description="Limits of measures by their names.")
    defective_parts: int | None = Field(None, ge=1, description="Defective parts that are tested, at least.")
    good_parts: int | None = Field(None, ge=1, description="Good parts that are tested, at least.")
    gage: GageLimits | None = Field(None, description="Limits of the gage study.")
    drift: DriftPlan | None = Field(None, description="How it is watched once it runs.")

    @field_validator("measures", mode="before")
    @classmethod
    def _are_measures(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if name not in MEASURES:
                raise ValueError(f"there is no measure `{name}`; {did_you_mean(str(name), MEASURES)}")
        return {
            name: MeasureLimit.from_mapping(limit, f"measure {name}") if isinstance(limit, Mapping) else limit
            for name, limit in value.items()
        }

    @field_validator("gage", "drift", mode="before")
    @classmethod
    def _read_below(cls, value: Any, info: Any) -> Any:
        kind: type[StrictOptions] = GageLimits if info.field_name == "gage" else DriftPlan
        return kind.from_mapping(value, f"`{info.field_name}`") if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _limit_something(self) -> Self:
        if not self.measures and self.defective_parts is None and self.good_parts is None and self.gage is None:
            raise ValueError("limits nothing; give `measures`, `defective_parts`, `good_parts` or `gage`.")
        return self


@dataclass(frozen=True, slots=True)
class FixedCriteria:
    """Criteria with the hash of their file, and the time at which they were fixed."""

    name: str
    """Of the file."""
    sha256: str
    """Of its bytes, 64 hexadecimal digits."""
    fixed_at: str
    """UTC, ISO 8601: before the first part was judged."""
    criteria: Criteria
    evaluated_at: str | None = None
    """UTC: when the evaluation was written; None for that of a training, which the run's record dates."""
    evaluation: str | None = None
    """Hash of the evaluation's file, as in a run's seal."""


def fix_criteria(path: Path) -> FixedCriteria:
    """The criteria in a YAML file, with their hash, fixed now. Raises OptionError."""
    values, data = read_yaml_with_bytes(path)
    criteria = Criteria.from_mapping(values, str(path))
    return FixedCriteria(path.name, hashlib.sha256(data).hexdigest(), _now(), criteria)


def fix_in_run(folder: Path, path: Path, *, resume: bool) -> None:
    """Fix criteria in the folder of a training that begins; one that is resumed keeps the time of the first fixing.
    Raises OptionError where it was begun with others."""
    fixed = fix_criteria(path)
    file = evaluation_files(folder).criteria
    if resume and file.is_file():
        if read_fixed(file).sha256 != fixed.sha256:
            raise OptionError(
                f"{path}: was changed since the interrupted run fixed it; restore it, or start again without --resume."
            )
        return
    write_fixed(file, fixed)


def write_fixed(file: Path, fixed: FixedCriteria, evaluation: Path | None = None) -> None:
    """Write fixed criteria; evaluation: the file of the evaluation that followed. Raises OutputError."""
    values: dict[str, Any] = {
        "form": _FORM,
        "name": fixed.name,
        "sha256": fixed.sha256,
        "fixed_at": fixed.fixed_at,
        "criteria": fixed.criteria.model_dump(mode="json", exclude_none=True),
    }
    if evaluation is not None:
        values |= {"evaluated_at": _now(), "evaluation": file_hash(evaluation)}
    write_json(file, values)


def read_fixed(file: Path) -> FixedCriteria:
    """What `write_fixed` wrote. Raises RunError."""
    values = read_json(file)
    if values.pop("form", None) != _FORM:
        raise RunError(f"{file}: holds no fixed criteria; restore it from a copy or remove it.")
    try:
        criteria = Criteria.from_mapping(values.pop("criteria"), str(file))
        return FixedCriteria(criteria=criteria, **values)
    except (TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{file}: is damaged; restore it from a copy or remove it.") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
