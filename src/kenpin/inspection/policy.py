"""The policy: the runs that judge a part, the rules that fuse their verdicts, and further records; from a YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from kenpin.data.part_names import NameForm, is_form
from kenpin.description.answers import TEXT_LENGTH
from kenpin.description.telling import Piece
from kenpin.hub.fetching import folder_below
from kenpin.inspection.fusing import WORDS, Rule, parse_rule
from kenpin.inspection.region_options import NamedPlaceOptions, RegionOptions, check_region_rule
from kenpin.nearest import did_you_mean
from kenpin.records import Verdict
from kenpin.regions.region import PxPerMm, scale_of
from kenpin.strict_options import StrictOptions
from kenpin.yaml_file import read_yaml

DOUBTFUL = (Verdict.FAIL, Verdict.REVIEW)
_NAME = re.compile(r"[^\W\d][\w-]*")


def _read_as(kind: type[StrictOptions]) -> BeforeValidator:
    """Read a mapping as these options, so that the error of an unknown key names the nearest one."""
    return BeforeValidator(lambda value: kind.from_mapping(value, "in it") if isinstance(value, Mapping) else value)


class RunOptions(RegionOptions):
    """A run that judges each part."""

    run: Path = Field(
        description="Folder of the finished run, from the policy's own folder, or owner/name@commit of the hub."
    )
    fail_from: float | None = Field(
        None, description="Score from which parts fail, in place of the run's own threshold."
    )
    review_from: float | None = Field(
        None,
        description="Score from which a person must look, below `fail_from`; without it no part is sent to REVIEW.",
    )
    decides: Literal["threshold", "rules"] = Field(
        "threshold",
        description="What decides: the threshold on its score, beside all rules; or `rules` on its regions alone.",
    )

    @model_validator(mode="after")
    def _cuts_are_ordered(self) -> Self:
        if self.review_from is not None and (self.fail_from is None or self.review_from > self.fail_from):
            raise ValueError("`review_from` goes with a `fail_from` that is not below it; give both.")
        return self


class MapOptions(StrictOptions):
    """Maps for some parts."""

    of: tuple[str, ...] = Field(min_length=1, description="Names of the runs whose maps are drawn.")
    when: tuple[Verdict, ...] = Field(DOUBTFUL, description="Verdicts of the parts that they are drawn of.")
    layers: bool = Field(
        False, description="Also write each run's first map by itself, as a transparent picture to lay over the part's."
    )


class CaseSearchOptions(StrictOptions):
    """Similar known cases for some parts."""

    library: str = Field(description="Library of known cases: a folder, from the policy's own, or a URI.")
    run: str = Field(description="Name of the run whose embeddings the library holds.")
    nearest: int = Field(3, ge=1, description="Cases to name.")
    when: tuple[Verdict, ...] = Field(DOUBTFUL, description="Verdicts of the parts that they are looked up for.")


class DescribeOptions(StrictOptions):
    """Descriptions in words of some parts, checked against the runs' evidence."""

    run: Path = Field(description="Folder of a run of family vlm, from the policy's own folder.")
    when: tuple[Verdict, ...] = Field(DOUBTFUL, description="Verdicts of the parts that are described.")
    language: str | None = Field(None, description="Language of the free texts, such as Japanese.")
    text_length: int = Field(TEXT_LENGTH, ge=1, le=1000, description="Characters that each free text may have.")
    leave_out: tuple[Piece, ...] = Field(
        (), description=f"Pieces of the evidence that the model does not get: {', '.join(Piece)}."
    )


class Policy(StrictOptions):
    """The policy of an inspection."""

    runs: dict[str, RunOptions] = Field(
        description="The runs by name: each a folder, or a mapping with `run`, `fail_from` and `review_from`."
    )
    px_per_mm: tuple[float, ...] | None = Field(
        None, description="Pixels a millimetre of the pictures as they are taken, or two such numbers, for across and "
        "down; sizes of regions are then in mm too. By default what its runs keep."
    )  # fmt: skip
    roi: str | None = Field(
        None, description="Regions of interest by picture, for runs that were trained on such: a folder of masks named "
        "as the pictures, from the policy's own folder, or a table with a column of them."
    )  # fmt: skip
    places: dict[str, NamedPlaceOptions] | None = Field(
        None, description="Places of the picture by name, for rules: each `box_px`, `box_share`, `polygon_px` or "
        "`polygon_share`."
    )  # fmt: skip
    rules: tuple[str, ...] = Field(
        (), description="Rules such as `FAIL if distance FAIL and classifier not PASS` or `FAIL if region of distance "
        "> 0.8 mm²`; the first that holds decides, and where none does the worst verdict."
    )  # fmt: skip
    maps: Annotated[MapOptions | None, _read_as(MapOptions)] = Field(None, description="Maps to draw.")
    cases: Annotated[CaseSearchOptions | None, _read_as(CaseSearchOptions)] = Field(
        None, description="Known cases to name."
    )
    describe: Annotated[DescribeOptions | None, _read_as(DescribeOptions)] = Field(
        None, description="Descriptions to ask for."
    )
    lot: str | None = Field(None, description="Name of the lot, kept in each record.")
    by: str | None = Field(
        None, description="Form of file names, such as {part}_{view}, that tells which pictures are of one part, for "
        "runs that judge by part; by default that of their training."
    )  # fmt: skip
    part_after_s: float = Field(
        10.0, ge=0, description="Seconds after its last picture from which a watched part is judged as it is."
    )
    batch_size: int | None = Field(
        None, ge=1, description="Pictures at a time at most; by default what suits the runs."
    )
    settle_s: float = Field(
        0.5, ge=0, description="Seconds without a change after which a watched file that does not show its end may be "
        "whole."
    )  # fmt: skip
    aside_after_s: float = Field(
        30.0,
        ge=0,
        description="Seconds without a change after which a watched file that is not a picture is set aside.",
    )

    @field_validator("runs", mode="before")
    @classmethod
    def _read_runs(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not value:
            raise ValueError("names no run; write one `name: folder` a line below it.")
        for name in value:
            if not _NAME.fullmatch(str(name)) or name in WORDS:
                raise ValueError(f"{name!r} cannot name a run in a rule; take a word such as `distance`.")
        return {
            str(name): RunOptions.from_mapping({"run": options} if isinstance(options, str) else options, f"run {name}")
            if isinstance(options, str | Mapping)
            else options
            for name, options in value.items()
        }

    @field_validator("by")
    @classmethod
    def _is_a_form(cls, by: str | None) -> str | None:
        if by is not None:
            if not is_form(by):
                raise ValueError(f"{by!r} is no form of file names; write one such as {{part}}_{{view}}.")
            NameForm(by)
        return by

    @field_validator("px_per_mm")
    @classmethod
    def _is_a_scale(cls, numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
        scale_of(numbers)
        return numbers

    @field_validator("places", mode="before")
    @classmethod
    def _read_places(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if not _NAME.fullmatch(str(name)):
                raise ValueError(f"{name!r} cannot name a place in a rule; take a word such as `seal`.")
        return {
            str(name): NamedPlaceOptions.from_mapping(form, f"place {name}") if isinstance(form, Mapping) else form
            for name, form in value.items()
        }

    @field_validator("rules")
    @classmethod
    def _rules_are_readable(cls, rules: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        parsed = tuple(map(parse_rule, rules))
        if {"runs", "places"} <= info.data.keys():  # else one of these is refused, and named first
            for rule in parsed:
                check_region_rule(rule, info.data["runs"], info.data["places"])
        return tuple(rule.text for rule in parsed)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        """Check that all names elsewhere are names of runs."""
        named = {run: f"rule {rule.text!r}" for rule in self.parsed_rules for run in sorted(rule.runs)}
        named |= dict.fromkeys(self.maps.of if self.maps else (), "`maps`")
        named |= {self.cases.run: "`cases`"} if self.cases else {}
        for name, where in named.items():
            if name not in self.runs:
                raise ValueError(
                    f"{where} names a run `{name}` that is not below `runs`; {did_you_mean(name, self.runs)}"
                )
        for name, options in self.runs.items():
            if options.decides == "rules" and name not in self.runs_with_regions:
                raise ValueError(
                    f"run {name} decides by `rules`, and no rule is on its regions; write one such as `FAIL if region "
                    f"of {name} > 40 px²`."
                )
        return self

    @property
    def parsed_rules(self) -> tuple[Rule, ...]:
        """The rules in their order."""
        return tuple(map(parse_rule, self.rules))

    @property
    def runs_with_regions(self) -> frozenset[str]:
        """Names of the runs whose regions are in a rule."""
        return frozenset(term.run for rule in self.parsed_rules for term in rule.region_terms)

    @property
    def scale(self) -> PxPerMm | None:
        """Pixels a millimetre across and down, where they are known."""
        return scale_of(self.px_per_mm)


def read_policy(path: Path) -> Policy:
    """The policy in a YAML file; folders in it are relative to its own. Raises OptionError."""
    policy = Policy.from_mapping(read_yaml(path), str(path))
    folder = path.absolute().parent
    runs = {
        name: options.model_copy(update={"run": folder_below(folder, options.run)})
        for name, options in policy.runs.items()
    }
    cases = policy.cases
    if cases is not None and "://" not in cases.library:
        cases = cases.model_copy(update={"library": str(folder / cases.library)})
    describe = policy.describe
    if describe is not None:
        describe = describe.model_copy(update={"run": folder_below(folder, describe.run)})
    roi = None if policy.roi is None else str(folder / policy.roi)
    return policy.model_copy(update={"runs": runs, "cases": cases, "describe": describe, "roi": roi})
