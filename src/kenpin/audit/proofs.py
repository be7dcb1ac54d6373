"""What of a pack proves what: by name, the section in which it stands, and its leading figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kenpin.audit.acceptance import Checked, Fixed
from kenpin.audit.data import across_titles
from kenpin.audit.figures import CitedFigure, Document
from kenpin.audit.history import approvals
from kenpin.audit.requirements import Met, Proof
from kenpin.audit.studies import DRIFT, GAGE, Study, gage_figures
from kenpin.audit.subjects import AuditedRun, AuditSubject, Evaluated
from kenpin.report import words
from kenpin.words import Texts

_IN_WORDS = ("florence2", "paligemma", "vlm")
"""Families that answer in words, as generative models do."""


def proofs(
    subject: AuditSubject,
    checked: Sequence[tuple[AuditedRun, str, Sequence[Checked]]],
    studies: Sequence[Study],
    trails: Sequence[Document],
    texts: Texts,
    *,
    signed: bool,
) -> dict[Proof, Met]:
    """What is there. checked: each run with the prefix of its sections' anchors, and its criteria."""
    found: dict[Proof, Met] = {}
    runs, first = subject.runs, checked[0][1]
    if not any(run.record.family in _IN_WORDS for run in runs):
        seals = tuple((texts("Seal of the record"), run.document.figure("seal")) for run in runs)
        found["record"] = Met("history", seals)
    fixed = [criteria for _, _, of_run in checked for criteria in of_run]
    if all(of_run for _, _, of_run in checked):
        found |= _of_criteria(fixed, f"{first}acceptance", texts)
    tests = [run.test for run in runs if run.test is not None]
    if len(tests) == len(runs):
        found |= _of_tests(tests, f"{first}evaluation", texts, is_recorded=all(run.lineage is not None for run in runs))
        if any((run.folder / run.inner / "maps.npz").is_file() for run in runs):
            found["mistakes"] = Met(f"{first}evaluation")
    doctors = [run.doctor for run in runs if run.doctor is not None]
    if len(doctors) == len(runs):
        across = [
            (title, doctor.number_of("findings", code=code))
            for doctor in doctors
            for code, title in across_titles(texts)
        ]
        if not any(one.value for _, one in across):
            found["doctor"] = Met(f"{first}data", tuple(across))
    if cuts := tuple(_cuts(runs, texts)):
        found["threshold"] = Met(f"{first}evaluation", cuts)
    found |= _of_studies(studies, texts)
    if any(one.fixed.criteria.drift is not None for one in fixed):
        found["drift"] = Met("drift")
    if approved := approvals(subject, trails):
        found["approval"] = Met("history", tuple((texts("Who"), trail.figure(line, "who")) for trail, line in approved))
        found["trail"] = Met("history")
    if subject.records is not None or subject.station is not None:
        found["records"] = Met("files")
    if subject.records is not None:
        found.setdefault("trail", Met("files"))  # each record holds the version that judged
    if signed:
        found["signature"] = Met("files")
    return found


def _of_criteria(fixed: Sequence[Checked], section: str, texts: Texts) -> Iterator[tuple[Proof, Met]]:
    if all(one.when is Fixed.BEFORE for one in fixed):
        yield "fixed", Met(section, tuple((texts("Fixed on"), one.document.time("fixed_at")) for one in fixed))
    if all(one.fixed.criteria.intended_use is not None for one in fixed):
        yield "intended-use", Met(section)
    if any(one.fixed.criteria.gage is not None for one in fixed):
        yield "gage-limits", Met(section)


def _of_tests(
    tests: Sequence[Evaluated], section: str, texts: Texts, *, is_recorded: bool
) -> Iterator[tuple[Proof, Met]]:
    """is_recorded: whether it is known what each run has learned from."""
    yield "test", Met(section, tuple(_bounds(tests, texts)))
    kinds = ((texts("Defective parts tested"), True), (texts("Good parts tested"), False))
    counts = ((title, one.document.number_of("judged", defective=bad)) for one in tests for title, bad in kinds)
    yield "counts", Met(section, tuple(counts))
    seen = tuple(
        (texts("Parts that it had learned from"), one.document.number_of("judged", seen=True)) for one in tests
    )
    if is_recorded and not any(figure.value for _, figure in seen):
        yield "held-out", Met(section, seen)


def _of_studies(studies: Sequence[Study], texts: Texts) -> Iterator[tuple[Proof, Met]]:
    gages = [study for study in studies if study.findings.kind == GAGE]
    if gages:
        kappas = (
            (texts("kappa of %(who)s", who=who), one) for study in gages for who, one in gage_figures(study, "kappa")
        )
        shares = (("%GRR", one) for study in gages for _, one in gage_figures(study, "gage_share"))
        yield "gage", Met("gage", (*kappas, *shares))
    if any(study.findings.kind == DRIFT for study in studies):
        yield "drift", Met("drift")


def _bounds(tests: Sequence[Evaluated], texts: Texts) -> Iterator[tuple[str, CitedFigure]]:
    for one in tests:
        for name in ("escape_rate_at_most", "overkill_rate_at_most"):
            number = one.document.get("measures", name, "value")
            if number is not None:
                figure = one.document.figure("measures", name, "value", shown=words.value(name, number))
                yield words.title(name, texts), figure


def _cuts(runs: Sequence[AuditedRun], texts: Texts) -> Iterator[tuple[str, CitedFigure]]:
    for run in runs:
        number = run.document.get("threshold", "review_from")
        if number is not None:
            shown = words.score(number, texts)
            yield texts("REVIEW from"), run.document.figure("threshold", "review_from", shown=shown)
