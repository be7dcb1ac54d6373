"""Options as pydantic models: the one source of every setting for command line, YAML file and Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean, nearest_name
from kenpin.yaml_file import YamlMapping, read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

OptionGroup = Literal["data", "model", "training", "augmentation", "answers", "decision", "output", "run", "advanced"]
"""What an option bears on; `--help` shows a panel for each."""


@dataclass(frozen=True, slots=True)
class InGroup:
    """In the `Annotated` of a field: the group it is in, where that is not the group of its class."""

    name: OptionGroup


class StrictOptions(BaseModel):
    """Frozen options that refuse unknown keys and name the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)
    group: ClassVar[OptionGroup] = "advanced"
    """The group of the fields that a class declares and that name no other."""

    @classmethod
    def group_of(cls, name: str) -> OptionGroup:
        """The group of a field: its own, or else that of the class which declared it first."""
        declaring = [kind for kind in cls.__mro__ if issubclass(kind, StrictOptions) and name in kind.model_fields]
        for kind in declaring:  # a class that gives an inherited field another default leaves it in its group
            for mark in kind.model_fields[name].metadata:
                if isinstance(mark, InGroup):
                    return mark.name
        return declaring[-1].group

    @field_validator("*", mode="before")
    @classmethod
    def _take_words(cls, value: Any, info: ValidationInfo) -> Any:
        """One word or number for a list of one; a path as its text; no truth value where a number is wanted."""
        kind = cls.model_fields[info.field_name or ""].annotation
        kinds = {get_origin(one) or one for one in (kind, *get_args(kind))}
        if isinstance(value, os.PathLike) and Path not in kinds:
            value = os.fspath(value)
        if tuple in kinds and isinstance(value, str | int | float):
            return (value,)
        if isinstance(value, bool) and bool not in kinds:
            raise ValueError(f"{str(value).lower()} is neither a number nor a word; give one of these.")
        return value

    @classmethod
    def from_mapping(
        cls, values: Mapping[str, Any], source: str = "options", origins: Mapping[str, str] | None = None
    ) -> Self:
        """Validate `values`. Raises OptionError: one sentence with source, key and remedy.

        origins: the source of single keys; by default the lines of a YAML file.
        """
        if origins is None and isinstance(values, YamlMapping):
            origins = {name: f"{source} line {line}" for name, line in values.lines.items()}
        names = {name.replace("-", "_"): value for name, value in values.items()}
        try:
            return cls.model_validate(names)
        except ValidationError as error:
            raise OptionError(cls.sentence(error, source, origins or {})) from error

    @classmethod
    def over_file(cls, given: Mapping[str, Any], config: str | Path | None, source: str = "options") -> Self:
        """The options that are given, over those of a YAML file, if there is one. In place of a value, the word
        `default` takes the option's own default, whatever the file says. Raises OptionError."""
        values = YamlMapping() if config is None else read_yaml(Path(config))
        names = {name.replace("-", "_"): value for name, value in given.items()}
        file = {key: value for key, value in values.items() if key.replace("-", "_") not in names}
        own = {name: value for name, value in names.items() if not _is_own_default(value)}
        origins = dict.fromkeys(own, source) | {key: f"{config} line {values.lines[key]}" for key in file}
        return cls.from_mapping(file | own, source if config is None else str(config), origins)

    @classmethod
    def as_typed(cls, text: str) -> str:
        """The text with options as they are typed on a command line: `batch_size` becomes `--batch-size`."""
        return re.sub(
            r"`(\w+)`",
            lambda name: f"`--{name[1].replace('_', '-')}`" if name[1] in cls.model_fields else name[0],
            text,
        )

    @classmethod
    def sentence(cls, error: ValidationError, source: str, origins: Mapping[str, str] | None = None) -> str:
        """The first problem of a failed validation as one sentence; options are named as on the line where they stood
        there. origins: the source of single keys."""
        # an unknown key before a missing one: it may be the missing one, misspelt
        problems = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        first = problems[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            said = f"unknown option `{key}`; {did_you_mean(key, sorted(cls.model_fields))}"
        elif first["type"] == "missing":
            said = f"option `{key}` is missing; give it a value."
        elif first["type"] == "value_error":
            said = first["msg"].removeprefix("Value error, ")
            said = f"option `{key}`: {said}" if key else said
        else:
            # a field of several kinds has a problem with each
            wanted = dict.fromkeys(_wanted(one) for one in problems if one["loc"][:1] == first["loc"][:1])
            remedy = f"give {' or '.join(wanted)}."
            choices = [*_choices(cls.model_fields[key].annotation)] if key in cls.model_fields else []
            if near := nearest_name(str(first["input"]), choices):
                remedy = f"did you mean {near!r}?"  # a value may be called as an option is
            said = f"option `{key}` is {first['input']!r}; {remedy}"
        source = {name.replace("-", "_"): origin for name, origin in (origins or {}).items()}.get(key, source)
        if source == COMMAND_LINE:
            said = cls.as_typed(said)
        return f"{source}: {said}"


def _is_own_default(value: Any) -> bool:
    """Whether it is the word `default`, alone or in a list of one, as a command line gives it."""
    return isinstance(value, str | tuple) and value in (OWN_DEFAULT, (OWN_DEFAULT,))


OWN_DEFAULT = "default"
"""In place of a value: that of the option itself, whatever the YAML file says."""
COMMAND_LINE = "command line"
"""The source of options that were typed."""
_WANTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a word",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number from {ge} up",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number up to {le}",
}


def _choices(kind: Any) -> Iterator[str]:
    """The words that a value of this type may be."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield from (str(one.value) for one in kind)
    for inner in get_args(kind):
        if get_origin(kind) is Literal:
            yield str(inner)
        else:
            yield from _choices(inner)


def _wanted(problem: ErrorDetails) -> str:
    """What one problem of a validation asks for."""
    if problem["type"] not in _WANTED:
        return problem["msg"].rstrip(".")
    bounds = {name: str(bound).removesuffix(".0") for name, bound in problem.get("ctx", {}).items()}
    return _WANTED[problem["type"]].format(**bounds)


def _positive_or_none(value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise ValueError(f"must be above 0, not {value}.")
    return value


LARGEST_SEED = 2**32 - 1
"""That every library takes."""
Cost = Annotated[float, AfterValidator(_positive_or_none)]


class DecisionOptions(StrictOptions):
    """How scores become PASS, FAIL or REVIEW."""

    group: ClassVar[OptionGroup] = "decision"

    ok_labels: tuple[str, ...] | None = Field(
        None, description="Classes that mean a good part; by default those named ok, good, pass, 良品 and the like."
    )
    cost_escape: Cost = Field(10.0, description="Cost of passing one defective part, in any currency.")
    cost_overkill: Cost = Field(1.0, description="Cost of failing one good part, in the same currency.")
    cost_review: Cost | None = Field(
        None, description="Cost of having one part looked at by a person; without it nothing is sent to REVIEW."
    )
    defect_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of defective parts on the line; by default that of validation.",
    )

    def threshold_of_few(self, good: int) -> str | None:
        """Options, as typed, that choose a threshold by so few good parts alone; None where there are none."""
        return None


class PlanOptions(StrictOptions):
    """How many NG and OK parts it takes to claim that at most so many escape or are overkilled."""

    group: ClassVar[OptionGroup] = "decision"

    escape_rate: float | None = Field(None, gt=0, lt=1, description="Largest share of NG parts that pass.")
    overkill_rate: float | None = Field(None, gt=0, lt=1, description="Largest share of OK parts that fail.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the claim.")
    allowed: int = Field(0, ge=0, description="Most wrong decisions in the test with which it still passes.")


TOY = "toy is a tiny random network, to try the command in seconds"
"""What every option `base` tells of it."""


class TrainOptions(DecisionOptions):
    """What every `kenpin train` takes, whatever the family."""

    group: ClassVar[OptionGroup] = "run"

    data: Annotated[str, InGroup("data")] = Field(description="Data set: folder, file or hub id.")
    out: Annotated[Path, InGroup("output")] = Field(description="Run folder to write; must not exist.")
    data_format: Annotated[str | None, InGroup("data")] = Field(
        None, description="Format of the data set, where it cannot be told from its files."
    )
    validation_share: Annotated[float, InGroup("data")] = Field(
        0.2, gt=0, lt=1, description="Share of the training pictures kept for validation where the data set names none."
    )
    leave_out: Annotated[tuple[str, ...], InGroup("data")] = Field(
        (),
        description="Splits that this run must not look at, so that runs built on it can be tested on them.",
    )
    decide_by: Annotated[Literal["unseen", "chosen"], InGroup("decision")] = Field(
        "unseen",
        description="Pictures that decide: those that the runs below have not seen; or those too that these runs were "
        "chosen by, so that figures look too good.",
    )
    folds: Annotated[Literal["last", "whole"], InGroup("decision")] = Field(
        "last",
        description="What is trained again for each fold of held-out parts: the last inspector alone; or the whole "
        "chain, the runs that it is built on too.",
    )
    calibrate: Annotated[Literal["none", "isotonic", "platt"], InGroup("decision")] = Field(
        "none",
        description="Calibrate scores, so that each is the share of such parts that are defective, or of such boxes "
        "that are right: by a rising curve (isotonic), or by a logistic one, for few pictures (platt).",
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of every random choice.")
    device: str | None = Field(None, description="Device such as cpu or cuda:0; by default the best available.")
    resume: bool = Field(False, description="Continue a run that was interrupted.")
    overwrite: Annotated[bool, InGroup("output")] = Field(False, description="Replace the run folder if it exists.")
    report: Annotated[bool, InGroup("output")] = Field(True, description="Write report.html into the run folder.")

    def idle(self) -> frozenset[str]:
        """Names of the options that do nothing beside the others."""
        return frozenset()


_TUNINGS = ("full", "frozen-vision", "attention", "lora", "projector", "qlora", "head")
"""From what holds most memory to what holds least."""


class GradientOptions(StrictOptions):
    """What every family that is trained by gradients takes."""

    group: ClassVar[OptionGroup] = "training"

    epochs: float = Field(10.0, gt=0, description="Passes over the training pictures.")
    batch_size: int = Field(16, ge=1, description="Pictures per step and device.")
    accumulate: Annotated[int, InGroup("advanced")] = Field(
        1, ge=1, description="Batches whose gradients are summed before the weights change."
    )
    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or plain gradient descent.")
    learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate.")
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        "linear", description="Course of the learning rate; step divides it by ten every `step_epochs` epochs."
    )
    step_epochs: float | None = Field(None, gt=0, description="Epochs between the steps of schedule step.")
    warmup_share: Annotated[float, InGroup("advanced")] = Field(
        0.1, ge=0, lt=1, description="Share of the steps over which the rate rises."
    )
    weight_decay: Annotated[float, InGroup("advanced")] = Field(
        0.01, ge=0, description="Weight decay, decoupled in AdamW."
    )
    clip_norm: Annotated[float | None, InGroup("advanced")] = Field(
        1.0, gt=0, description="Largest norm of the gradient of a step; none: no clipping."
    )
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], InGroup("advanced")] = Field(
        "auto", description="Number format of the arithmetic; auto takes what the device computes natively."
    )
    evaluate_every: Annotated[int | None, InGroup("advanced")] = Field(
        None, ge=1, description="Steps between evaluations; by default once an epoch."
    )
    save_every: Annotated[int | None, InGroup("advanced")] = Field(
        None,
        ge=1,
        description="Steps between checkpoints, a multiple of `evaluate_every`; by default the same. A new best "
        "checkpoint is always saved.",
    )
    save_total_limit: Annotated[int | None, InGroup("advanced")] = Field(
        2, ge=1, description="Checkpoints kept, the best one always among them; none: all of them."
    )
    keep: Literal["best", "last"] = Field(
        "best", description="Which weights the run keeps: those with the lowest validation loss, or the last ones."
    )
    patience: int | None = Field(
        5, ge=1, description="Evaluations without improvement after which training stops; none: never."
    )
    tracker: Annotated[Literal["none", "tensorboard", "wandb", "mlflow"], InGroup("output")] = Field(
        "none", description="Where the training curves are sent besides metrics.jsonl."
    )
    workers: Annotated[int, InGroup("run")] = Field(
        0, ge=0, description="Processes that read pictures while the network trains."
    )

    def milder(self, half: str, answer_tokens: int) -> Iterator[dict[str, Any]]:
        """Changes of these options, each by itself, under which a training holds less; what changes least of what is
        learned comes first.

        half: the 16-bit precision that the device computes in, `bf16` or `fp16`, or else `fp32`; answer_tokens: of the
        longest answer with what stands before it, 0 where no words are learned.
        """
        if self.precision == "fp32" and half != "fp32":
            yield {"precision": "auto"}
        yield from self.weaker_tunings()

    def weaker_tunings(self) -> Iterator[dict[str, Any]]:
        """Changes of the tuning, where there are several, to those that train less of the network."""
        tuning = getattr(self, "tuning", None)
        if tuning is not None:
            known = get_args(type(self).model_fields["tuning"].annotation)
            yield from ({"tuning": name} for name in _TUNINGS[_TUNINGS.index(tuning) + 1 :] if name in known)

    @model_validator(mode="after")
    def _steps_have_a_length(self) -> Self:
        if (self.schedule == "step") != (self.step_epochs is not None):
            raise ValueError("schedule step and `step_epochs` go together; give both or neither.")
        return self


class CaseOptions(StrictOptions):
    """Learning from what people said of known cases."""

    group: ClassVar[OptionGroup] = "data"

    from_cases: str | None = Field(
        None,
        description="Library of known cases to learn from in place of a data set; unwanted ones are pushed away.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_the_library_for_the_data(cls, values: Any) -> Any:
        library = values.get("from_cases") if isinstance(values, Mapping) else None
        if library is None:
            return values
        if values.get("data", library) != library or values.get("data_format") is not None:
            raise ValueError("`from_cases` is in place of `data` and `data_format`; leave these out.")
        return {**values, "data": library}


FlipRule = Literal["off", "same", "on"] | dict[str, str]


class AugmentOptions(StrictOptions):
    """How training pictures are varied; nothing that could change a label happens unless the class map allows it."""

    group: ClassVar[OptionGroup] = "augmentation"

    flip_horizontal: FlipRule = Field(
        "off",
        description="Mirror left and right: off; same (no class changes); or, in YAML, the class that each class "
        "becomes, `forbid` for one that must not be mirrored.",
    )
    flip_vertical: FlipRule = Field("off", description="Mirror top and bottom; values as for `flip_horizontal`.")
    crop: Literal["off", "same"] = Field(
        "off", description="Cut 80 to 100 % of the area at random: off; same (no class changes by it)."
    )
    rotate_degrees: float = Field(0.0, ge=0, le=45, description="Largest random rotation either way.")
    brightness: float = Field(0.1, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.1, ge=0, lt=1, description="Largest relative change of contrast.")
