"""The sections on studies: the gage study, the plan against drift, and what was found of either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kenpin.audit.content import Cell, Grid, Missing, PackSection, ShownStudy
from kenpin.audit.figures import CitedFigure, Document
from kenpin.report import words
from kenpin.report.findings import Findings
from kenpin.report.plots import Table
from kenpin.report.said_figures import table_in_language
from kenpin.run.criteria import FixedCriteria
from kenpin.words import Texts
from kenpin.words.sentences import NAMELESS

GAGE, DRIFT = "gage", "drift"
_ENDS = {
    "kappa": ": with truth",
    "repeats": ": repeats itself",
    "effectiveness": ": effectiveness",
    "missed": ": missed NG",
    "false_alarms": ": false alarms on OK",
    "gage_share": "gage R&R",
}
"""How the bars of a gage study end that a limit is of."""
_FORMERLY = "inspector"  # the name for who gave none, in criteria that were fixed before and cannot be written again


@dataclass(frozen=True, slots=True)
class Study:
    """Findings that a command wrote."""

    findings: Findings
    document: Document


def gage_figures(study: Study, key: str, appraiser: str | None = None) -> Iterator[tuple[str, CitedFigure]]:
    """Who, and the exact number of a gage study that a limit of this name is of. appraiser: of this one alone; None: of
    everyone who was studied."""
    if study.findings.kind != GAGE:
        return
    for p, plot in enumerate(study.findings.bars):
        for b, bar in enumerate(plot.bars):
            who = bar.name.removesuffix(_ENDS[key])
            if who == bar.name or (key == "gage_share" and who) or (who and not _is_wanted(who, appraiser)):
                continue
            shown = f"{bar.value:.3f}" if key == "kappa" else words.percent(bar.value)
            yield who, study.document.figure("bars", p, "bars", b, "value", shown=shown)


def _is_wanted(who: str, appraiser: str | None) -> bool:
    return appraiser in (None, who) or (appraiser == _FORMERLY and who == NAMELESS)


def gage_section(studies: Sequence[Study], texts: Texts) -> PackSection:
    """What gage studies found."""
    found = [study for study in studies if study.findings.kind == GAGE]
    missing = Missing(
        texts("No gage study (measurement systems analysis) is there."),
        texts(
            "Let the inspector judge 50 or more parts several times, with people beside it, and add what kenpin gage "
            "TABLE --json FILE writes: kenpin audit … --with FILE."
        ),
    )
    return PackSection(
        "gage",
        texts("Gage study"),
        studies=tuple(_shown(study, texts) for study in found),
        missing=() if found else (missing,),
    )


def drift_section(
    plans: Sequence[tuple[FixedCriteria, Document]], studies: Sequence[Study], chosen: Sequence[Grid], texts: Texts
) -> PackSection:
    """How the inspector is watched. chosen: references of charts that a person chose at a station."""
    found = [study for study in studies if study.findings.kind == DRIFT]
    planned = [document for fixed, document in plans if fixed.criteria.drift is not None]
    missing = []
    if not planned:
        missing.append(
            Missing(
                texts("No plan says how the inspector is watched once it runs."),
                texts(
                    "Write it below `drift` in the file of acceptance criteria: measure, reference, every, on_alarm."
                ),
            )
        )
    if not found and not chosen:
        missing.append(
            Missing(
                texts("No check for drift is there."),
                texts(
                    "Once it runs, add what kenpin drift NEW --reference OLD --json FILE writes, or audit the policy "
                    "of a station, which charts every part."
                ),
            )
        )
    grids = (*(_plan(document, texts) for document in planned), *chosen)
    return PackSection(
        "drift",
        texts("Plan against drift"),
        grids=grids,
        studies=tuple(_shown(study, texts) for study in found),
        missing=tuple(missing),
    )


def _plan(document: Document, texts: Texts) -> Grid:
    rows: list[tuple[Cell, ...]] = []
    for key, title in (
        ("measure", texts("What is charted")),
        ("reference", texts("Compared with")),
        ("every", texts("Looked at")),
        ("on_alarm", texts("At an alarm")),
        ("arl", texts("Points between two false alarms, on average")),
        ("shift", texts("Shift to be found soonest, in standard deviations")),
    ):
        value = document.get("criteria", "drift", key)
        shown = f"{value:,g}" if isinstance(value, int | float) else None
        rows.append((title, document.figure("criteria", "drift", key, shown=shown)))
    return Grid((), tuple(rows), texts("As fixed in %(file)s", file=document.get("name")))


def _shown(study: Study, texts: Texts) -> ShownStudy:
    """A study in the page's language, each cell of its tables from its file."""
    said, english = replace(study.findings, tables=()).in_language(texts)  # the tables become grids
    tables: tuple[list[Grid], list[Grid]] = [], []
    for number, table in enumerate(study.findings.tables):
        shown = table_in_language(table, texts)
        tables[shown is None].append(_grid(study.document, number, shown or table))
    return ShownStudy(said, tuple(tables[0]), english, tuple(tables[1]))


def _grid(document: Document, number: int, table: Table) -> Grid:
    """A table of a study, as it is shown; number: which of those in the file."""
    return Grid(
        table.head,
        tuple(
            (
                row[0],
                *(
                    document.figure("tables", number, "rows", r, c, shown=cell)
                    for c, cell in enumerate(row[1:], start=1)
                ),
            )
            for r, row in enumerate(table.rows)
        ),
        table.title,
    )
