"""Families of models: one public file each, found by its file name; private parts begin with an underscore."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean

if TYPE_CHECKING:  # listing families must not load torch
    from kenpin.models._family import Family


def family_names() -> tuple[str, ...]:
    """Names of all families, without importing any."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def family_summary(name: str) -> str:
    """The sentence that the family's file opens with, without importing it."""
    source = Path(__path__[0], f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]


def families_of_good_parts() -> tuple[str, ...]:
    """Names of the families that good parts alone are enough for; imports them all."""
    return tuple(name for name in family_names() if get_family(name).good_alone)


def get_family(name: str) -> Family:
    """The family of this name. Raises OptionError that names the nearest one."""
    if name not in family_names():
        raise OptionError(f"family {name!r} does not exist; {did_you_mean(name, family_names())}")
    return cast("Family", importlib.import_module(f"kenpin.models.{name}").FAMILY)
