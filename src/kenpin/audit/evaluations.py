"""The section on evaluations: every measure with its interval, the confusion, the threshold, and the notes."""

from __future__ import annotations

from collections.abc import Iterator

from kenpin.audit.acceptance import evaluation_name
from kenpin.audit.content import Cell, Grid, PackSection
from kenpin.audit.figures import Document
from kenpin.audit.subjects import AuditedRun, Evaluated
from kenpin.report import words
from kenpin.report.names import without_folders
from kenpin.words import Texts


def evaluation_section(run: AuditedRun, id: str, title: str, texts: Texts) -> PackSection:
    """What each evaluation of the run found, as it is recorded."""
    grids, recorded = list[Grid](), list[str]()
    for one in run.evaluations:
        grids += _grids(one, texts)
        where = one.name or one.document.get("split")
        recorded += [f"{where}: {note}" for note in one.document.get("notes", default=())]
    grids += _threshold(run.document, texts)
    notes = dict.fromkeys(without_folders(str(note)) for note in (*recorded, *run.record.notes))
    sentence = texts(
        "Intervals are two-sided 95 %, bounds (“at most”) one-sided 95 %. They allow only for chance in which parts "
        "were tested: parts of another lot, camera or season may do worse."
    )
    return PackSection(id, title, (sentence,), tuple(notes), tuple(grids))


def _grids(one: Evaluated, texts: Texts) -> Iterator[Grid]:
    document, name = one.document, evaluation_name(one, texts)
    rows: list[tuple[Cell, ...]] = [
        (texts("Parts judged"), document.number_of("judged"), words.NONE, words.NONE),
        (texts("Defective parts"), document.number_of("judged", defective=True), words.NONE, words.NONE),
        (texts("Parts that it had learned from"), document.number_of("judged", seen=True), words.NONE, words.NONE),
    ]
    for measure, values in document.get("measures", default={}).items():
        if values.get("value") is None:
            continue
        cells: list[Cell] = [
            document.figure("measures", measure, end, shown=words.value(measure, values[end]))
            if values.get(end) is not None
            else words.NONE
            for end in ("value", "low", "high")
        ]
        rows.append((words.title(measure, texts), *cells))
    head = (texts("Measure"), texts("value"), texts("low"), texts("high"))
    yield Grid(head, tuple(rows), texts("Evaluation “%(name)s”", name=name))
    labels = document.get("labels", default=())
    if labels and document.get("confusion"):
        matrix: tuple[tuple[Cell, ...], ...] = tuple(
            (words.named(label, texts), *(document.figure("confusion", row, column) for column in range(len(labels))))
            for row, label in enumerate(labels)
        )
        classes = (texts("Truth"), *(words.named(label, texts) for label in labels))
        yield Grid(classes, matrix, texts("Confusion: rows are the truth, columns what was predicted"))


def _threshold(document: Document, texts: Texts) -> Iterator[Grid]:
    if document.get("threshold") is None:
        return
    titles = {
        "fail_from": texts("FAIL from"),
        "review_from": texts("REVIEW from"),
        "cost_escape": texts("Cost of an escape"),
        "cost_overkill": texts("Cost of an overkill"),
        "cost_review": texts("Cost of a review"),
        "defect_rate": texts("Share of defective parts"),
    }
    rows: list[tuple[Cell, ...]] = []
    for key, title in titles.items():
        number = document.get("threshold", key)
        if number is not None:
            shown = words.score(number, texts) if isinstance(number, float) else None
            rows.append((title, document.figure("threshold", key, shown=shown)))
    yield Grid((), tuple(rows), texts("Threshold"))
