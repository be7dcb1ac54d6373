"""The section on the data set: fingerprint, splits by class, what was learned from, groups and copies across splits."""

from __future__ import annotations

from collections.abc import Iterator

from kenpin.audit.content import Cell, Grid, Missing, PackSection
from kenpin.audit.figures import CitedFigure, Document
from kenpin.audit.subjects import AuditedRun
from kenpin.report import words
from kenpin.report.names import without_folders
from kenpin.run.layout import LINEAGE
from kenpin.words import Texts


def data_section(run: AuditedRun, id: str, title: str, texts: Texts) -> PackSection:
    """Where the data come from, and how they were divided."""
    document = run.document
    folder, kind = (str(document.get("dataset", key)) or words.NONE for key in ("path", "format"))  # none in memory
    origin: list[tuple[Cell, ...]] = [
        (texts("Data set"), document.figure("dataset", "path", shown=without_folders(folder))),
        (texts("Format"), document.figure("dataset", "format", shown=kind)),
        (texts("Fingerprint of its content"), document.figure("dataset", "fingerprint")),
        (texts("Seed of every random choice"), document.figure("options", "seed")),
    ]
    lineage, missing = [*_lineage(run, texts)], []
    if not lineage:
        missing.append(
            Missing(
                texts("What it has learned from is not recorded."),
                texts("Train again with this version of kenpin."),
            )
        )
    if run.test is None:
        missing.append(
            Missing(
                texts("No test split: the figures below are of the parts that chose the threshold."),
                texts(
                    "Keep parts apart that nothing learned from, and test on them: kenpin evaluate RUN --data NEW "
                    "--name NAME --criteria FILE."
                ),
            )
        )
    if run.doctor is None:
        missing.append(
            Missing(
                texts("Groups and near-duplicates across splits were not looked for."),
                texts(
                    "Write what the doctor finds into the run, and audit again: kenpin doctor DATA --json "
                    "RUN/doctor.json."
                ),
            )
        )
    learned = Grid((), tuple(lineage), texts("What it has learned from, by the content of each picture"))
    grids = [
        Grid((), tuple(origin), texts("Origin")),
        _counts(document, texts),
        *([learned] if lineage else []),
        *([_doctor(run.doctor, texts)] if run.doctor is not None else []),
    ]
    return PackSection(id, title, grids=tuple(grids), missing=tuple(missing))


def _counts(document: Document, texts: Texts) -> Grid:
    """Pictures of each class in each split, as the run recorded them."""
    counts = document.get("dataset", "counts", default={})
    labels = list(dict.fromkeys(label for split in counts.values() for label in split))
    rows = []
    for split, of_split in counts.items():
        cells: list[Cell] = [
            document.figure("dataset", "counts", split, label) if label in of_split else words.NONE for label in labels
        ]
        rows.append((split, *cells))
    head = (texts("Split"), *(words.named(label, texts) for label in labels))
    return Grid(head, tuple(rows), texts("Parts of each class in each split"))


def _lineage(run: AuditedRun, texts: Texts) -> Iterator[tuple[Cell, ...]]:
    if run.lineage is None:
        return
    for role, contents, title in (
        ("learned", run.lineage.learned, texts("Contents that it, or a run below it, has learned from")),
        ("chosen", run.lineage.chosen, texts("Contents that only chose weights or threshold")),
    ):
        yield title, CitedFigure(len(contents), f"{len(contents):,}", f"{run.place}/{LINEAGE}#{role} count")
    names = ", ".join(map(without_folders, run.lineage.names)) or texts("none")
    yield texts("Runs and networks below it"), names


def across_titles(texts: Texts) -> tuple[tuple[str, str], ...]:
    """Code and title of each of the doctor's findings that make parts of a split unfit for a test of the others."""
    return (
        ("group-leak", texts("Groups whose parts are in several splits")),
        ("copies-across-splits", texts("Equal pictures in several splits")),
        ("near-copies-across-splits", texts("Near-duplicates in several splits")),
    )


def _doctor(doctor: Document, texts: Texts) -> Grid:
    """Numbers of the doctor's findings on splits, and of all by their weight."""
    found = [(title, doctor.number_of("findings", code=code)) for code, title in across_titles(texts)]
    rows: list[tuple[Cell, ...]] = [
        *found,
        (texts("Equal pictures that are labelled differently"), doctor.number_of("findings", code="copies-contradict")),
        (texts("Pictures opened"), doctor.figure("opened")),
        (texts("Findings: errors"), doctor.figure("totals", "error")),
        (texts("Findings: warnings"), doctor.figure("totals", "warning")),
    ]
    tones = tuple("bad" if figure.value else "ok" for _, figure in found)
    return Grid((), tuple(rows), texts("What the doctor found"), tones)
