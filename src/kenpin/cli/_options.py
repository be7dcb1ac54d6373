"""Pydantic options on the command line: every field an option, a YAML file below them, validated in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from cyclopts import Parameter
from pydantic import create_model
from pydantic.fields import FieldInfo

from kenpin.config import StrictOptions, read_yaml

Options = TypeVar("Options", bound=StrictOptions)


def command_of(options: type[Options], call: Callable[[Options], int | None]) -> Callable[..., int | None]:
    """A command that takes each field of `options`, and `--config FILE.yaml` for those not given on the line."""
    # None marks what was not given: defaults and checks are those of the one options model
    fields: dict[str, Any] = {name: (_annotation(field), None) for name, field in options.model_fields.items()}
    view = create_model(f"{options.__name__}OnTheLine", **fields)

    def command(*, given=None, config=None):  # type: ignore[no-untyped-def]
        values = read_yaml(config) if config is not None else {}
        line = {name: value for name, value in (given or view()) if value is not None}
        known = {name.replace("-", "_"): value for name, value in values.items()}
        return call(options.from_mapping(known | line, str(config) if config is not None else "command line"))

    command.__doc__ = options.__doc__
    command.__annotations__ = {
        "given": Annotated[view | None, Parameter(name="*")],
        "config": Annotated[Path | None, Parameter(help="YAML file with options; those on the command line win.")],
    }
    return command


def _annotation(field: FieldInfo) -> Any:
    default = "[required]" if field.is_required() else "" if field.default is None else f"[default: {field.default}]"
    help_text = f"{field.description} {default}".strip()
    # a class map does not fit on a command line: there only the words of such an option can be given
    kind: Any = str if any(get_origin(part) is dict for part in get_args(field.annotation)) else field.annotation
    return Annotated[kind | None, Parameter(help=help_text, show_default=False)]
