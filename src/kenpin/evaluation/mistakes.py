"""Which judged parts went wrong, how, and which of them are the worst."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from kenpin.records import Evaluation, JudgedExample, Verdict


class Mistake(StrEnum):
    """Kinds of mistakes, the worst first."""

    ESCAPE = "escaped"
    OVERKILL = "good but failed"
    MISNAMED = "given a wrong class"
    MISSED = "with a missed box"
    FALSE_ALARM = "with a false box"
    MISSTATED = "answered wrong"


def unit_of(evaluation: Evaluation) -> str:
    """What each of the judged is: a `picture`, or a `part` by several."""
    return "part" if any(part.views for part in evaluation.judged) else "picture"


def mistake_of(part: JudgedExample, *, names_count: bool = True) -> Mistake | None:
    """The part's mistake, None where there is none. A part sent to review is no mistake, unless it was misnamed.

    `names_count`: whether a wrong name is a mistake.
    """
    if part.defective and part.verdict is Verdict.PASS:
        return Mistake.ESCAPE
    if part.defective is False and part.verdict is Verdict.FAIL:
        return Mistake.OVERKILL
    if names_count and part.prediction.label is not None and part.prediction.label != part.label:
        return Mistake.MISNAMED
    if part.boxes is not None and not all(part.boxes.found):
        return Mistake.MISSED
    if part.boxes is not None and False in part.boxes.right:
        return Mistake.FALSE_ALARM
    if part.text is not None and not part.text.exact_match:
        return Mistake.MISSTATED
    return None


def worst_first(judged: Iterable[JudgedExample]) -> tuple[tuple[Mistake, JudgedExample], ...]:
    """All mistakes: escapes, overkills, wrong names, missed boxes, false alarms, other words; of each kind the worst
    first."""
    mistakes = [(mistake, part) for part in judged if (mistake := mistake_of(part)) is not None]
    order = list(Mistake)
    return tuple(sorted(mistakes, key=lambda pair: (order.index(pair[0]), -_harm(*pair), pair[1].id)))


def _harm(mistake: Mistake, part: JudgedExample) -> float:
    if mistake is Mistake.MISNAMED:
        return (part.prediction.probabilities or {}).get(part.prediction.label or "", 0.0)
    if mistake is Mistake.MISSED and part.boxes is not None:
        return part.boxes.found.count(False)
    if part.text is not None:
        return part.text.edit_distance - part.text.token_f1
    score = part.prediction.defect_score or 0.0
    return -score if mistake is Mistake.ESCAPE else score
