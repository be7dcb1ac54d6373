"""The section on history: what was trained, from what, when; and which versions people let judge at a station."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kenpin.audit.content import Cell, Grid, Missing, PackSection
from kenpin.audit.figures import Document
from kenpin.audit.subjects import AuditedRun, AuditSubject
from kenpin.chained import read_lines
from kenpin.report.names import family_title, without_folders
from kenpin.station.trail import TRAIL_ENTRIES
from kenpin.words import Texts

APPROVED, REFERENCE = "version-approved", "reference-set"
_TOLD = ("version-installed", APPROVED, "version-rejected", "version-switched")


def trails_of(subject: AuditSubject) -> tuple[Document, ...]:
    """The trails of the station, their lines as a list each. Raises RunError where one was changed, OSError."""
    if subject.station is None:
        return ()
    return tuple(
        Document(f"station/trails/{path.name}", [values for values, _ in read_lines(path, TRAIL_ENTRIES)])
        for path in sorted(subject.station.trails.glob("*.jsonl"))
    )


def history_section(subject: AuditSubject, trails: Sequence[Document], texts: Texts) -> PackSection:
    """Runs, versions, and who decided about them."""
    grids, missing = [_run(run, texts) for run in subject.runs], []
    if subject.policy_document is not None:
        grids.append(_policy(subject.policy_document, texts))
    told = [*_entries(subject, trails, _TOLD)]
    if told:
        head = (texts("When"), texts("What"), texts("Version"), texts("Who"), texts("Reason"))
        kinds = {
            "version-installed": texts("version installed"),
            APPROVED: texts("version approved"),
            "version-rejected": texts("version rejected"),
            "version-switched": texts("another version judges"),
        }
        rows = tuple(
            (
                trail.time(line, "at"),
                trail.figure(line, "what", shown=kinds[trail.get(line, "what")]),
                trail.figure(line, "about", "version"),
                trail.figure(line, "who"),
                _reason(trail, line),
            )
            for trail, line in told
        )
        grids.append(Grid(head, rows, texts("Versions of %(product)s at the station", product=subject.product or "")))
    if not approvals(subject, trails):
        missing.append(
            Missing(
                texts("Nobody's approval is recorded."),
                texts(
                    "Let a person approve the version at a station, whose trail records who, when and why, and audit "
                    "its policy; or let who approves sign this pack with an own key: --sign KEY."
                ),
            )
        )
    return PackSection("history", texts("Changes and approvals"), grids=tuple(grids), missing=tuple(missing))


def approvals(subject: AuditSubject, trails: Sequence[Document]) -> list[tuple[Document, int]]:
    """Entries by which a person let the audited version judge."""
    return [
        (trail, line)
        for trail, line in _entries(subject, trails, (APPROVED,))
        if subject.version is None or trail.get(line, "about", "version") == subject.version
    ]


def references(subject: AuditSubject, trails: Sequence[Document], texts: Texts) -> tuple[Grid, ...]:
    """References of control charts that people chose."""
    rows = tuple(
        (
            trail.time(line, "at"),
            trail.figure(line, "who"),
            trail.figure(line, "about", "version"),
            _reason(trail, line),
        )
        for trail, line in _entries(subject, trails, (REFERENCE,))
    )
    head = (texts("When"), texts("Who"), texts("Version"), texts("Reason"))
    return (Grid(head, rows, texts("References of the station's charts")),) if rows else ()


def _reason(trail: Document, line: int) -> Cell:
    key = "reason" if trail.get(line, "about", "reason") is not None else "origin"
    return trail.figure(line, "about", key) if trail.get(line, "about", key) is not None else "–"


def _entries(subject: AuditSubject, trails: Sequence[Document], kinds: Sequence[str]) -> Iterator[tuple[Document, int]]:
    """Trail and line of each entry of these kinds about the product, in the order of time."""
    found = [
        (str(entry["at"]), trail, line)
        for trail in trails
        for line, entry in enumerate(trail.values)
        if entry["what"] in kinds and entry["about"].get("product") == subject.product
    ]
    for _, trail, line in sorted(found, key=lambda one: one[0]):
        yield trail, line


def _run(run: AuditedRun, texts: Texts) -> Grid:
    document = run.document
    rows: list[tuple[Cell, ...]] = [
        (texts("Family"), document.figure("family", shown=family_title(run.record.family, texts))),
        (texts("Base"), document.figure("base_id", shown=without_folders(run.record.base_id))),
    ]
    if run.record.base_commit is not None:
        rows.append((texts("Revision of the base"), document.figure("base_commit")))
    rows += [
        (texts("Made"), document.time("created")),
        (texts("Seconds of training"), document.figure("seconds")),
        (texts("Device"), document.figure("device")),
        (texts("Version of kenpin"), document.figure("versions", "kenpin")),
        (texts("Seal of the record"), document.figure("seal")),
    ]
    before = document.get("dataset", "before")
    if isinstance(before, dict):
        rows += [
            (texts("Updated from: %(what)s", what=key), document.figure("dataset", "before", key))
            for key, value in before.items()
            if isinstance(value, str | int)
        ]
    if run.package is not None:
        rows += [
            (texts("Packed"), run.package.time("created")),
            (texts("Packed for"), run.package.figure("made_for")),
            (texts("Number format"), run.package.figure("precision")),
        ]
    return Grid((), tuple(rows), texts("Run %(name)s", name=run.name))


def _policy(document: Document, texts: Texts) -> Grid:
    rows: list[tuple[Cell, ...]] = [
        (texts("Rule %(number)s", number=number), document.figure("rules", number - 1))
        for number, _ in enumerate(document.get("rules", default=()), start=1)
    ]
    for name, options in document.get("runs", default={}).items():
        path = ("runs", name, "fail_from")
        if isinstance(options, dict) and options.get("fail_from") is not None:
            rows.append((texts("%(run)s: FAIL from", run=name), document.figure(*path)))
    if not rows:
        rows.append((texts("Rules"), texts("none: the worst verdict of the runs decides")))
    return Grid((), tuple(rows), texts("Policy"))
