"""Trust in the leading evaluation: where others are worse, better or equal, and which figures are safer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kenpin.evaluation.measures import PROMISED, kind_of, worst
from kenpin.records import Evaluation
from kenpin.report.words import value
from kenpin.words import ENGLISH, Texts


def trust_sentence(evaluations: Mapping[str, Evaluation], texts: Texts = ENGLISH) -> str | None:
    """A sentence that compares other evaluations with the leading one; None where no other has the same measures.

    Figures that are shown alike count as equal. Of each measure that differs, the worst figure is named as the safer
    one, with its evaluations.
    """
    leading, *others = evaluations
    findings = [
        finding for name in others if (finding := _against(name, evaluations[leading], evaluations[name], texts))
    ]
    if not findings:
        return None
    quoted = {name: texts("“%(name)s”", name=name) for name in evaluations}
    safer = [
        texts(
            "%(figures)s of %(names)s",
            figures=_listed(figures, texts),
            names=_listed((quoted[name] for name in names), texts),
        )
        for names, figures in _worst(evaluations, texts).items()
    ]
    between = texts("; ")
    promise = (
        texts("The worse figure is the safer promise: %(safer)s.", safer=between.join(safer))
        if safer
        else texts("Where figures are equal, neither is the safer promise.")
    )
    return texts(
        "How far to trust “%(name)s”: %(findings)s. %(promise)s",
        name=leading,
        findings=between.join(findings),
        promise=promise,
    )


def _against(name: str, first: Evaluation, other: Evaluation, texts: Texts) -> str:
    """The measures in which another evaluation is worse, better and equal; empty where they share none."""
    worse: list[str] = []
    better: list[str] = []
    equal: list[str] = []
    for key in PROMISED:
        ours, theirs = _figure(first, key), _figure(other, key)
        if ours is None or theirs is None:
            continue
        short, shown, before = texts(kind_of(key).short), value(key, theirs), value(key, ours)
        if shown == before:
            equal.append(texts("%(measure)s (%(value)s)", measure=short, value=shown))
        else:
            kind = worse if worst(key, [ours, theirs]) == theirs else better
            kind.append(
                texts("%(measure)s (%(value)s instead of %(before)s)", measure=short, value=shown, before=before)
            )
    found = [
        *([texts("worse on %(measures)s", measures=_listed(worse, texts))] if worse else []),
        *([texts("better on %(measures)s", measures=_listed(better, texts))] if better else []),
        *([texts("equal on %(measures)s", measures=_listed(equal, texts))] if equal else []),
    ]
    return texts("“%(name)s” is %(found)s", name=name, found=_listed(found, texts)) if found else ""


def _worst(evaluations: Mapping[str, Evaluation], texts: Texts) -> dict[tuple[str, ...], list[str]]:
    """The worst figures of the measures that differ, by their evaluations."""
    leading = next(iter(evaluations.values()))
    worst_figures: dict[tuple[str, ...], list[str]] = {}
    for key in PROMISED:
        figures = {
            name: figure for name, evaluation in evaluations.items() if (figure := _figure(evaluation, key)) is not None
        }
        shown = {name: value(key, figure) for name, figure in figures.items()}
        if _figure(leading, key) is None or len(set(shown.values())) < 2:
            continue
        least = value(key, worst(key, figures.values()))
        names = tuple(name for name in figures if shown[name] == least)
        worst_figures.setdefault(names, []).append(f"{texts(kind_of(key).short)} {least}")
    return worst_figures


def _figure(evaluation: Evaluation, key: str) -> float | None:
    measure = evaluation.measures.get(key)
    return None if measure is None else measure.value


def _listed(items: Iterable[str], texts: Texts) -> str:
    """`a`, `a and b`, `a, b and c`."""
    every: Sequence[str] = list(items)
    if len(every) < 2:
        return "".join(every)
    return texts("%(several)s and %(last)s", several=texts(", ").join(every[:-1]), last=every[-1])
