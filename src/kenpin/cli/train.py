"""Commands that train: `train FAMILY`, `families`."""

from __future__ import annotations

from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import RUN
from kenpin.cli._options import with_settings
from kenpin.config import TrainOptions
from kenpin.models import family_names, family_summary

DryRun = Annotated[
    bool,
    Parameter(group=RUN, negative=(), help="Forecast memory and time, refuse what cannot fit, and train nothing."),
]
app = cyclopts.App(name="train")
for _name in family_names():
    app.command(f"kenpin.cli.train:{_name}", help=family_summary(_name))


def __getattr__(name: str) -> Any:
    """The training command of a family, made when it is called: only then is the family imported."""
    if name not in family_names():
        raise AttributeError(name)
    from kenpin.models import get_family

    def command(*, settings: TrainOptions, dry_run: DryRun = False) -> int:
        return (_forecast if dry_run else _train)(name, settings)

    command.__annotations__["settings"] = get_family(name).Options
    return with_settings(command)


def _train(family: str, options: TrainOptions) -> int:
    from kenpin.cli._telling import closing_lines, telling
    from kenpin.training import train
    from kenpin.training.processes import is_main_process

    if not is_main_process():  # the others print nothing
        train(family, options)
        return 0
    with telling() as listener:
        run = train(family, options, listener=listener)
    for line in closing_lines(run, options):
        _show.say(line)
    _show.row(str(run))
    return 0


def _forecast(family: str, options: TrainOptions) -> int:
    from kenpin.cli._forecast import forecast_lines
    from kenpin.errors import OptionError
    from kenpin.forecast import forecast_run

    forecast = forecast_run(family, options, say=_show.say)
    _show.lines(forecast_lines(forecast))
    if forecast.refusal is not None:
        raise OptionError(forecast.refusal)
    return 0


def families() -> int:
    """Print each family's name and what it is."""
    width = max(map(len, family_names()))
    for name in family_names():
        _show.row(f"{name:<{width}}  {family_summary(name)}")
    return 0
