"""Records to JSON and back, by their type hints: exact, without NaN, and refusing what does not fit.

Numbers that JSON lacks are written as the strings `inf`, `-inf` and `nan`. `bytes` are not carried.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from itertools import repeat
from typing import Any, Literal, NoReturn, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

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
    return _writer(cast(Any, kind))(value)


def from_json(kind: type[Record], value: object, where: str, *, finite: bool = False) -> Record:
    """The record of this type that `to_json` wrote; `where` names the file in messages. Raises RunError.

    finite: refuse NaN and infinity, except in predictions and thresholds, which may lie beyond all bounds.

    >>> from kenpin.records import Measure
    >>> from_json(Measure, {"value": 0.9, "low": 0.8, "high": None}, "measure.json")
    Measure(value=0.9, low=0.8, high=None)
    """
    try:
        return _reader(cast(Any, kind), finite)(value)  # type: ignore[no-any-return]
    except _MisfitError as misfit:
        place = "".join(reversed(misfit.place))
        raise RunError(f"{where}{place}: {misfit} Restore the file, or evaluate again.") from misfit.__cause__


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


class _MisfitError(Exception):
    """A value is not of its kind, where the places that lead to it are told from the innermost on."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.place: list[str] = []

    def below(self, place: str) -> Self:
        self.place.append(place)
        return self


@cache  # of each type once: what is asked of a type takes longer than to write a value of it
def _writer(kind: type[Any]) -> Callable[[Any], Any]:
    """What writes values of a type. Raises TypeError."""
    if issubclass(kind, tuple | list):
        return lambda value: [to_json(item) for item in value]
    if issubclass(kind, float):
        return lambda value: value if math.isfinite(value) else str(value)
    if issubclass(kind, Mapping):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    if is_dataclass(kind):
        names = tuple(item.name for item in fields(kind))
        return lambda value: {name: to_json(getattr(value, name)) for name in names}
    if issubclass(kind, StrEnum):
        return lambda value: value.value
    if issubclass(kind, str | int):
        return lambda value: value
    raise TypeError(f"{kind.__name__} has no JSON form")


@cache  # likewise
def _reader(kind: Any, finite: bool) -> Callable[[Any], Any]:
    """What reads values of a kind, and raises _MisfitError."""
    origin, parameters = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):  # of these, records use only `X | None`
        one = _reader(next(p for p in parameters if p is not types.NoneType), finite)
        return lambda value: None if value is None else one(value)
    if kind is Any:  # whatever JSON holds
        return lambda value: value
    if is_dataclass(kind):
        return _record_reader(kind, finite and kind not in _UNBOUNDED)
    if origin is tuple:
        return _tuple_reader(kind, parameters, finite)
    if origin is Mapping:
        return _mapping_reader(kind, _reader(parameters[1], finite))
    if kind is float:
        return _finite_number if finite else _number
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        members = {member.value: member for member in kind}
        return lambda value: members[value] if type(value) is str and value in members else _refuse(kind, value)
    if kind in _AS_THEY_ARE:
        return lambda value: value if type(value) is kind else _refuse(kind, value)
    known = parameters if origin is Literal else ()
    return lambda value: value if type(value) is str and value in known else _refuse(kind, value)


def _refuse(kind: Any, value: Any) -> NoReturn:
    raise _MisfitError(f"{value!r:.60} is not {kind}.")


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    return float(value) if type(value) is int or value in ("inf", "-inf", "nan") else _refuse(float, value)


def _finite_number(value: Any) -> float:
    if math.isfinite(number := _number(value)):
        return number
    raise _MisfitError(f"{value} is not a finite number.")


def _tuple_reader(kind: Any, parameters: tuple[Any, ...], finite: bool) -> Callable[[Any], Any]:
    is_endless = parameters[-1] is Ellipsis
    endless = repeat(_reader(parameters[0], finite))
    each = [_reader(parameter, finite) for parameter in (() if is_endless else parameters)]

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not (is_endless or len(value) == len(each)):
            _refuse(kind, value)
        found: list[Any] = []
        try:
            for one, item in zip(endless if is_endless else each, value, strict=False):
                found.append(one(item))
        except _MisfitError as misfit:
            raise misfit.below(f"[{len(found)}]") from misfit.__cause__
        return tuple(found)

    return read


def _mapping_reader(kind: Any, one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            _refuse(kind, value)
        return _read_items(value, dict.fromkeys(value, one))

    return read


def _read_items(value: dict[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    name = ""
    try:
        for name, item in value.items():
            found[name] = readers[name](item)
    except _MisfitError as misfit:
        raise misfit.below(f".{name}") from misfit.__cause__
    return found


def _record_reader(kind: Any, finite: bool) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _MisfitError(f"{value!r:.60} is not of type {kind.__name__}.")
        readers, optional = _of_fields(kind, finite)  # not above: a record may hold records of its own type
        if value.keys() != readers.keys():
            wrong = sorted((readers.keys() ^ value.keys()) - (optional - value.keys()))
            if wrong:
                raise _MisfitError(f"the fields {wrong} are missing or unknown.")
        parts = _read_items(value, readers)
        try:
            return kind(**parts)
        except ShapeError as error:
            raise _MisfitError(f"{error}") from error

    return read


@cache
def _of_fields(kind: Any, finite: bool) -> tuple[dict[str, Callable[[Any], Any]], frozenset[str]]:
    """What reads a record's fields, by name, and which of them an older file may lack."""
    hints = get_type_hints(kind)
    optional = (item.name for item in fields(kind) if (item.default, item.default_factory) != (MISSING, MISSING))
    return {item.name: _reader(hints[item.name], finite) for item in fields(kind)}, frozenset(optional)
