"""Trust in the leading evaluation: where others are worse, better or equal, and which figures are safer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kenpin.evaluation.measures import PROMISED, kind_of, worst
from kenpin.records import Evaluation
from kenpin.report.words import value


def trust_sentence(evaluations: Mapping[str, Evaluation]) -> str | None:
    """A sentence that compares other evaluations with the leading one; None where no other has the same measures.

    Figures that are shown alike count as equal. Of each measure that differs, the worst figure is named as the safer
    one, with its evaluations.
    """
    leading, *others = evaluations
    findings = [finding for name in others if (finding := _against(name, evaluations[leading], evaluations[name]))]
    if not findings:
        return None
    safer = [
        f"{_listed(figures)} of {_listed(f'“{name}”' for name in names)}"
        for names, figures in _worst(evaluations).items()
    ]
    promise = (
        f"The worse figure is the safer promise: {'; '.join(safer)}."
        if safer
        else "Where figures are equal, neither is the safer promise."
    )
    return f"How far to trust “{leading}”: {'; '.join(findings)}. {promise}"


def _against(name: str, first: Evaluation, other: Evaluation) -> str:
    """The measures in which another evaluation is worse, better and equal; empty where they share none."""
    kinds: dict[str, list[str]] = {"worse on": [], "better on": [], "equal on": []}
    for key in PROMISED:
        ours, theirs = _figure(first, key), _figure(other, key)
        if ours is None or theirs is None:
            continue
        shown, before = value(key, theirs), value(key, ours)
        if shown == before:
            kinds["equal on"].append(f"{kind_of(key).short} ({shown})")
        else:
            kind = "worse on" if worst(key, [ours, theirs]) == theirs else "better on"
            kinds[kind].append(f"{kind_of(key).short} ({shown} instead of {before})")
    text = _listed(f"{kind} {_listed(figures)}" for kind, figures in kinds.items() if figures)
    return f"“{name}” is {text}" if text else ""


def _worst(evaluations: Mapping[str, Evaluation]) -> dict[tuple[str, ...], list[str]]:
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
        worst_figures.setdefault(names, []).append(f"{kind_of(key).short} {least}")
    return worst_figures


def _figure(evaluation: Evaluation, key: str) -> float | None:
    measure = evaluation.measures.get(key)
    return None if measure is None else measure.value


def _listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    every: Sequence[str] = list(words)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}" if every else ""
