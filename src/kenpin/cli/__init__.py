"""The command line: parse, call, print; every command is one thin function in a module that loads when it is called."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version

import cyclopts

from kenpin.errors import KenpinError

FINDINGS, MISUSE = 1, 2
"""Exit statuses: 1 where something was found (doctor's errors, pictures that cannot be opened), 2 for misuse."""

app = cyclopts.App(
    name="kenpin",
    help="From a few hundred labelled pictures to an inspector that runs, and that tells how far it can be trusted.",
    version=lambda: version("kenpin"),
    suppress_keyboard_interrupt=False,  # else it ends without a word
)
# in the order of a newcomer's way; the modules load torch, so they are named here and imported when called
app.command("kenpin.cli.demo:demo", help="Train, evaluate and report on real solar cells, in about two minutes.")
app.command("kenpin.cli.data:doctor", help="What is wrong with a data set, where, and how to mend it.")
app.command("kenpin.cli.look:look", help="Show a data set on one page: pictures, annotations, numbers, findings.")
app.command("kenpin.cli.data:convert", help="Write a data set in another format.")
app.command("kenpin.cli.data:split", help="Divide a data set into training, validation and test pictures.")
app.command("kenpin.cli.train:families", help="The families of models there are.")
app.command("kenpin.cli.train:app", name="train", help="Train an inspector.")
app.command("kenpin.cli.runs:predict", help="Inspect pictures.")
app.command("kenpin.cli.ask:ask", help="Ask a chat model something of a picture, with a run or without any.")
app.command("kenpin.cli.runs:evaluate", help="Measure an inspector on labelled pictures.")
app.command("kenpin.cli.explain:explain", help="Show where in pictures an answer comes from.")
app.command("kenpin.cli.describe:describe", help="Describe pictures in words, held to what runs and cases say.")
app.command("kenpin.cli.describe:ablate", help="Measure what the evidence adds to descriptions.")
app.command("kenpin.cli.runs:report", help="Write a run's report, alone or against another run.")
app.command("kenpin.cli.runs:scatter", help="Draw what runs make of the same pictures, side by side.")
app.command("kenpin.cli.vectors:embed", help="Write the vectors of a data set's pictures.")
app.command("kenpin.cli.vectors:prototypes", help="Add classes to an embedder from a few pictures, without training.")
app.command("kenpin.cli.cases:app", name="cases", help="Keep known cases, and find the wanted ones like a picture.")
app.command("kenpin.cli.judge:judge", help="A threshold from what wrong decisions cost, and how far it can be trusted.")
app.command("kenpin.cli.quality:plan", help="How many parts it takes to claim a rate of escapes or overkills.")
app.command("kenpin.cli.gage:gage", help="How far verdicts and measurements of the same parts repeat themselves.")
app.command("kenpin.cli.drift:drift", help="Whether scores, failures and vectors still are as they were.")
app.command("kenpin.cli.inspect:inspect", help="Judge a line's pictures by a policy, each part once.")
app.command("kenpin.cli.export:export", help="Write a trained network for use elsewhere and as a base.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    if debug:
        tokens.remove("--debug")
    else:
        warnings.simplefilter("ignore")  # libraries' warnings are for programmers; kenpin's own are sentences
        logging.captureWarnings(True)
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("LANCEDB_LOG", "error")
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # it tells of every attempt to reach the hub
    sys.exit(_run(tokens, debug))


def _run(tokens: list[str], debug: bool) -> int:
    try:
        status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (KenpinError, cyclopts.CycloptsError) as error:
        if debug:
            raise
        print(f"kenpin: {' '.join(_sentence(error).split())}", file=sys.stderr)
        return MISUSE
    except KeyboardInterrupt:
        print(
            "kenpin: stopped; nothing half-done is left under the name you gave, and a training that had a checkpoint "
            "goes on with --resume.",
            file=sys.stderr,
        )
        return 130
    except (BrokenPipeError, SystemExit):  # rich exits with 1 where nobody reads its help to the end
        return 0
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"kenpin: {place}{error.strerror or error}; check the path, its rights and the disk.", file=sys.stderr)
        return MISUSE
    except Exception as error:
        if debug:
            raise
        print(
            f"kenpin: this should not have happened ({type(error).__name__}: {error}); "
            "run the command again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return MISUSE
    return status if isinstance(status, int) else 0


def _sentence(error: Exception) -> str:
    """What is wrong, in a sentence; of words that no command takes, in kenpin's own."""
    if isinstance(error, cyclopts.UnusedCliTokensError):
        return f"nothing is known to be done with {' '.join(error.unused_tokens or ())}; leave it out, or see --help."
    if not isinstance(error, cyclopts.UnknownOptionError):
        return str(error)
    word = (error.token.keyword or error.token.value).partition("=")[0]
    known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
    near = get_close_matches(word.strip("-"), [name.strip("-") for name in known], n=1)  # dashes make all alike
    return f"unknown option {word}; " + (f"did you mean --{near[0]}?" if near else "--help lists those there are.")
