"""Numbers as words: measures by their title and in their unit; parts and their boxes in a few.

What is shown to people takes the texts of their language; without them it is English.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from markupsafe import Markup

from kenpin.evaluation import BACKGROUND, NOT_OK, OTHER
from kenpin.evaluation.kinds import Unit
from kenpin.evaluation.measures import kind_of
from kenpin.records import JudgedExample, Measure
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import made, translated_by
from kenpin.words.sentences.figures import OF_TWO

NONE = "–"
NO_BOXES = "no boxes"
NO_LABEL = "no label"
NAMES_OF_NO_CLASS = (BACKGROUND, OTHER)
"""Names in a confusion matrix of boxes that are no classes."""


def title(name: str, texts: Texts = ENGLISH) -> str:
    """A measure's name for readers."""
    return texts(kind_of(name).title)


def study_title(kind: str, name: str, texts: Texts) -> str:
    """The heading over the findings of a command on decisions."""
    return texts("%(kind)s: %(name)s", kind=study_kind(kind, texts), name=study_name(kind, name, texts))


def study_name(kind: str, name: str, texts: Texts) -> str:
    """What the findings are of: the name of a file, or of two runs that were compared."""
    if kind == "succession" and texts.language != "en":
        return translated_by(made(OF_TWO), name, texts) or name
    return name


def study_kind(kind: str, texts: Texts) -> str:
    """The kind of the findings of a command on decisions; one of another version keeps its name."""
    titles = {
        "threshold": texts("Threshold"),
        "gage": texts("Gage study"),
        "drift": texts("Drift"),
        "succession": texts("Succession"),
    }
    return titles.get(kind, kind.capitalize())


def english(texts: Texts) -> Markup:
    """The attribute of an element whose text a run has recorded in English; empty on an English page."""
    return Markup() if texts.language == "en" else Markup(' lang="en"')


def named(label: str, texts: Texts) -> str:
    """A class as it is called on the page; what stands for none is translated."""
    return texts(label) if label in (NO_BOXES, NO_LABEL, NOT_OK) else label


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


def interval(name: str, measure: Measure, texts: Texts = ENGLISH) -> str:
    """`low to high` in the measure's unit; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    return texts("%(low)s to %(high)s", low=value(name, measure.low), high=value(name, measure.high))


def change(name: str, measure: Measure, texts: Texts = ENGLISH) -> str:
    """A difference with its sign: percentage points for shares."""
    return NONE if measure.value is None else _signed(name, measure.value, texts)


def change_interval(name: str, measure: Measure, texts: Texts = ENGLISH) -> str:
    """`low to high` of a difference, with signs; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    low, high = (_signed(name, end, texts) for end in (measure.low, measure.high))
    return texts("%(low)s to %(high)s", low=low, high=high)


def _signed(name: str, number: float, texts: Texts) -> str:
    match kind_of(name).unit:
        case Unit.SHARE | Unit.BOUND:
            text = texts("%(change)s pp", change=f"{number * 100:+.1f}")
        case Unit.NUMBER:
            text = f"{number:+.3f}"
        case Unit.COUNT:
            text = f"{number:+.0f}"
        case Unit.COST:
            text = f"{number:+,.4g}"
    return text.replace("-", "−")


def score(number: float | None, texts: Texts = ENGLISH) -> str:
    """A score or cut with four digits; words for a cut beyond all scores."""
    if number is None or number != number:
        return NONE
    if math.isinf(number):
        return texts("above every score") if number > 0 else texts("below every score")
    return f"{number:.4g}"


def scored(part: JudgedExample, texts: Texts = ENGLISH) -> str:
    """A part's score and its verdict, as far as it has them; empty without a score."""
    if part.prediction.defect_score is None:
        return ""
    shown = score(part.prediction.defect_score, texts)
    if part.verdict is None:
        return texts("score %(score)s", score=shown)
    return texts("score %(score)s, %(verdict)s", score=shown, verdict=texts(part.verdict))


def asked(part: JudgedExample, texts: Texts = ENGLISH) -> tuple[str, ...]:
    """The question on a part, where it has its own."""
    if part.text is None or part.text.question is None:
        return ()
    return (texts("asked: %(question)s", question=part.text.question),)


def answered(part: JudgedExample, texts: Texts = ENGLISH) -> str:
    """The answer on a part."""
    return texts("answered: %(answer)s", answer=(part.prediction.text or "").strip() or NONE)


def truth(part: JudgedExample, texts: Texts = ENGLISH) -> str:
    """A part's truth: its label, its true answer, or the classes of its boxes with their numbers."""
    if part.text is not None:
        return texts("true: %(truth)s", truth=part.text.truth)
    if part.boxes is None:
        return texts("is %(label)s", label=part.label)
    return texts("true: %(truth)s", truth=listed(part.boxes.truth.labels) or texts(NO_BOXES))


def drawn(part: JudgedExample, texts: Texts = ENGLISH) -> str:
    """The classes of the boxes above the score cut, with their numbers."""
    detections = part.prediction.detections
    if part.boxes is None or detections is None:
        return texts(NO_BOXES)
    counted = zip(detections.labels, part.boxes.right, strict=True)
    return listed(label for label, right in counted if right is not None) or texts(NO_BOXES)


def kinds(part: JudgedExample) -> tuple[str, ...]:
    """The classes of a part: its label, or those of its boxes."""
    if part.boxes is None:
        return (part.label or NO_LABEL,)
    return tuple(dict.fromkeys(part.boxes.truth.labels)) or (NO_BOXES,)


def side(part: JudgedExample) -> str:
    """A part's label; where boxes are judged, whether it is OK."""
    return part.label or NO_LABEL if part.boxes is None else NOT_OK if part.defective else "OK"


def listed(labels: Iterable[str]) -> str:
    """`dent × 2, scratch`; empty for none."""
    return ", ".join(name if number == 1 else f"{name} × {number}" for name, number in Counter(labels).items())
