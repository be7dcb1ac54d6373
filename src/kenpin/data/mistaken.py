"""What a path is that was given as a data set and is none, and what to give instead."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from kenpin.data.not_opened import not_opened
from kenpin.data.reading.pictures import is_picture
from kenpin.errors import DatasetError

_RECORD, _MODEL = "run.json", "model"


def is_a_run(path: Path) -> bool:
    """Whether it is the folder of a finished run, whose own files may look like a data set."""
    return (path / _RECORD).is_file() and (path / _MODEL).is_dir()


def run_in_place_of_data(path: Path) -> str:
    """That a run is no data set, and where each of the two goes."""
    return (
        f"{path}: it is a run, and a data set is needed here. Give the folder or file of the pictures or numbers; data "
        f"and run may be exchanged. `kenpin report {path}` shows what the run was trained on."
    )


def refuse_exchanged(run: str | Path, data: Sequence[str], command: str) -> None:
    """Refuse a data set in place of a run, and a run in place of the data set. Raises DatasetError.

    command: the right one, with RUN and DATA for the two.
    """
    if len(data) == 1 and is_a_run(Path(data[0])) and os.path.exists(run) and not is_a_run(Path(run)):
        right = command.replace("RUN", shlex.quote(data[0])).replace("DATA", shlex.quote(os.fspath(run)))
        raise DatasetError(f"{run}: it is not a run, and {data[0]} is one; exchange them: `kenpin {right}`.")


def what_it_is(path: Path) -> str | None:
    """In a sentence what a file is that is no data set, and what to give instead; None where nothing tells."""
    if is_picture(path.name):
        return (
            f"{path}: it is one picture, and a data set is needed here. Give the folder that the pictures lie in, such "
            f"as {path.absolute().parent}."
        )
    kind = not_opened(path.name)
    return None if kind is None else f"{path}: it is {kind.called}. {kind.remedy_for(path)}."
