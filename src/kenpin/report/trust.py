"""How far to trust the leading evaluation: where others are worse, better or equal, and which figures are safer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kenpin.evaluation.measures import PROMISED, kind_of, worst
from kenpin.records import Evaluation
from kenpin.report.words import value


def trust_sentence(evaluations: Mapping[str, Evaluation]) -> str | None:
    """What other evaluations make of the leading one's promise; None where no other measures the same.

    Figures that are shown alike count as equal. Of each measure that differs, the worst figure of all is named as the
    safer promise, with the evaluations that it is from.
    """
    leading, *others = evaluations
    told = [said for name in others if (said := _against(name, evaluations[leading], evaluations[name]))]
    if not told:
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
    return f"How far to trust “{leading}”: {'; '.join(told)}. {promise}"


def _against(name: str, first: Evaluation, other: Evaluation) -> str:
    """Where another evaluation is worse, better and equal; empty where they share no measure."""
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
    said = _listed(f"{kind} {_listed(figures)}" for kind, figures in kinds.items() if figures)
    return f"“{name}” is {said}" if said else ""


def _worst(evaluations: Mapping[str, Evaluation]) -> dict[tuple[str, ...], list[str]]:
    """The worst figures of the measures that differ, by the evaluations that they are from."""
    leading = next(iter(evaluations.values()))
    found: dict[tuple[str, ...], list[str]] = {}
    for key in PROMISED:
        figures = {name: figure for name, one in evaluations.items() if (figure := _figure(one, key)) is not None}
        shown = {name: value(key, figure) for name, figure in figures.items()}
        if _figure(leading, key) is None or len(set(shown.values())) < 2:
            continue
        least = value(key, worst(key, figures.values()))
        names = tuple(name for name in figures if shown[name] == least)
        found.setdefault(names, []).append(f"{kind_of(key).short} {least}")
    return found


def _figure(evaluation: Evaluation, key: str) -> float | None:
    measure = evaluation.measures.get(key)
    return None if measure is None else measure.value


def _listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    every: Sequence[str] = list(words)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}" if every else ""
