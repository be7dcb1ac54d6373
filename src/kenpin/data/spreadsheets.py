"""Cells of a table that a spreadsheet would take for formulas, told to the person who may open it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kenpin.data.dataset import Dataset
from kenpin.plural import counted
from kenpin.visible import short

_BEGIN = ("=", "+", "-", "@", "\t", "\r")
TABLES = frozenset({"csv", "items"})
"""Formats that are tables of text, which people open in spreadsheets."""


def formula_note(dataset: Dataset) -> str | None:
    """A sentence on the cells that a spreadsheet would compute, were the data set written as a table; None without any.

    The table keeps them as they are, for it is read back exactly.
    """
    found = list(dict.fromkeys(cell for cell in _cells(dataset) if is_formula(cell)))
    if not found:
        return None
    which = f"such as {short(found[0], 40)!r}" if len(found) > 1 else repr(short(found[0], 40))
    return (
        f"{counted(len(found), 'text')} in the table, {which}, would be computed as formulas by a spreadsheet; rename "
        "them, or import the columns as text."
    )


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would compute this text: it begins a formula, and is not a number or a single sign."""
    if not cell.startswith(_BEGIN) or len(cell) == 1:
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def as_text_cell(cell: str) -> str:
    """The text as a cell that a spreadsheet shows and does not compute: an apostrophe is put before a formula.

    >>> as_text_cell("=1+1"), as_text_cell("-1.5"), as_text_cell("L-7")
    ("'=1+1", '-1.5', 'L-7')
    """
    return f"'{cell}" if is_formula(cell) else cell


def _cells(dataset: Dataset) -> Iterator[str]:
    for name in ("label", "group", "split"):
        yield from (cell for cell in dataset.column(name) if cell is not None)
    for attributes in dict.fromkeys(dataset.column("attributes")):
        for name, value in json.loads(attributes).items() if attributes != "{}" else ():
            yield from (name, str(value))
