"""Numbers as words: percentages with their intervals, and the sentences at the head of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kenpin.records import Evaluation, Measure, Verdict
from kenpin.report.mistakes import Mistake, mistake_of

NONE = "–"

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Mean F1 of the classes",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "calibration_error": "Calibration error, defective or not",
    "top_label_calibration_error": "Calibration error, name given",
    "escape_rate": "Escapes: defective parts passed",
    "escape_rate_at_most": "Escapes, at most (one-sided 95 %)",
    "overkill_rate": "Overkills: OK parts failed",
    "overkill_rate_at_most": "Overkills, at most (one-sided 95 %)",
    "review_rate": "Parts sent to review",
    "cost_per_part": "Cost per part",
}
_NUMBERS = {"auroc", "average_precision", "macro_f1", "calibration_error", "top_label_calibration_error"}


def title(name: str) -> str:
    """A measure's name for readers."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, a dash for None."""
    return NONE if share is None else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def percent_at_most(share: float) -> str:
    """A bound in percent, never rounded down."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}\N{NO-BREAK SPACE}%"


def value(name: str, number: float | None) -> str:
    """A measure's number in its unit, a dash for None."""
    if number is None:
        return NONE
    if name == "cost_per_part":
        return f"{number:,.4g}"
    if name.endswith("_at_most"):
        return percent_at_most(number)
    return f"{number:.3f}" if name in _NUMBERS else percent(number)


def interval(name: str, measure: Measure) -> str:
    """`low to high` in the measure's unit; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{value(name, measure.low)} to {value(name, measure.high)}"


def change(name: str, measure: Measure) -> str:
    """A difference with its sign: percentage points for shares."""
    return NONE if measure.value is None else _signed(name, measure.value)


def change_interval(name: str, measure: Measure) -> str:
    """`low to high` of a difference, with signs; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{_signed(name, measure.low)} to {_signed(name, measure.high)}"


def _signed(name: str, number: float) -> str:
    text = f"{number:+.3f}" if name in _NUMBERS else f"{number * 100:+.1f} pp"
    return text.replace("-", "−")


def score(number: float | None) -> str:
    """A score or cut with four digits; words where the cut lies beyond all scores."""
    if number is None or number != number:
        return NONE
    if math.isinf(number):
        return "above every score" if number > 0 else "below every score"
    return f"{number:.4g}"


def verdict_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """How good the inspector is, in plain words: escapes first, then overkills, reviews and names."""
    sentences = []
    decided = [part for part in evaluation.judged if part.verdict is not None and part.defective is not None]
    for defective, mistake, kind, verb in (
        (True, Mistake.ESCAPE, "defective", "escaped"),
        (False, Mistake.OVERKILL, "OK", "failed"),
    ):
        parts = [part for part in decided if part.defective is defective]
        wrong = sum(mistake_of(part) is mistake for part in parts)
        bound = evaluation.measures.get("escape_rate_at_most" if defective else "overkill_rate_at_most", Measure(None))
        if parts and bound.value is not None:
            were = "" if defective else ("was " if wrong == 1 else "were ")
            sentences.append(
                f"{wrong} of {_parts(len(parts), kind)} {were}{verb}: "
                f"at most {percent_at_most(bound.value)} with 95\N{NO-BREAK SPACE}% confidence."
            )
    reviewed = sum(part.verdict is Verdict.REVIEW for part in decided)
    if reviewed:
        goes = "goes" if reviewed == 1 else "go"
        sentences.append(
            f"{reviewed} of {_parts(len(decided))} {goes} to a person ({percent(reviewed / len(decided))})."
        )
    names = any(part.prediction.label is not None for part in evaluation.judged)
    rightly = "are named rightly" if names else "fall on the right side of the threshold"
    for name, words in (("accuracy", rightly), ("auroc", "")):
        measure = evaluation.measures.get(name, Measure(None))
        span = f" (95\N{NO-BREAK SPACE}% interval {interval(name, measure)})" if measure.low is not None else ""
        if measure.value is not None and words:
            sentences.append(f"{percent(measure.value)} of the pictures {words}{span}.")
        elif measure.value is not None:
            sentences.append(
                f"A defective part scores above an OK one in {percent(measure.value)} of such pairs, "
                f"AUROC {value(name, measure.value)}{span}."
            )
    return tuple(sentences) or ("Nothing could be measured on these pictures; the notes say why.",)


def trust_sentence(evaluations: Mapping[str, Evaluation]) -> str | None:
    """What the other evaluations make of the leading one's promise; None where there is no other."""
    (leading, first), *others = evaluations.items()
    told = []
    for name, other in others:
        figures = [
            f"{words} {value(key, ours)} instead of {value(key, theirs)}"
            for key, words in (("escape_rate", "escapes are"), ("accuracy", "accuracy"), ("auroc", "AUROC"))
            if (ours := other.measures.get(key, Measure(None)).value) is not None
            and (theirs := first.measures.get(key, Measure(None)).value) is not None
        ]
        if figures:
            told.append(f"on “{name}” {', '.join(figures)}")
    if not told:
        return None
    return f"How far to trust “{leading}”: {'; '.join(told)}. The lower figures are the safer promise."


def _parts(number: int, kind: str = "") -> str:
    return f"{number} {kind} {'part' if number == 1 else 'parts'}".replace("  ", " ")
