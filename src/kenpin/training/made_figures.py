"""How well made defects are told from good parts, by kind, and in words that say that they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.metrics import auroc
from kenpin.quality.bounds import clopper_pearson
from kenpin.quality.threshold import verdict_of
from kenpin.records import Threshold, Verdict


@dataclass(frozen=True)
class FoundByKind:
    """How well made defects of one kind are told from good parts."""

    kind: str
    made: int
    not_passed: int
    """Those that fail or are reviewed."""
    interval: tuple[float, float]
    """Exact 95 % interval of their share, for such defects in these parts.

    # Of parts that differ the number varies less than the binomial one (Hoeffding 1956): it errs to the wide side.
    """
    auroc: float


def found_by_kind(
    good_scores: Sequence[float], made_scores: Sequence[float], kinds: Sequence[str], threshold: Threshold
) -> tuple[FoundByKind, ...]:
    """How well made defects are found, by kind, and of all kinds together.

    good_scores: (n,), one at least; made_scores, kinds: (m,).
    """
    found = []
    for kind in (*sorted(set(kinds)), "all"):
        own = [score for score, of in zip(made_scores, kinds, strict=True) if kind in (of, "all")]
        not_passed = sum(verdict_of(score, threshold) is not Verdict.PASS for score in own)
        area = auroc([False] * len(good_scores) + [True] * len(own), [*good_scores, *own])
        interval = clopper_pearson(not_passed, len(own))
        assert area is not None
        assert interval is not None
        found.append(FoundByKind(kind, len(own), not_passed, interval, area))
    return tuple(found)


def in_words(found: Sequence[FoundByKind], *, chose: bool) -> str:
    """A sentence for each kind, and what such figures are worth. chose: whether these defects chose the threshold."""
    each = "; ".join(
        f"{of.kind} {of.not_passed} of {of.made} do not pass ({100 * of.interval[0]:.0f} to "
        f"{100 * of.interval[1]:.0f} %), AUROC {of.auroc:.3f}"
        for of in found
    )
    worth = "These are figures of defects made by the program, in copies of good parts that were held out"
    worth += ", and the threshold was chosen by them, which makes them better still" if chose else ""
    return f"Made defects: {each}. {worth}: they do not say how many real defects are found."
