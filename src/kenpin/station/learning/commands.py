"""The command line of a job, from what people chose on a page: no value becomes an option of another name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError
from kenpin.models import family_names, get_family
from kenpin.nearest import did_you_mean

OF_THE_JOB = frozenset(
    {"data", "out", "resume", "overwrite", "report", "from_cases", "data_outside", "embedding_from", "tracker"}
)
"""Options that the station sets, or that would reach beyond its folder."""
_KENPIN = (sys.executable, "-P", "-m", "kenpin")
"""-P: the folder of the job, in which it runs, holds no modules."""


def training_command(family: str, data: Path, out: Path, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of `kenpin train`. values: options of the family by name, as JSON has them. Raises OptionError."""
    if family not in family_names():
        raise OptionError(f"family {family!r} is not known; {did_you_mean(family, family_names())}")
    kind = get_family(family).Options
    if forbidden := sorted(values.keys() & OF_THE_JOB):
        raise OptionError(f"option `{forbidden[0]}`: the station sets it; leave it out.")
    options = kind.from_mapping({**values, "data": str(data), "out": str(out)}, f"train {family}")
    words = [*_KENPIN, "train", family, f"--data={data}", f"--out={out}"]
    for name in values:
        words += _words(f"--{name.replace('_', '-')}", getattr(options, name))
    return tuple(words)


def _words(option: str, value: object) -> list[str]:
    """Of an option: a flag, or `--name=value`, in which no value can be taken for another option."""
    if isinstance(value, bool):
        return [option] * value
    if isinstance(value, tuple):
        return [f"{option}={one}" for one in value]
    return [f"{option}={'none' if value is None else value}"]
