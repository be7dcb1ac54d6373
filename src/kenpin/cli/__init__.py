"""The command line: parse, call, print; every command is one thin function in a module that loads when it is called."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA_SETS, GENERAL, JUDGING, LINE, LOOKING, START, TRAINING_RUNS
from kenpin.cli._misuse import sentence
from kenpin.errors import KenpinError, first_line, lacks_training
from kenpin.files import why_unwritable

FINDINGS, MISUSE = 1, 2
"""Exit statuses: 1 where something was found (doctor's errors, pictures that cannot be opened), 2 for misuse."""

app = cyclopts.App(
    name="kenpin",
    help="From a few hundred labelled pictures to an inspector that runs, and that tells how far it can be trusted.",
    version=lambda: version("kenpin"),
    suppress_keyboard_interrupt=False,  # else it ends without a word
    help_format="plaintext",  # Markdown takes a third of the time of `--help`
    default_parameter=Parameter(show_default=lambda value: None if value is False or value == () else value),
)
for _flag in ("--help", "--version"):
    app[_flag].group = GENERAL

_NOT_OPENED = "The exit status is 1 where a picture could not be opened, 0 otherwise."
# in the order of a newcomer's way; the modules load torch, so they are named here and imported when called
_COMMANDS = (
    (START, "demo:demo", "Train, evaluate and report on real solar cells, in three minutes."),
    (DATA_SETS, "data:doctor", "Check a data set: what is wrong, where, and how to fix it."),
    (DATA_SETS, "look:look", "Show a data set on one page: pictures, annotations, numbers, findings."),
    (DATA_SETS, "data:convert", "Write a data set in another format."),
    (DATA_SETS, "data:split", "Divide a data set into training, validation and test pictures."),
    (TRAINING_RUNS, "train:families", "List the families of models, and what each is."),
    (TRAINING_RUNS, "train:app", "Train an inspector."),
    (TRAINING_RUNS, "vectors:embed", "Write the embeddings of a data set's pictures."),
    (TRAINING_RUNS, "vectors:prototypes", "Add classes to an embedder from a few pictures, without training."),
    (TRAINING_RUNS, "successors:update", "Add good parts to a unit space, without training."),
    (JUDGING, "runs:predict", "Inspect pictures."),
    (JUDGING, "evaluate:evaluate", "Measure an inspector on labelled pictures."),
    (JUDGING, "successors:compare", "Compare two inspectors on pictures that neither has learned from."),
    (JUDGING, "runs:report", "Write a run's report, alone or against another run."),
    (JUDGING, "judge:judge", "Choose a threshold from what wrong decisions cost, and say how far to trust it."),
    (JUDGING, "quality:plan", "Plan how many parts a test needs to prove a rate of escapes or overkills."),
    (JUDGING, "gage:gage", "Test whether verdicts and measurements of the same parts repeat themselves (gage R&R)."),
    (LOOKING, "explain:explain", "Show where in pictures an answer comes from."),
    (LOOKING, "vectors:scatter", "Draw the embeddings of the same pictures by several runs, side by side."),
    (LOOKING, "ask:ask", "Ask a chat model about a picture, with or without a run."),
    (LOOKING, "describe:describe", "Describe pictures in words, checked against runs and known cases."),
    (LOOKING, "describe:ablate", "Measure what the evidence adds to descriptions."),
    (LINE, "inspect:inspect", "Judge a line's pictures by a policy, each part once."),
    (LINE, "station:app", "Keep a station, which judges a line's parts and shows them in a browser."),
    (LINE, "drift:drift", "Check whether scores, failures and embeddings are still as they were."),
    (LINE, "cases:app", "Keep known cases, and find the wanted ones most like a picture."),
    (LINE, "audit:app", "Write a pack for auditors, and check and show what was decided."),
    (LINE, "export:export", "Write a trained network for use elsewhere and as a base."),
    (LINE, "hub:push", "Push a run or a package to the Hugging Face hub, with a model card."),
)
_PAGE_ENDS = {
    "doctor": "The exit status is 1 where an error is found, 0 otherwise.",
    "gage": "A table (CSV, Parquet) has the columns part, appraiser, trial, and verdict or value or both, and "
    "reference where the truth is known.",
    "drift": "The exit status is 1 where something drifted, 0 otherwise.",
    "inspect": "The exit status is 0 where all parts pass, 3 where one fails, and 4 where none fails and a person must "
    "look at one.",
} | dict.fromkeys(("predict", "embed", "explain", "describe", "ablate"), _NOT_OPENED)
for _place, (_group, _where, _summary) in enumerate(_COMMANDS):
    _module, _, _function = _where.partition(":")
    _name = _module if _function == "app" else _function
    _page = {"help_epilogue": _PAGE_ENDS[_name]} if _name in _PAGE_ENDS else {}
    app.command(f"kenpin.cli.{_where}", name=_name, help=_summary, group=_group, sort_key=_place, **_page)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


@app.meta.default
def _launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[
        bool, Parameter(group=GENERAL, negative=(), help="Show warnings, and the traceback of an error.")
    ] = False,
) -> int | None:
    """Hand a command's own words to it; `debug` is for `_run`, before or after the command."""
    status: int | None = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    return status


def _run(words: list[str]) -> int:
    debug = False
    _show.any_encoding()
    try:
        command, bound, _ = app.meta.parse_args(words, exit_on_error=False, print_error=False)
        debug = bound.arguments.get("debug", False)
        if not debug:
            _silence()
        status = command(*bound.args, **bound.kwargs)
    except (KenpinError, cyclopts.CycloptsError) as error:
        if debug:
            raise
        told = (
            sentence(error, ("--debug", "--help", "--version"))
            if isinstance(error, cyclopts.CycloptsError)
            else str(error)
        )
        _show.say(f"kenpin: {' '.join(told.split())}")
        return MISUSE
    except KeyboardInterrupt:
        _show.say(
            "kenpin: stopped; nothing half-done is left under the name you gave, and a training that had a checkpoint "
            "goes on with --resume."
        )
        return 130
    except (BrokenPipeError, SystemExit):  # rich exits with 1 where nobody reads its help to the end
        return 0
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        why = why_unwritable(error) or f"{error.strerror or error}; check the path, its rights and the disk."
        _show.say(f"kenpin: {place}{why}")
        return MISUSE
    except Exception as error:
        if debug:
            raise
        if (lacking := lacks_training(error)) is not None:
            _show.say(f"kenpin: {lacking}")
            return MISUSE
        if (unwritable := why_unwritable(error)) is not None:  # of libraries that raise errors of their own
            _show.say(f"kenpin: {unwritable}")
            return MISUSE
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which not every command loads
            _show.say(
                f"kenpin: the device has no room left for this ({first_line(error)}); end what else is using it, or "
                "take --device cpu."
            )
            return MISUSE
        _show.say(
            f"kenpin: this should not have happened ({type(error).__name__}: {error}); "
            "run the command again with --debug and report what it prints."
        )
        return MISUSE
    return status if isinstance(status, int) else 0


def _silence() -> None:
    """Libraries' warnings are for programmers; kenpin's own are sentences."""
    warnings.simplefilter("ignore")
    logging.captureWarnings(True)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("LANCEDB_LOG", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # it tells of every attempt to reach the hub
