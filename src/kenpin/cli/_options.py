"""Pydantic options on the command line: every field an option, a YAML file below them, validated in one place."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter
from pydantic import create_model
from pydantic.fields import FieldInfo

from kenpin.cli._groups import OPTIONS, REQUIRED, RUN
from kenpin.strict_options import COMMAND_LINE, StrictOptions

_METAVARS = {int: "INT", float: "FLOAT", Path: "PATH"}
Config = Annotated[
    Path | None,
    Parameter(
        group=RUN,
        help="YAML file with options. Those on the command line win; there the word default takes an option's own "
        "default in place of the file's value.",
    ),
]


def with_settings(call: Callable[..., int | None]) -> Callable[..., int | None]:
    """`call` as a command that takes, in place of its parameter `settings`, each field of that one's model, and
    `--config FILE.yaml` for those not given on the line."""
    hints = get_type_hints(call, include_extras=True)
    options: type[StrictOptions] = hints.pop("settings")
    # words as they were typed, None where nothing was: defaults, types and checks are those of the one options model
    required_first = sorted(options.model_fields.items(), key=lambda item: not item[1].is_required())
    fields: dict[str, Any] = {name: (_annotation(options, name), None) for name, _ in required_first}
    view = create_model(f"{options.__name__}OnTheLine", **fields)

    def command(*arguments: Any, given: Any = None, config: Path | None = None, **others: Any) -> int | None:
        line = {
            name: None if word == "none" and NoneType in _kinds(options.model_fields[name]) else word
            for name, word in (given or view())
            if word is not None
        }
        return call(*arguments, settings=options.over_file(line, config, COMMAND_LINE), **others)

    ours, own = (signature(function).parameters for function in (command, call))
    taken = [ours["given"], ours["config"], *(one for name, one in own.items() if name in hints)]
    taken.sort(key=lambda one: (one.kind, one.default is not one.empty))  # arguments first, then what must be given
    vars(command)["__signature__"] = Signature(taken)
    command.__annotations__ = hints | {"given": Annotated[view | None, Parameter(name="*")], "config": Config}
    command.__doc__ = call.__doc__ or options.__doc__
    return command


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field may have."""
    return get_args(field.annotation) if get_origin(field.annotation) not in (tuple, Literal) else (field.annotation,)


def _plain(kind: Any) -> Any:
    """A type without its bounds; of a tuple, the type of its items."""
    return _plain(get_args(kind)[0]) if get_origin(kind) in (Annotated, tuple) else kind


def _annotation(options: type[StrictOptions], name: str) -> Any:
    field = options.model_fields[name]
    kinds = _kinds(field) or (field.annotation,)
    choices = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    notes = [f"[{', '.join(choices)}]"] if choices else []
    if field.is_required():
        notes.append("[required]")
    elif field.default not in (None, ()) and field.annotation is not bool:
        shown = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        notes.append(f"[default: {shown}]")
    kind: Any = str
    if field.annotation is bool:
        kind = bool
    elif any(get_origin(kind) is tuple for kind in kinds):
        kind = tuple[str, ...]
    several = kind is not bool
    shown_as = next((_METAVARS[kind] for kind in map(_plain, kinds) if kind in _METAVARS), None)
    parameter = Parameter(
        group=REQUIRED if field.is_required() else OPTIONS[options.group_of(name)],
        metavar=shown_as or ("CHOICE" if choices else None),
        help=" ".join([options.as_typed(field.description or ""), *notes]),
        show_default=False,
        consume_multiple=several,
        negative=() if several else None,
    )
    return Annotated[kind | None, parameter]
