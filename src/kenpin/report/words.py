"""Numbers as words: measures by their title and in their unit; parts and their boxes in a few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from kenpin.evaluation.kinds import Unit
from kenpin.evaluation.measures import kind_of
from kenpin.records import JudgedExample, Measure

NONE = "–"
NO_BOXES = "no boxes"
NO_LABEL = "no label"


def title(name: str) -> str:
    """A measure's name for readers."""
    return kind_of(name).title


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, a dash for None."""
    return NONE if share is None else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def percent_at_most(share: float) -> str:
    """A bound in percent, never rounded down."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}\N{NO-BREAK SPACE}%"


def bound(sentence: str) -> str:
    """A sentence whose percentages are not broken at the end of a line."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def value(name: str, number: float | None) -> str:
    """A measure's number in its unit, a dash for None."""
    if number is None:
        return NONE
    match kind_of(name).unit:
        case Unit.SHARE:
            return percent(number)
        case Unit.BOUND:
            return percent_at_most(number)
        case Unit.NUMBER:
            return f"{number:.3f}"
        case Unit.COUNT:
            return f"{number:.0f}"
        case Unit.COST:
            return f"{number:,.4g}"


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
    match kind_of(name).unit:
        case Unit.SHARE | Unit.BOUND:
            text = f"{number * 100:+.1f} pp"
        case Unit.NUMBER:
            text = f"{number:+.3f}"
        case Unit.COUNT:
            text = f"{number:+.0f}"
        case Unit.COST:
            text = f"{number:+,.4g}"
    return text.replace("-", "−")


def score(number: float | None) -> str:
    """A score or cut with four digits; words for a cut beyond all scores."""
    if number is None or number != number:
        return NONE
    if math.isinf(number):
        return "above every score" if number > 0 else "below every score"
    return f"{number:.4g}"


def asked(part: JudgedExample) -> tuple[str, ...]:
    """The question on a part, where it has its own."""
    return () if part.text is None or part.text.question is None else (f"asked: {part.text.question}",)


def answered(part: JudgedExample) -> str:
    """The answer on a part."""
    return f"answered: {(part.prediction.text or '').strip() or NONE}"


def truth(part: JudgedExample) -> str:
    """A part's truth: its label, its true answer, or the classes of its boxes with their numbers."""
    if part.text is not None:
        return f"true: {part.text.truth}"
    if part.boxes is None:
        return f"is {part.label}"
    return f"true: {listed(part.boxes.truth.labels) or NO_BOXES}"


def drawn(part: JudgedExample) -> str:
    """The classes of the boxes above the score cut, with their numbers."""
    detections = part.prediction.detections
    if part.boxes is None or detections is None:
        return NO_BOXES
    counted = zip(detections.labels, part.boxes.right, strict=True)
    return listed(label for label, right in counted if right is not None) or NO_BOXES


def kinds(part: JudgedExample) -> tuple[str, ...]:
    """The classes of a part: its label, or those of its boxes."""
    if part.boxes is None:
        return (part.label or NO_LABEL,)
    return tuple(dict.fromkeys(part.boxes.truth.labels)) or (NO_BOXES,)


def side(part: JudgedExample) -> str:
    """A part's label; where boxes are judged, whether it is OK."""
    return part.label or NO_LABEL if part.boxes is None else "not OK" if part.defective else "OK"


def listed(labels: Iterable[str]) -> str:
    """`dent × 2, scratch`; empty for none."""
    return ", ".join(name if number == 1 else f"{name} × {number}" for name, number in Counter(labels).items())
