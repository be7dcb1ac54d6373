"""Remedies that messages give: each command and option in a text of the source exists on the real command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cyclopts
import pytest

import kenpin
from kenpin.cli import app
from kenpin.models import family_names
from tests.commands import Run
from tests.pictures import write_parts

SOURCE = Path(kenpin.__file__).parent
COMMAND = re.compile(r"(?<![\w./])kenpin ([a-z][\w-]*)((?: +(?!and\b|or\b)[^\s`;,.():]+)*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
NOT_COMMANDS = {  # kenpin as the subject of a sentence
    *("assumes", "can", "cannot", "fetches", "findings", "needs", "reads", "states", "that", "trained", "and"),
    *(
        "could",
        "criteria",
        "did",
        "does",
        "holds",
        "has",
        "is",
        "knows",
        "may",
        "names",
        "recorded",
        "which",
        "writes",
        "wrote",
        "with",
        "to",
    ),
}


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is no docstring, values in braces where it is formatted."""
    tree = ast.parse(source)
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr):
                passed.add(id(first.value))
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


@cache
def options_of(*command: str) -> frozenset[str]:
    """The options that a command takes; of a group of commands those of all of them."""
    found: cyclopts.App = app
    for word in command:
        found = found[word]
    names = [name for name in found if not name.startswith("-")]
    below = frozenset().union(*(options_of(*command, name) for name in names))
    if found.default_command is None:
        return below
    arguments = found.assemble_argument_collection()
    return below | {name for argument in arguments for name in argument.names if name.startswith("--")}


@cache
def every_option() -> frozenset[str]:
    names = [name for name in app if not name.startswith("-")]
    return frozenset().union(*(options_of(name) for name in names)) | {"--help", "--version", "--debug"}


def problems(text: str) -> list[str]:
    """What the command line does not know of the commands and options in a text."""
    found = [f"no command takes {option}" for option in OPTION.findall(text) if option not in every_option()]
    for command, rest in COMMAND.findall(text):
        if command in NOT_COMMANDS:
            continue
        if command not in list(app):
            found.append(f"no command {command}")
            continue
        words = rest.split()
        inner = [name for name in app[command] if not name.startswith("-")]
        family = [word for word in words[:1] if word in inner]
        takes_words = app[command].default_command is not None
        if inner and not takes_words and not family and words[:1] not in ([], ["{}"], ["FAMILY"]):
            found.append(f"no command {command} {words[0]}")
        known = options_of(command, *family) | {"--help", "--debug"}
        found += [f"{command} takes no {option}" for option in OPTION.findall(rest) if option not in known]
    return found


@pytest.mark.parametrize("package", sorted({path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py")}))
def test_every_command_and_option_that_a_message_names_exists(package: str) -> None:
    path = SOURCE / package
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    found = [
        f"{file.relative_to(SOURCE)}:{line}: {problem}"
        for file in files
        if file.name != "installing.py"  # options of uv and pipx; tests/test_installing.py runs these commands
        for line, text in texts(file.read_text("utf-8"))
        for problem in problems(text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("make one with `kenpin cases make`", "no command cases make"),
        ("make one with kenpin cases add.", None),
        ("split again: kenpin split DATA OUT --by group", None),
        ("split again: kenpin split DATA OUT --bye group", "no command takes --bye"),
        ("split again: kenpin split DATA OUT --ok-labels a", "split takes no --ok-labels"),
        ("kenpin divide DATA", "no command divide"),
        ("`kenpin train classifier --data DATA --out RUN`", None),
        ("`kenpin train clasifier --data DATA`", "no command train clasifier"),
        ("`kenpin train mahalanobis --select-items`", None),
        ("`kenpin train classifier --select-items`", "train takes no --select-items"),
        ("raise --limit-gibs.", "no command takes --limit-gibs"),
    ],
)
def test_the_test_of_remedies_finds_a_wrong_one(text: str, problem: str | None) -> None:
    assert problems(text)[:1] == ([] if problem is None else [problem])


def test_there_are_remedies_to_be_tested() -> None:
    count = sum(
        bool(OPTION.search(text) or COMMAND.search(text))
        for file in SOURCE.rglob("*.py")
        for _, text in texts(file.read_text("utf-8"))
    )
    assert count > 100
    assert all("--data" in options_of("train", name) for name in family_names())


def told_command(text: str) -> list[str]:
    """The words of the last command in backticks."""
    return str(re.findall(r"`kenpin ([^`]+)`", text)[-1]).split()


def test_remedies_work_when_they_are_followed(kenpin: Run) -> None:
    write_parts(Path("outer/parts"), count=20)
    write_parts(Path("several/a"), count=2)
    write_parts(Path("several/b"), count=2)
    status, _, told = kenpin("doctor", "several")
    assert (status, told) == (2, "kenpin: several: it holds 2 data sets: a, b. Name one of them.\n")
    assert kenpin("doctor", "several/a")[0] == 0

    status, _, told = kenpin("doctor", "outer/parts/ok/000.png")
    assert status == 2
    assert "is one picture" in told
    assert kenpin("doctor", told.strip().removesuffix(".").rpartition("such as ")[2])[0] == 0

    assert kenpin("split", "outer/parts", "divided")[0] == 0
    status, _, told = kenpin("split", "divided", "again")
    assert status == 2
    assert kenpin("split", "divided", "again", *OPTION.findall(told))[0] == 0

    status, _, told = kenpin("train", "outer/parts")
    assert status == 2
    assert told_command(told) == ["train", "FAMILY", "--data", "outer/parts", "--out", "RUN"]
    status, _, told = kenpin("train", "mahalanobis", "outer/parts", "first")
    assert status == 2
    assert kenpin(*told_command(told), "--base", "toy", "--no-report")[0] == 0
    for words in (("doctor", "RUN"), ("convert", "RUN", "x", "--to", "csv"), ("predict", "RUN", "RUN")):
        status, _, told = kenpin(*words)
        assert status == 2
        assert told.startswith("kenpin: RUN: it is a run, and a data set is needed here")
    assert kenpin(*told_command(told))[0] == 0
    status, _, told = kenpin("train", "mahalanobis", "--data", "RUN", "--out", "outer/parts")
    assert status == 2
    assert "RUN: it is a run" in told
    status, _, told = kenpin("predict", "outer/parts", "RUN")
    assert status == 2
    assert kenpin(*told_command(told))[0] == 0
    status, _, told = kenpin("evaluate", "outer/parts", "RUN")
    assert status == 2
    status, _, told = kenpin(*told_command(told))
    assert status == 2
    assert told_command(told) == ["evaluate", "RUN", "--data", "outer/parts"]
