"""Sinks and sources as the settings name them: by their kind, and what that kind takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.plugins import Kinds

_KIND = "kind"


def read_kind(kinds: Kinds, what: str, name: str, values: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """Name of the kind, the kind, and its `OPTIONS`, from the settings of the thing with this name. what: the thing is
    one, such as "sink".

    Raises OptionError.
    """
    kind = values.get(_KIND)
    if not isinstance(kind, str):
        raise OptionError(f"{what} {name!r}: `kind` is missing; {did_you_mean('', kinds.names())}")
    try:
        found = kinds.get(kind)
    except OptionError as error:
        raise OptionError(f"{what} {name!r}: {error}") from error
    rest = {key: value for key, value in values.items() if key != _KIND}
    return kind, found, found.OPTIONS.from_mapping(rest, f"{what} {name!r}")
