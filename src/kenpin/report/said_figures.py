"""Charts and tables of studies in the language of a page: whole ones, or not at all.

A chart or table is known by its title and head (`kenpin.words.sentences.figures`). Where a word of it is not known, as
of another version, all of it stays English, and the page says so of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from kenpin.report.plots import BarPlot, LinePlot, Table
from kenpin.words import Texts
from kenpin.words.recorded import made, translated, translated_by
from kenpin.words.sentences.figures import (
    BAR_PLOTS,
    EVERYBODY,
    LINE_PLOTS,
    NAMELESS,
    TABLES,
    TWO_NAMES,
    PlotWords,
    TableWords,
)

_Words = TypeVar("_Words", PlotWords, TableWords)
_Part = TypeVar("_Part")
_NUMBER = re.compile(r"(?:[-+−]?\d[\d.,]*(?:e[-+]?\d+)?(?: %)?|[–]|inf|nan)?")


class _UnknownError(Exception):
    """A word that no template of its place made."""


def table_in_language(table: Table, texts: Texts) -> Table | None:
    """The table in a language, names in it as they are; None where some of it is not known in it."""
    if texts.language == "en":
        return table

    def said(words: TableWords) -> Table:
        rows = tuple(_row(row, words, texts) for row in table.rows)
        return Table(_said(words.titles, table.title, texts), tuple(map(texts, table.head)), rows)

    return _first_known((one for one in TABLES if one.head == table.head), said)


def line_plot_in_language(plot: LinePlot, texts: Texts) -> LinePlot | None:
    """The chart in a language; None where some of it is not known in it."""
    if texts.language == "en":
        return plot

    def said(words: PlotWords) -> LinePlot:
        return replace(
            plot,
            **_around(plot, words, texts),
            lines=tuple(replace(line, name=_said(words.names, line.name, texts)) for line in plot.lines),
            x=replace(plot.x, label=_label(plot.x.label, words, texts)),
            y=replace(plot.y, label=_label(plot.y.label, words, texts)),
        )

    return _first_known(LINE_PLOTS, said)


def bar_plot_in_language(plot: BarPlot, texts: Texts) -> BarPlot | None:
    """The chart in a language, names in it as they are; None where some of it is not known in it."""
    if texts.language == "en":
        return plot

    def said(words: PlotWords) -> BarPlot:
        return replace(
            plot,
            **_around(plot, words, texts),
            bars=tuple(replace(bar, name=_said(words.names, bar.name, texts)) for bar in plot.bars),
            label=_label(plot.label, words, texts),
        )

    return _first_known(BAR_PLOTS, said)


def _first_known(among: Iterable[_Words], said: Callable[[_Words], _Part]) -> _Part | None:
    """What it is by the first words that know all of it."""
    for words in among:
        with suppress(_UnknownError):
            return said(words)
    return None


def _around(plot: LinePlot | BarPlot, words: PlotWords, texts: Texts) -> dict[str, Any]:
    """Title, text alternative and caption of a chart."""
    return {
        "title": _said(words.titles, plot.title, texts),
        "described": _sentences(plot.described, texts),
        "caption": _sentences(plot.caption, texts),
    }


def _row(row: tuple[str, ...], words: TableWords, texts: Texts) -> tuple[str, ...]:
    return tuple(
        _name(cell, row[1], words, texts)
        if head in words.names
        else cell
        if _NUMBER.fullmatch(cell)
        else _said(words.cells.get(head, ()), cell, texts)
        for head, cell in zip(words.head, row, strict=True)
    )


def _name(name: str, of: str, words: TableWords, texts: Texts) -> str:
    """A name as it is, but for those that kenpin itself gives. of: the second cell of its row."""
    if of in words.of_two:
        return translated_by(made(TWO_NAMES), name, texts) or name
    if name == NAMELESS or (of in words.of_all and name == EVERYBODY):
        return texts(name)
    return name


def _said(among: Iterable[str], text: str, texts: Texts) -> str:
    said = translated_by(made(*among), text, texts)
    if said is None:
        raise _UnknownError
    return said


def _sentences(text: str, texts: Texts) -> str:
    said = translated(text, texts) if text else ""
    if said is None:
        raise _UnknownError
    return said


def _label(label: str, words: PlotWords, texts: Texts) -> str:
    if label not in words.axes:
        raise _UnknownError
    return texts(label)
