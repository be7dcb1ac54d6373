"""Markdown tables of figures, each with as many digits as it deserves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def figure(value: float) -> str:
    """Three significant digits."""
    if value == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def rate(work: float, seconds: Sequence[float]) -> str:
    """Work a second, of the fastest repetition, and of the median one in brackets."""
    return f"{figure(work / min(seconds))} ({figure(work / median(seconds))})"


def duration(seconds: Sequence[float]) -> str:
    """The shortest time, and the median one in brackets."""
    return f"{figure(min(seconds))} ({figure(median(seconds))})"


def megabytes(size_bytes: float) -> str:
    """Bytes as MB."""
    return figure(size_bytes / 1e6)


def growth(few: Sequence[float], many: Sequence[float], times_more: float) -> str:
    """How much longer than in proportion the larger amount takes; 1 is linear."""
    return f"{min(many) / min(few) / times_more:.2f}"
