"""What a run stands on: the runs and exported networks that its options name, and what these have learned from."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path
from typing import get_args, get_origin

from kenpin.config import OF_DATA, TrainOptions
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.errors import RunError
from kenpin.models.beside import BesideOptions
from kenpin.models.networks.backbones import BUILT_IN
from kenpin.run.lineage import lineage_of
from kenpin.run.record import is_run

_NO_BASE = frozenset({"data", "out", "from_cases", "device", *OF_DATA})
"""Options whose words name what is learned from or written, or something else that has learned nothing."""


def named_below(options: TrainOptions) -> dict[str, str]:
    """By the name of the option, each path or free word that may name a run or a network.

    Every such option counts, whatever the family, so that none can stand on a run unnoticed.
    """
    kinds = {name: field.annotation for name, field in type(options).model_fields.items()}
    free = {
        name
        for name, kind in kinds.items()
        if {str, Path} & ({kind} if get_origin(kind) in (None, tuple) else set(get_args(kind)))
    }
    values = {name: getattr(options, name) for name in sorted(free - _NO_BASE)}
    if isinstance(options, BesideOptions):
        values |= {f"beside {number}": one.name for number, one in enumerate(options.networks_beside, 1)}
    return {name: str(value) for name, value in values.items() if value is not None and str(value) not in BUILT_IN}


def runs_below(options: TrainOptions) -> dict[str, Path]:
    """By the name of the option, the runs that an inspector with these options is made of."""
    return {name: Path(value) for name, value in named_below(options).items() if is_run(Path(value))}


def lineage_below(options: TrainOptions) -> Lineage:
    """What all these have learned from. Raises RunError where one of them did not record it."""
    below = reduce(or_, (lineage_of(value) for value in named_below(options).values()), NOTHING_SEEN)
    if not below.complete:
        raise RunError(
            f"{below.names[-1]}: an earlier kenpin trained it, and did not record all that it learned from, so that no "
            "picture can be held out from it; train it again, and export it again where it is an export."
        )
    return below
