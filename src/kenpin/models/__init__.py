"""Families of models: a folder each with a file `family.py`, or a package from elsewhere that names itself.

Another package brings a family by an entry point of the group `kenpin.families`, whose name is the family's and whose
value names an object that keeps `Family`: `"pinholes" = "my_package.pinholes:FAMILY"`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kenpin.errors import OptionError
from kenpin.lazy import on_first_use
from kenpin.nearest import did_you_mean
from kenpin.plugins import load_plugin, plugins

if TYPE_CHECKING:  # listing families must not load torch
    from kenpin.models.bases import BaseRecord
    from kenpin.models.calibrated import CalibratedPictures
    from kenpin.models.contract import Batch, Family, Fitted, Inspector, Task, Trainable
    from kenpin.models.naming import class_numbers, predictions
    from kenpin.models.networks.seeded import seeded

__all__ = [
    "BaseRecord",
    "Batch",
    "CalibratedPictures",
    "Family",
    "Fitted",
    "Inspector",
    "Task",
    "Trainable",
    "class_numbers",
    "families_of_good_parts",
    "family_names",
    "family_summary",
    "get_family",
    "predictions",
    "seeded",
]

GROUP = "kenpin.families"
"""Entry points of this group are families of other packages."""
# listing families loads no torch
__getattr__ = on_first_use(
    __name__,
    {
        "BaseRecord": "bases",
        "Batch": "contract",
        "CalibratedPictures": "calibrated",
        "Family": "contract",
        "Fitted": "contract",
        "Inspector": "contract",
        "Task": "contract",
        "Trainable": "contract",
        "class_numbers": "naming",
        "predictions": "naming",
        "seeded": "networks.seeded",
    },
)


def family_names() -> tuple[str, ...]:
    """Names of all families, kenpin's own before those of other packages, each sorted; none is imported."""
    own = _own_names()
    return (*own, *(name for name in plugins(GROUP) if name not in own))


def family_summary(name: str) -> str:
    """The sentence that the family's package or module opens with, without importing it."""
    module = f"kenpin.models.{name}" if name in _own_names() else plugins(GROUP)[name].module
    spec = importlib.util.find_spec(module)
    source = "" if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]


def families_of_good_parts() -> tuple[str, ...]:
    """Names of the families that good parts alone are enough for; imports them all."""
    return tuple(name for name in family_names() if get_family(name).good_alone)


def get_family(name: str) -> Family[Any]:
    """The family of this name. Raises OptionError: it names the nearest one, or what could not be loaded."""
    if name not in family_names():
        raise OptionError(f"family {name!r} does not exist; {did_you_mean(name, family_names())}")
    if name in _own_names():
        return cast("Family[Any]", importlib.import_module(f"kenpin.models.{name}").FAMILY)
    return cast("Family[Any]", load_plugin("family", plugins(GROUP)[name]))


def _own_names() -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in Path(__path__[0]).glob("*/family.py")))
