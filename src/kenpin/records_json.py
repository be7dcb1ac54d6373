"""Records to JSON and back, by their type hints: exact, without NaN, and refusing what does not fit.

Numbers that JSON lacks are written as the strings `inf`, `-inf` and `nan`. `bytes` are not carried.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from kenpin.errors import RunError, ShapeError
from kenpin.records import Evaluation, Prediction, Threshold

EVALUATION_SCHEMA = 3
HEADLINE = "headline"
"""A key of evaluation.json: sentences derived from the rest for readers of the file; ignored on loading."""

Record = TypeVar("Record")
_AS_THEY_ARE = frozenset({str, int, bool})
_UNBOUNDED = (Prediction, Threshold)
"""Records whose numbers may lie beyond all bounds: the distance of a part unlike any other, a cut below all scores."""


def to_json(value: object) -> Any:
    """A record, and what it is made of, as dicts, lists, strings, numbers and None. Raises TypeError.

    >>> from kenpin.records import Measure
    >>> to_json(Measure(0.9, low=0.8))
    {'value': 0.9, 'low': 0.8, 'high': None}
    """
    kind = type(value)
    if value is None or kind in _AS_THEY_ARE:  # most are, and every part of every record comes here
        return value
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if is_dataclass(kind):
        return {name: to_json(getattr(value, name)) for name in _names(kind)}
    if isinstance(value, str | int):
        return value.value if isinstance(value, StrEnum) else value
    raise TypeError(f"{kind.__name__} has no JSON form")


def from_json(kind: type[Record], value: object, where: str, *, finite: bool = False) -> Record:
    """The record of this type that `to_json` wrote; `where` names the file in messages. Raises RunError.

    finite: refuse NaN and infinity, except in predictions and thresholds, which may lie beyond all bounds.

    >>> from kenpin.records import Measure
    >>> from_json(Measure, {"value": 0.9, "low": 0.8, "high": None}, "measure.json")
    Measure(value=0.9, low=0.8, high=None)
    """
    return _read(kind, value, where, finite=finite)  # type: ignore[no-any-return]


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation with the version of its form, ready for `json.dump(…, allow_nan=False)`."""
    return {"schema": EVALUATION_SCHEMA, **to_json(evaluation)}


def evaluation_from_json(value: Mapping[str, Any], where: str = "evaluation.json") -> Evaluation:
    """The evaluation that `evaluation_to_json` wrote, whatever its headline. Raises RunError for another version or a
    damaged file, one with a measure among it that is NaN or infinite."""
    if not isinstance(value, Mapping) or value.get("schema") != EVALUATION_SCHEMA:
        schema = value.get("schema") if isinstance(value, Mapping) else None
        raise RunError(
            f"{where}: its schema is {schema}, this kenpin reads {EVALUATION_SCHEMA}. Evaluate the run again."
        )
    values = {key: item for key, item in value.items() if key not in ("schema", HEADLINE)}
    evaluation = from_json(Evaluation, values, where, finite=True)
    counts = len(evaluation.labels)
    if evaluation.confusion and [*map(len, evaluation.confusion)] != [counts] * counts:
        raise RunError(
            f"{where}: its confusion has not a row and a column for each label. Restore the file, or evaluate again."
        )
    return evaluation


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


@cache
def _form(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


def _read(kind: Any, value: Any, where: str, *, finite: bool) -> Any:
    if type(value) is kind and kind in _AS_THEY_ARE:
        return value
    origin, parameters = _form(kind)
    if origin in (types.UnionType, Union):  # of these, records use only `X | None`
        one = next(p for p in parameters if p is not types.NoneType)
        return None if value is None else _read(one, value, where, finite=finite)
    if kind is Any:  # whatever JSON holds
        return value
    if is_dataclass(kind):
        return _read_record(kind, value, where, finite=finite and kind not in _UNBOUNDED)
    if origin is tuple and isinstance(value, list):
        if parameters[-1] is Ellipsis:
            return tuple(_read(parameters[0], item, f"{where}[{i}]", finite=finite) for i, item in enumerate(value))
        if len(parameters) == len(value):
            pairs = zip(parameters, value, strict=True)
            return tuple(
                _read(parameter, item, f"{where}[{i}]", finite=finite) for i, (parameter, item) in enumerate(pairs)
            )
    elif origin is Mapping and isinstance(value, dict):
        return {key: _read(parameters[1], item, f"{where}.{key}", finite=finite) for key, item in value.items()}
    elif kind is float and (type(value) in (int, float) or value in ("inf", "-inf", "nan")):
        if finite and not math.isfinite(float(value)):
            raise RunError(f"{where}: {value} is not a finite number. Restore the file, or evaluate again.")
        return float(value)
    elif isinstance(kind, type) and issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    elif (kind in (str, int, bool) and type(value) is kind) or (
        origin is Literal and type(value) is str and value in parameters
    ):
        return value
    raise RunError(f"{where}: {value!r:.60} is not {kind}. Restore the file, or evaluate again.")


def _read_record(kind: Any, value: Any, where: str, *, finite: bool) -> Any:
    if not isinstance(value, dict):
        raise RunError(f"{where}: {value!r:.60} is not of type {kind.__name__}. Restore the file, or evaluate again.")
    hints, optional = _hints(kind)
    wrong = sorted((hints.keys() ^ value.keys()) - (optional - value.keys()))
    if wrong:
        raise RunError(f"{where}: the fields {wrong} are missing or unknown. Restore the file, or evaluate again.")
    parts = {name: _read(hints[name], item, f"{where}.{name}", finite=finite) for name, item in value.items()}
    try:
        return kind(**parts)
    except ShapeError as error:
        raise RunError(f"{where}: {error} Restore the file, or evaluate again.") from error


@cache  # made anew for each record it would take most of the time
def _hints(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a record's fields by name, and which of them an older file may lack."""
    hints = get_type_hints(kind)
    optional = (item.name for item in fields(kind) if (item.default, item.default_factory) != (MISSING, MISSING))
    return {item.name: hints[item.name] for item in fields(kind)}, frozenset(optional)
