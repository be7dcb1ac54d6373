"""Reads and runs a Markdown page's snippets: its Python blocks, and the `$ kenpin …` lines of its console blocks."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>python|console)\b[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.M | re.S)
STATUS = re.compile(r"# exit status (\d)")


@dataclass(frozen=True)
class Snippet:
    """One fenced block. `line`: number of its first line in the page, counted from 1."""

    language: str
    line: int
    body: str


@dataclass(frozen=True)
class Command:
    """One typed command, the exit status that the page promises, and the output that it shows."""

    argv: tuple[str, ...]
    status: int
    shown: str


def snippets(page: str) -> Iterator[Snippet]:
    """The page's Python and console blocks in order, without the indent of the list or tab that they stand in."""
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start("body")) + 1
        yield Snippet(match["language"], line, textwrap.dedent(match["body"]))


def commands(body: str) -> Iterator[Command]:
    """The `$ kenpin` commands of a console block; other commands are for the reader alone."""
    for piece in re.split(r"^\$ ", body.replace("\\\n", " "), flags=re.M)[1:]:
        typed, _, shown = piece.partition("\n")
        argv = tuple(shlex.split(typed, comments=True))
        if argv[0] == "kenpin":
            promise = STATUS.search(typed)
            yield Command(argv[1:], int(promise[1]) if promise else 0, shown)


def shows(shown: str, output: str) -> bool:
    """Whether each shown line occurs in the output, in order; `…` stands for anything and spacing does not count."""
    lines = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    pattern = ".*".join(re.escape(line).replace("…", ".*") for line in lines)
    return re.search(pattern, " ".join(output.split()), re.S) is not None


def run(page: str, name: str, kenpin: Callable[[tuple[str, ...]], tuple[int, str]]) -> int:
    """Run a page's snippets in order, Python ones in one namespace; returns how many ran. Raises AssertionError.

    `kenpin` takes a command's arguments and gives its exit status and its output.
    """
    namespace: dict[str, Any] = {"__name__": name}
    count = 0
    for snippet in snippets(page):
        if snippet.language == "python":
            code = "\n" * (snippet.line - 1) + snippet.body  # so that a traceback names the page's own line
            exec(compile(code, name, "exec"), namespace)
            count += 1
            continue
        for command in commands(snippet.body):
            status, output = kenpin(command.argv)
            place = f"{name}:{snippet.line}: kenpin {shlex.join(command.argv)}"
            assert status == command.status, f"{place} ended with status {status}, not {command.status}:\n{output}"
            assert shows(command.shown, output), f"{place} printed:\n{output}\nbut the page shows:\n{command.shown}"
            count += 1
    return count
