"""The panels of `--help`: commands by what one wants to do, options by what they bear on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import Group

if TYPE_CHECKING:
    from kenpin.strict_options import OptionGroup

# cyclopts puts arguments first, then groups by these keys
START, DATA_SETS, TRAINING_RUNS, JUDGING, LOOKING, LINE = (
    Group(name, sort_key=place)
    for place, name in enumerate(("Start", "Data sets", "Train", "Judge", "Look closer", "On the line"))
)
GENERAL = Group("Options of every command", sort_key=99)

REQUIRED = Group("Required options", sort_key=0)
OPTIONS: dict[OptionGroup, Group] = {
    "data": Group("Data", sort_key=1),
    "model": Group("Model", sort_key=2),
    "training": Group("Training", sort_key=3),
    "augmentation": Group("Augmentation", sort_key=4),
    "answers": Group("Answers", sort_key=5),
    "decision": Group("Decision", sort_key=6),
    "output": Group("Output", sort_key=7),
    "run": Group("Run", sort_key=8),
    "advanced": Group("Advanced", sort_key=9),
}
DATA, ANSWERS, DECISION, OUTPUT, RUN = (OPTIONS[name] for name in ("data", "answers", "decision", "output", "run"))
CASES = Group("Cases", sort_key=1)
MAPS = Group("Maps", sort_key=4)
