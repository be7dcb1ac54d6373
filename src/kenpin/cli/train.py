"""Commands that train: `train FAMILY`, `families`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import cyclopts

from kenpin.cli import _show
from kenpin.cli._options import command_of
from kenpin.config import TrainOptions
from kenpin.models import family_names, family_summary

app = cyclopts.App(name="train")
for _name in family_names():
    app.command(f"kenpin.cli.train:{_name}", help=family_summary(_name))


def __getattr__(name: str) -> Any:
    """The training command of a family, made when it is called: only then is the family imported."""
    if name not in family_names():
        raise AttributeError(name)
    from kenpin.models import get_family

    command = command_of(get_family(name).Options, partial(_train, name))
    command.__name__ = name
    return command


def _train(family: str, options: TrainOptions) -> int:
    from kenpin.training import train
    from kenpin.training.processes import leads

    with _show.progress_line() as progress:
        run = train(family, options, say=_show.say, progress=progress, progress_bar=sys.stderr.isatty())
    if leads():
        print(run)
    return 0


def families() -> int:
    """Print each family's name and what it is."""
    width = max(map(len, family_names()))
    for name in family_names():
        print(f"{name:<{width}}  {family_summary(name)}")
    return 0
