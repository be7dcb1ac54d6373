"""The section on acceptance criteria: whether they were fixed before the test, and whether each is met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from kenpin.audit.content import Cell, Grid, Missing, PackSection
from kenpin.audit.figures import CitedFigure, Document
from kenpin.audit.studies import Study, gage_figures
from kenpin.audit.subjects import AuditedRun, Evaluated
from kenpin.report import words
from kenpin.run.criteria import Criteria, FixedCriteria, MeasureLimit
from kenpin.run.layout import evaluation_files
from kenpin.run.seal import file_hash
from kenpin.words import Texts


class Fixed(Enum):
    """When criteria were fixed."""

    BEFORE = "before"
    """Before the first of these parts was judged."""
    AFTER = "after"
    """After the evaluation, or after another one of the same parts."""
    UNKNOWN = "unknown"
    """The record does not show it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Criteria, and the evaluation that they are checked on."""

    evaluated: Evaluated
    fixed: FixedCriteria
    document: Document
    """Where the criteria stand."""
    when: Fixed
    results: tuple[tuple[str, Cell, Cell, bool | None], ...]
    """What is limited, the limit, what was measured, and whether it is met; None: it was not measured."""

    @property
    def is_met(self) -> bool:
        """Whether all are met, and were fixed before."""
        return self.when is Fixed.BEFORE and all(result[3] is True for result in self.results)


def check_criteria(
    run: AuditedRun, given: tuple[FixedCriteria, Document] | None, studies: Sequence[Study], texts: Texts
) -> tuple[Checked, ...]:
    """The criteria that the run holds, or else those that are given now, which were then fixed after the test."""
    found = []
    for one in run.evaluations:
        if one.criteria is not None and one.criteria_document is not None:
            when = _when(run, one)
            results = tuple(_results(one, one.criteria.criteria, one.criteria_document, studies, texts))
            found.append(Checked(one, one.criteria, one.criteria_document, when, results))
    if not found and given is not None:
        fixed, document = given
        tested = run.test or run.evaluations[0]
        results = tuple(_results(tested, fixed.criteria, document, studies, texts))
        found.append(Checked(tested, fixed, document, Fixed.AFTER, results))
    return tuple(found)


def acceptance_section(run: AuditedRun, checked: Sequence[Checked], id: str, title: str, texts: Texts) -> PackSection:
    """Each criterion with its limit, what was measured, and whether it is met."""
    if not checked:
        what = texts("No acceptance criteria were fixed before the test.")
        remedy = texts(
            "Write them into a YAML file before the next test, and give it to the training or to an evaluation on "
            "parts that were not tested yet: kenpin evaluate RUN --data NEW --name NAME --criteria FILE."
        )
        return PackSection(id, title, missing=(Missing(what, remedy),))
    grids, sentences, missing = [], [], []
    for one in checked:
        name = evaluation_name(one.evaluated, texts)
        head = (texts("Criterion"), texts("Limit"), texts("Measured"), texts("Result"))
        rows = tuple((what, limit, found, _result(met, texts)) for what, limit, found, met in one.results)
        tones = tuple("open" if met is None else "ok" if met else "bad" for *_, met in one.results)
        grids += [_fixing(one, run, texts), Grid(head, rows, texts("Checked on “%(name)s”", name=name), tones)]
        met = sum(result[3] is True for result in one.results)
        all_of_them = texts("%(met)s of %(all)s criteria are met on “%(name)s”.", met=met, all=len(rows), name=name)
        sentences.append(all_of_them)
        if one.when is Fixed.AFTER:
            missing.append(
                Missing(
                    texts("These criteria were set after the parts had been tested, so that they prove nothing."),
                    texts(
                        "Fix them, then test on parts that nobody has tested: kenpin evaluate RUN --data NEW --name "
                        "NAME --criteria FILE."
                    ),
                )
            )
        elif one.when is Fixed.UNKNOWN:
            missing.append(
                Missing(
                    texts("The record does not show that these criteria were fixed before the test."),
                    texts("Evaluate again on parts that nobody has tested, with --criteria."),
                )
            )
        missing += [
            Missing(texts("Not measured: %(what)s.", what=what), texts("Measure it, or say in writing why not."))
            for what, _, _, met in one.results
            if met is None
        ]
    return PackSection(id, title, tuple(sentences), grids=tuple(grids), missing=tuple(missing))


def evaluation_name(one: Evaluated, texts: Texts) -> str:
    """What an evaluation is called on the page."""
    return one.name or texts("%(split)s (in training)", split=one.document.get("split"))


def _fixing(one: Checked, run: AuditedRun, texts: Texts) -> Grid:
    when = {
        Fixed.BEFORE: texts("before the test"),
        Fixed.AFTER: texts("after the test"),
        Fixed.UNKNOWN: texts("not shown"),
    }[one.when]
    rows: list[tuple[Cell, ...]] = [
        (texts("File of criteria"), one.document.figure("name")),
        (texts("SHA-256 of it"), one.document.figure("sha256")),
        (texts("Fixed on"), one.document.time("fixed_at")),
    ]
    if one.evaluated.criteria is None or not one.evaluated.name:
        rows.append((texts("Test recorded on"), run.document.time("created")))
    else:
        rows.append((texts("Test recorded on"), one.document.time("evaluated_at")))
    rows.append((texts("Fixed"), when))
    tones = ["", "", "", "", {Fixed.BEFORE: "ok", Fixed.AFTER: "bad", Fixed.UNKNOWN: "open"}[one.when]]
    if one.fixed.criteria.intended_use is not None:
        rows.append((texts("Intended use"), one.document.figure("criteria", "intended_use")))
    return Grid((), tuple(rows), tones=tuple(tones))


def _result(met: bool | None, texts: Texts) -> str:
    return texts("not measured") if met is None else texts("met") if met else texts("not met")


def _when(run: AuditedRun, one: Evaluated) -> Fixed:
    """Whether criteria were fixed before any of the evaluation's parts was judged, as far as the run's records tell."""
    fixed = one.criteria
    assert fixed is not None
    if not one.name:
        if one.criteria_document is None or "criteria.json" not in run.record.files:
            return Fixed.UNKNOWN  # it was put there, or is of a package, whose own seal holds it
        return Fixed.BEFORE if fixed.fixed_at <= run.record.created else Fixed.AFTER
    inner = run.folder / run.inner
    if fixed.evaluated_at is None or fixed.evaluation != file_hash(evaluation_files(inner, one.name).evaluation):
        return Fixed.UNKNOWN
    if fixed.fixed_at > fixed.evaluated_at:
        return Fixed.AFTER
    parts = _parts(one)
    earlier = (other for other in run.evaluations if other is not one and not parts.isdisjoint(_parts(other)))
    return Fixed.AFTER if any(_time(run, other) <= fixed.fixed_at for other in earlier) else Fixed.BEFORE


def _time(run: AuditedRun, one: Evaluated) -> str:
    """When an evaluation was written; the beginning of time where nothing tells, for then it may have been before."""
    if not one.name:
        return run.record.created
    return (one.criteria and one.criteria.evaluated_at) or ""


def _parts(one: Evaluated) -> frozenset[str]:
    return frozenset(str(part.get("path") or part.get("id")) for part in one.document.get("judged", default=()))


def _results(
    one: Evaluated, criteria: Criteria, document: Document, studies: Sequence[Study], texts: Texts
) -> Iterator[tuple[str, Cell, Cell, bool | None]]:
    for name, limit in criteria.measures.items():
        yield _measure(one.document, document, name, limit, texts)
    for key, defective, title in (
        ("defective_parts", True, texts("Defective parts tested")),
        ("good_parts", False, texts("Good parts tested")),
    ):
        least = getattr(criteria, key)
        if least is not None:
            shown = texts("at least %(number)s", number=f"{least:,}")
            tested = one.document.number_of("judged", defective=defective)
            yield title, document.figure("criteria", key, shown=shown), tested, tested.value >= least
    if criteria.gage is not None:
        limits = criteria.gage.model_dump(exclude_none=True, exclude={"appraiser"})
        for key, limit in limits.items():
            found = [one for study in studies for one in gage_figures(study, key, criteria.gage.appraiser)]
            yield from _gage(key, limit, document, found, texts)


def _measure(
    evaluation: Document, document: Document, name: str, limit: MeasureLimit, texts: Texts
) -> tuple[str, Cell, Cell, bool | None]:
    side = "at_most" if limit.at_most is not None else "at_least"
    bound = words.value(name, getattr(limit, side))
    is_most = limit.at_most is not None
    shown = texts("at most %(number)s", number=bound) if is_most else texts("at least %(number)s", number=bound)
    ends = {"low": texts("lower end of its interval"), "high": texts("upper end of its interval")}
    title = words.title(name, texts)
    if limit.by != "value":
        title = texts("%(measure)s, %(end)s", measure=title, end=ends[limit.by])
    wanted = document.figure("criteria", "measures", name, side, shown=shown)
    number = evaluation.get("measures", name, limit.by)
    if not isinstance(number, int | float):
        return title, wanted, words.NONE, None
    found = evaluation.figure("measures", name, limit.by, shown=words.value(name, number))
    return title, wanted, found, limit.allows(number)


def _gage(
    key: str, limit: float, document: Document, found: Sequence[tuple[str, CitedFigure]], texts: Texts
) -> Iterator[tuple[str, Cell, Cell, bool | None]]:
    is_most = key in ("missed", "false_alarms", "gage_share")
    bound = f"{limit:.3f}" if key == "kappa" else words.percent(limit)
    shown = texts("at most %(number)s", number=bound) if is_most else texts("at least %(number)s", number=bound)
    wanted = document.figure("criteria", "gage", key, shown=shown)
    titles = {
        "kappa": texts("Gage: kappa with the truth"),
        "repeats": texts("Gage: parts judged the same in every trial"),
        "effectiveness": texts("Gage: parts judged right in every trial"),
        "missed": texts("Gage: NG decisions that miss"),
        "false_alarms": texts("Gage: false alarms on OK parts"),
        "gage_share": texts("Gage: share of the total deviation (%GRR)"),
    }
    if not found:
        yield titles[key], wanted, words.NONE, None
    for who, figure in found:
        met = figure.value <= limit if is_most else figure.value >= limit
        yield texts("%(what)s, %(who)s", what=titles[key], who=who) if who else titles[key], wanted, figure, met
