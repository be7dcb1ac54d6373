"""`--help`: every page renders, every option has a panel and a description, every summary says what is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from rich.cells import cell_len

from kenpin.cli import _COMMANDS, app
from kenpin.cli._groups import GENERAL
from kenpin.models import family_names, get_family
from kenpin.strict_options import InGroup, OptionGroup, StrictOptions
from tests.commands import Run
from tests.tree import ROOT

GOLDEN = ROOT / "tests" / "golden"
WIDTH = 80
# no verb begins a summary with one of these; that the first word is a verb, no test can tell
NOUN_PHRASES = {
    "A",
    "An",
    "The",
    "How",
    "What",
    "When",
    "Where",
    "Whether",
    "Which",
    "Who",
    "Why",
    "Of",
    "On",
    "For",
    "In",
}


_WITH_COMMANDS = (("train",), ("cases",), ("audit",), ("station",), ("station", "account"))


def _commands(inner: Any = app, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that can be called."""
    for name in inner:
        if name.startswith("-"):
            continue
        words = (*before, name)
        has_more = words in _WITH_COMMANDS
        below = [*_commands(inner[name], words)] if has_more else []
        if below and inner[name].default_command is not None:
            yield words
        yield from below or [words]


COMMANDS = [*_commands()]


def _page(kenpin: Run, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    status, out, err = kenpin(*words, "--help")
    assert (status, err) == (0, "")
    return out


def _options(words: tuple[str, ...]) -> list[Any]:
    """The options of a command, as cyclopts has them."""
    command = app
    for word in words:
        command = command[word]
    return [one for one in command.assemble_argument_collection() if one.parse and one.show]


def test_every_command_is_among_those_tested() -> None:
    assert {("train", name) for name in family_names()} | {("doctor",), ("cases", "add")} <= set(COMMANDS)
    assert {words[0] for words in COMMANDS} == {words.split(":")[words.endswith(":app") - 1] for words in _WHERE}


_WHERE = [where for _, where, _ in _COMMANDS]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_has_a_panel_and_a_description(
    words: tuple[str, ...], kenpin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _page(kenpin, monkeypatch, *words)
    assert max(map(cell_len, page.splitlines())) <= WIDTH
    panels = re.split(r"^╭─ (.+?) ─.*$", page, flags=re.M)
    titles, bodies = panels[1::2], [" ".join(body.split()) for body in panels[2::2]]
    assert "Parameters" not in titles, "an option has no group: give it one of kenpin.cli._groups"
    assert titles[-1] == GENERAL.name
    needed = [title for title, body in zip(titles, bodies, strict=True) if "[required]" in body]
    has_to_be = ("Required options",) if words == ("station",) else ("Arguments", "Required options")
    # a command that has others below it shows these first
    first = [title for title in titles if title != "Commands"][:2]
    assert needed == [title for title in first if title in has_to_be]
    arguments = dict(_arguments(app, words))
    for option in _options(words):
        told = option.parameter.help or arguments.pop(option.name.lower())
        assert re.fullmatch(r".+[.\]]", told), f"{option.name}: {told!r}"
    assert not arguments, "described, but taken by nothing"


def _arguments(inner: Any, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What a command's docstring tells of its arguments, each in a line: one that is broken breaks the panel."""
    for word in words:
        inner = inner[word]
    _, _, told = (inner.default_command.__doc__ or "").partition("----------\n")
    lines = [line.strip() for line in told.strip().splitlines()]
    for name, description in zip(lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(r"\w+:", name), lines
        yield name[:-1], description


@pytest.mark.parametrize(("group", "where", "summary"), _COMMANDS, ids=_WHERE)
def test_a_summary_is_a_sentence_that_does_not_begin_as_a_noun_does(group: Any, where: str, summary: str) -> None:
    assert re.fullmatch(r"[A-Z][a-z]+,? .+[^.]\.", summary), summary
    assert summary.split()[0].strip(",") not in NOUN_PHRASES
    assert not re.search(r"(s|ing|ion|ed)$", summary.split()[0].strip(",")), "a plural, or what was or is being done"


@pytest.mark.parametrize("name", family_names())
def test_base_tells_what_toy_is(name: str) -> None:
    assert "toy is a tiny random network, to try the command in seconds" in str(
        get_family(name).Options.model_fields["base"].description
    )


@pytest.mark.parametrize("words", [("",), ("train", "classifier")], ids=["kenpin", "train classifier"])
def test_the_page_is_the_one_that_was_looked_at(
    words: tuple[str, ...], kenpin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _page(kenpin, monkeypatch, *filter(None, words))
    golden = GOLDEN / f"help-{'-'.join(filter(None, words)) or 'kenpin'}.txt"
    assert page == golden.read_text("utf-8"), f"where that is meant, write the page of `kenpin {' '.join(words)}` to it"


def test_groups_are_declared_with_the_fields() -> None:
    class Base(StrictOptions):
        group: ClassVar[OptionGroup] = "training"
        epochs: int = 1
        device: Annotated[str, InGroup("run")] = "cpu"

    class Derived(Base):
        group: ClassVar[OptionGroup] = "model"
        epochs: int = 2
        device: str = "cuda"
        depth: int = 3

    found = {name: Derived.group_of(name) for name in Derived.model_fields}
    assert found == {"epochs": "training", "device": "run", "depth": "model"}


def test_debug_stands_before_or_after_the_command() -> None:
    from kenpin.cli import main

    for words in (["--debug", "doctor", "nowhere"], ["doctor", "nowhere", "--debug"], ["doctor", "--debug", "nowhere"]):
        with pytest.raises(ValueError, match="no such file or folder"):
            main(words)


def test_a_word_behind_two_dashes_is_no_option(kenpin: Run) -> None:
    status, _, err = kenpin("doctor", "--", "--debug")
    assert status == 2
    assert "--debug: there is no such file or folder" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["doctr", "x"], "unknown command `doctr`; did you mean `doctor`?"),
        (["zzz"], "unknown command `zzz`; see `kenpin --help`."),
        (["train", "mahalanobiss", "--data", "x"], "unknown command `mahalanobiss`; did you mean `mahalanobis`?"),
        (["cases", "serch"], "unknown command `serch`; did you mean `search`?"),
        (["--debg", "doctor", "x"], "unknown option --debg; did you mean --debug?"),
        (["doctor", "x", "--frmat", "coco"], "unknown option --frmat; did you mean --format?"),
        (["doctor", "x", "--qqqqq"], "unknown option --qqqqq; see `kenpin doctor --help`."),
        (["doctor", "x", "y", "z"], "unexpected argument `z`; leave it out, or see `kenpin doctor --help`."),
        (["families", "x"], "unexpected argument `x`; leave it out, or see `kenpin families --help`."),
        (["doctor"], "argument DATA is missing; see `kenpin doctor --help`."),
        (["export", "a", "b"], "option `--to` is missing; give it one, or see `kenpin export --help`."),
        (["split", "a", "b", "--seed"], "option `--seed` has no value; give it one, or see `kenpin split --help`."),
        (["split", "a", "b", "--seed", "x"], "option `--seed` is 'x'; give a whole number."),
        (["export", "a", "b", "--to", "mergd"], "option `--to` is 'mergd'; did you mean `merged`?"),
        (
            ["cases", "add", "l", "r", "--verdict", "positve"],
            "option `--verdict` is 'positve'; did you mean `positive`?",
        ),
        (["export", "a", "b", "--to", "npz", "--to", "npz"], "option `--to` is given twice; give it once."),
        (["doctor", "{parts}", "--format", "coc"], "format 'coc' is not known; did you mean `coco`?"),
        (["convert", "roboflow:a/b/1", "out", "--export-format", "coc"], "is not known; did you mean `coco`?"),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--tuning", "hed"],
            "option `--tuning` is 'hed'; did you mean 'head'?",
        ),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--base", "toyy"],
            "base 'toyy': there is no such folder; did you mean `toy`?",
        ),
        (
            ["train", "mahalanobis", "--data", "{parts}", "--out", "r", "--base", "lite00"],
            "base 'lite00': there is no such folder; did you mean `lite0`?",
        ),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--base", "toy", "--ok-labels", "scrath"],
            "no picture is of class 'scrath'; did you mean `scratch`?",
        ),
    ],
)
def test_misuse_names_the_nearest(kenpin: Run, parts: Path, words: list[str], sentence: str) -> None:
    status, out, err = kenpin(*(word.format(parts=parts) for word in words))
    assert (status, out) == (2, "")
    assert err.startswith("kenpin: ")
    assert sentence in err


def test_an_unknown_split_names_the_nearest(kenpin: Run, parts: Path) -> None:
    assert kenpin("split", parts, "divided")[0] == 0
    assert kenpin("train", "classifier", "--data", "divided", "--out", "run", "--base", "toy", "--no-report")[0] == 0
    for words in (("evaluate", "run", "--data", "divided"), ("embed", "run", "divided", "out")):
        status, _, err = kenpin(*words, "--split", "tset")
        assert status == 2
        assert "no split 'tset'; did you mean `test`?" in err
    status, _, err = kenpin("explain", "run", parts / "ok" / "000.png", "--out", "o.png", "--label", "scrtch")
    assert status == 2
    assert "did you mean `scratch`?" in err
