"""What the commands share in showing: progress on a terminal, sentences, numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kenpin.records import Evaluation, Measure


class ProgressLine:
    """One line on standard error that is written over as the work goes on; silent where nobody watches."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Show how far the work is."""
        if not sys.stderr.isatty():
            return
        filled = round(24 * done / total) if total else 24
        end = "\n" if done >= total else ""
        print(f"\r{doing:<20} {'█' * filled:░<24} {done}/{total}", end=end, file=sys.stderr, flush=True)
        self._open = not end

    def close(self) -> None:
        """Leave the line, where the work ended early."""
        if self._open:
            print(file=sys.stderr)
            self._open = False


@contextmanager
def progress_line() -> Iterator[ProgressLine]:
    """A progress line that is left tidily."""
    line = ProgressLine()
    try:
        yield line
    finally:
        line.close()


def say(sentence: str) -> None:
    """Tell a sentence beside the results."""
    print(sentence, file=sys.stderr, flush=True)


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
    if evaluation.target == "boxes":
        lines += ["", *_box_classes(evaluation), ""]
    return "\n".join([*lines, *(f"Note: {note}" for note in evaluation.notes)])


def _measured(name: str, measure: Measure) -> str:
    return f"{measure.value:.0f}" if name == "rejected_pieces" and measure.value is not None else number(measure)


def _box_classes(evaluation: Evaluation) -> list[str]:
    """A table of the classes, whose names may be of any script."""
    from rich.cells import cell_len

    width = max(map(cell_len, ("class", *evaluation.per_class)))
    heads = ("boxes", "AP 50:95", "AP 50", "precision", "recall", "F1")
    rows = [f"class{' ' * (width - 5)}{''.join(f'{head:>11}' for head in heads)}"]
    for label, one in evaluation.per_class.items():
        shares = (one.average_precision, one.average_precision_50, one.precision, one.recall, one.f1)
        figures = [f"{one.support}", *("–" if share is None else f"{share:.3f}" for share in shares)]
        rows.append(f"{label}{' ' * (width - cell_len(label))}{''.join(f'{figure:>11}' for figure in figures)}")
    return rows
