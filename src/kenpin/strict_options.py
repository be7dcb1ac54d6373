"""Strict options: pydantic models whose refusals are sentences with source, key and remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean, nearest_name
from kenpin.yaml_file import YamlMapping, read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

OptionGroup = Literal["data", "model", "training", "augmentation", "answers", "decision", "output", "run", "advanced"]
"""Groups of options; `--help` shows a panel for each."""


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

    @classmethod
    def own_fields(cls) -> frozenset[str]:
        """Names of the fields that a class adds to those of its parents."""
        parents = [kind for kind in cls.__bases__ if issubclass(kind, StrictOptions)]
        return frozenset(cls.model_fields).difference(*(kind.model_fields for kind in parents))

    def first_set(self, names: Iterable[str]) -> str | None:
        """The first of these options, by name, that has another value than its own default; None where none has."""
        fields = type(self).model_fields
        return next((name for name in sorted(names) if getattr(self, name) != fields[name].default), None)

    @field_validator("*", mode="before")
    @classmethod
    def _take_words(cls, value: Any, info: ValidationInfo) -> Any:
        """One word or number for a list of one; a path as its text; no truth value where a number is wanted."""
        kind = cls.model_fields[info.field_name or ""].annotation
        kinds = {get_origin(part) or part for part in (kind, *get_args(kind))}
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
        """The given options over those of a YAML file, if any. The word `default` as a value takes the option's own
        default, whatever the file says. Raises OptionError."""
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
        """The first problem of a failed validation as one sentence; options from the command line are named as typed.
        origins: the source of single keys."""
        # an unknown key before a missing one: it may be the missing one, misspelt
        problems = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        first = problems[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            text = f"unknown option `{key}`; {did_you_mean(key, sorted(cls.model_fields))}"
        elif first["type"] == "missing":
            text = f"option `{key}` is missing; give it a value."
        elif first["type"] == "value_error":
            text = first["msg"].removeprefix("Value error, ")
            text = f"option `{key}`: {text}" if key else text
        else:
            # a field of several kinds has a problem with each
            wanted = dict.fromkeys(_wanted(each) for each in problems if each["loc"][:1] == first["loc"][:1])
            remedy = f"give {' or '.join(wanted)}."
            choices = [*_choices(cls.model_fields[key].annotation)] if key in cls.model_fields else []
            if near := nearest_name(str(first["input"]), choices):
                remedy = f"did you mean {near!r}?"  # a value may be called as an option is
            text = f"option `{key}` is {first['input']!r}; {remedy}"
        source = {name.replace("-", "_"): origin for name, origin in (origins or {}).items()}.get(key, source)
        if source == COMMAND_LINE:
            text = cls.as_typed(text)
        return f"{source}: {text}"


def _is_own_default(value: Any) -> bool:
    """Whether it is the word `default`, alone or in a list of one, as a command line gives it."""
    return isinstance(value, str | tuple) and value in (OWN_DEFAULT, (OWN_DEFAULT,))


OWN_DEFAULT = "default"
"""As a value: the option's own default, whatever the YAML file says."""
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
        yield from (str(member.value) for member in kind)
    for inner in get_args(kind):
        if get_origin(kind) is Literal:
            yield str(inner)
        else:
            yield from _choices(inner)


def _wanted(problem: ErrorDetails) -> str:
    """The expected value of a validation problem."""
    if problem["type"] not in _WANTED:
        return problem["msg"].rstrip(".")
    bounds = {name: str(bound).removesuffix(".0") for name, bound in problem.get("ctx", {}).items()}
    return _WANTED[problem["type"]].format(**bounds)
