"""What the commands share in showing: progress on a terminal, sentences, numbers."""

from __future__ import annotations

import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kenpin.records import Evaluation, Measure
from kenpin.visible import in_brief, short, visible

_FRAME_S = 0.1
_TELLING_S = 2.0
"""Work from which on its pace is trusted."""
_LONGEST = 20_000
"""Characters of a line or a cell; longer than any path, and than most answers."""


class ProgressLine:
    """One line on standard error that is written over as the work goes on; silent where nobody watches."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown = ""
        self._pace = Pace("", 0, 0.0)
        self._drawn_s = 0.0

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Show how far the work is; a finished line stays."""
        self.draw(doing, done, total)
        if done >= total and self._shown:
            print(file=sys.stderr)
            self._shown = ""

    def draw(self, doing: str, done: int, total: int) -> None:
        """Write the line over; not oftener than an eye can follow."""
        if not sys.stderr.isatty():
            return
        now_s = self._clock()
        is_other = doing != self._pace.doing or done < self._pace.first
        if is_other:
            self._pace = Pace(doing, done, now_s)
        elif self._shown and done < total and now_s - self._drawn_s < _FRAME_S:
            return
        self._drawn_s = now_s
        filled = round(24 * done / total) if total else 24
        left = self._pace.left(done, total, now_s)
        line = f"{visible(doing):<20} {'█' * filled:░<24} {done:,}/{total:,}{left and f'  {left}'}"
        line = line[
            : (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
        ]  # a wrapped line cannot be written over
        print(f"\r{line:<{len(self._shown)}}", end="", file=sys.stderr, flush=True)
        self._shown = line

    def clear(self) -> None:
        """Take the line away, so that something else can stand there."""
        if self._shown:
            print(f"\r{'':<{len(self._shown)}}\r", end="", file=sys.stderr, flush=True)
            self._shown = ""

    def close(self) -> None:
        """Leave the line, where the work ended early."""
        if self._shown:
            print(file=sys.stderr)
            self._shown = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """When some work was first heard of, and how many were done then."""

    doing: str
    first: int
    began_s: float

    def left(self, done: int, total: int, now_s: float) -> str:
        """How long the rest will take, in words; empty before that can be told, or where it is not worth it."""
        worked_s = now_s - self.began_s
        if done <= self.first or done >= total or worked_s < _TELLING_S:
            return ""
        return f"{duration(worked_s / (done - self.first) * (total - done))} left"


@contextmanager
def progress_line() -> Iterator[ProgressLine]:
    """A progress line that is left tidily."""
    line = ProgressLine()
    try:
        yield line
    finally:
        line.close()


def say(sentence: str) -> None:
    """Print a sentence beside the results, on one line whatever is in it."""
    print(visible(in_brief(sentence, _LONGEST)), file=sys.stderr, flush=True)


def row(*cells: str) -> None:
    """Print a line of results, its cells divided by tabs; nothing in a cell leaves it."""
    print("\t".join(visible(in_brief(cell, _LONGEST)) for cell in cells), flush=True)


def lines(text: str) -> None:
    """Print lines that were composed of visible names."""
    print("\n".join(visible(in_brief(line, _LONGEST), keep="\t") for line in text.split("\n")), flush=True)


def pieces(texts: Iterable[str]) -> None:
    """Print a text as it comes, in its own lines."""
    for text in texts:
        print(visible(text, keep="\n\t"), end="", flush=True)
    print(flush=True)


def any_encoding() -> None:
    """Let standard output and error write what their encoding lacks as codes, and never fail by it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def duration(seconds: float) -> str:
    """A time for people: whole seconds, from a minute on also minutes, from an hour on hours and minutes."""
    if seconds < 1:
        return "under 1 s"
    minutes, left = divmod(round(seconds), 60)
    if not minutes:
        return f"{left} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {left:02} s"


def number(measure: Measure | None) -> str:
    """A measured number with its interval."""
    if measure is None or measure.value is None:
        return "not measurable"
    interval = "" if measure.low is None or measure.high is None else f"  ({measure.low:.3f} to {measure.high:.3f})"
    return f"{measure.value:.3f}{interval}"


def measures(evaluation: Evaluation) -> str:
    """The measures as lines, of boxes also class by class, and what a reader must know of them."""
    lines = [f"{name.replace('_', ' '):<29}{_measured(name, one)}" for name, one in evaluation.measures.items()]
    if any(one.low is not None for one in evaluation.measures.values()):
        lines.append("In brackets: two-sided 95 % intervals; at most: one-sided 95 % upper bounds.")
    if evaluation.target.locates:
        lines += ["", *_box_classes(evaluation), ""]
    return "\n".join([*lines, *(f"Note: {visible(note)}" for note in evaluation.notes)])


def _measured(name: str, measure: Measure) -> str:
    from kenpin.evaluation.kinds import Unit
    from kenpin.evaluation.measures import kind_of

    if measure.value is not None:
        if (unit := kind_of(name).unit) is Unit.COUNT:
            return f"{measure.value:.0f}"
        if unit is Unit.BOUND:  # never rounded down: what is promised must hold
            return f"{math.ceil(measure.value * 1000 - 1e-9) / 1000:.3f}"
    return number(measure)


def _box_classes(evaluation: Evaluation) -> list[str]:
    """A table of the classes, whose names may be of any script."""
    from rich.cells import cell_len

    labels = {label: short(label) for label in evaluation.per_class}
    width = max(map(cell_len, ("class", *labels.values())))
    heads = ("boxes", "AP 50:95", "AP 50", "precision", "recall", "F1")
    rows = [f"class{' ' * (width - 5)}{''.join(f'{head:>11}' for head in heads)}"]
    for label, one in evaluation.per_class.items():
        shares = (one.average_precision, one.average_precision_50, one.precision, one.recall, one.f1)
        figures = [f"{one.support}", *("–" if share is None else f"{share:.3f}" for share in shares)]
        name = labels[label]
        rows.append(f"{name}{' ' * (width - cell_len(name))}{''.join(f'{figure:>11}' for figure in figures)}")
    return rows
