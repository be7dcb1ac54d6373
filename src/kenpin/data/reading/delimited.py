"""Delimited text as programs of all countries write it: its delimiter, its head line, and its rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from kenpin.data.reading.columns import column_of

DELIMITERS = "\t;|,"
"""In the order in which they are taken where the lines allow several: commas also stand in numbers and texts."""
_STATED = re.compile(r'\A"?sep=([^"\r\n])"?[;,\t]*(?:\r\n|\n|\r|\Z)', re.IGNORECASE)
_LINES_TRIED = 20


@dataclass(frozen=True, slots=True)
class TextTable:
    """A delimited text with its delimiter. A line is counted from 1, as editors do."""

    text: str
    delimiter: str
    columns: tuple[str, ...]
    """Names in the head line, which is the first with anything in it, without the empty ones behind the last."""
    head_line: int
    width: int
    """Number of cells of the head line, the empty ones too."""

    def rows(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """Line and cells of each row below the head that is not empty, or what is wrong with it."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield line, error
                continue
            if cells is None:
                return
            if line > self.head_line and _has_any(cells):
                yield line, cells


def table_of_text(text: str) -> TextTable | None:
    """The table in a text, or in its beginning; None of an empty one."""
    stated = _STATED.match(text)
    tried = {delimiter: _first_lines(text, delimiter) for delimiter in (stated[1] if stated else DELIMITERS)}
    delimiter = max(tried, key=lambda delimiter: _plausibility(tried[delimiter]))
    first = 2 if stated else 1
    head = next(((line, cells) for line, cells in tried[delimiter] if line >= first and _has_any(cells)), None)
    if head is None:
        return None
    names = [cell.strip() for cell in head[1]]
    while not names[-1]:
        names.pop()
    return TextTable(text, delimiter, tuple(names), head[0], len(head[1]))


def _first_lines(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The number and the cells of the first lines, as far as they can be read."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[tuple[int, list[str]]] = []
    with suppress(csv.Error):
        lines.extend((reader.line_num, cells) for cells in islice(reader, _LINES_TRIED))
    return lines


def _has_any(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _plausibility(lines: Sequence[tuple[int, list[str]]]) -> tuple[bool, bool, float, int]:
    """Whether a column of pictures is named, whether there are several, how many lines agree, and how many cells."""
    rows = [cells for _, cells in lines if _has_any(cells)]
    if not rows:
        return False, False, 0.0, 0
    count = len(rows[0])
    agree = sum(len(cells) == count for cells in rows) / len(rows)
    return column_of("image", rows[0]) is not None, count > 1, agree, count
