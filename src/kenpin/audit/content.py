"""Content of an audit pack's page: sections with sentences, tables, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kenpin.audit.figures import CitedFigure
from kenpin.report.findings import Findings

Cell = CitedFigure | str


@dataclass(frozen=True, slots=True)
class Missing:
    """What a pack should hold and does not."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of figures and words."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    tones: tuple[str, ...] = ()
    """Of each row: `ok`, `bad`, `open` or nothing; where they are, a row's first cell is drawn in it."""

    def tone(self, row: int) -> str:
        """The tone of a row; empty where it has none."""
        return self.tones[row] if row < len(self.tones) else ""


@dataclass(frozen=True, slots=True)
class ShownStudy:
    """What a study found: its charts, and beside them its tables, in the page's language, and those that are not known
    in it."""

    said: Findings
    said_tables: tuple[Grid, ...]
    english: Findings
    english_tables: tuple[Grid, ...]


@dataclass(frozen=True, slots=True)
class PackSection:
    """A section of the page."""

    id: str
    """Its anchor."""
    title: str
    sentences: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    """Sentences that a record holds, in English."""
    grids: tuple[Grid, ...] = ()
    missing: tuple[Missing, ...] = ()
    studies: tuple[ShownStudy, ...] = ()

    @property
    def figures(self) -> Iterator[tuple[str, CitedFigure, bool]]:
        """Each figure with the words of its row, and of its column where the row has several; and whether these are
        English on a page in another language."""
        said = (*self.grids, *(grid for study in self.studies for grid in study.said_tables))
        english = tuple(grid for study in self.studies for grid in study.english_tables)
        for grid, is_english in (*((grid, False) for grid in said), *((grid, True) for grid in english)):
            for row in grid.rows:
                name = next((cell for cell in row if isinstance(cell, str)), grid.caption)
                found = [(column, cell) for column, cell in enumerate(row) if isinstance(cell, CitedFigure)]
                for column, cell in found:
                    yield f"{name} · {grid.head[column]}" if grid.head and len(found) > 1 else name, cell, is_english


def sections_to_json(sections: tuple[PackSection, ...]) -> list[dict[str, Any]]:
    """Every figure of the page for programs, and what is not there."""
    return [
        {
            "id": section.id,
            "title": section.title,
            "figures": [{"of": name, "value": one.value, "from": one.source} for name, one, _ in section.figures],
            "not_there": [{"what": one.what, "remedy": one.remedy} for one in section.missing],
        }
        for section in sections
    ]
