"""Measures of answers in words, each against the true one."""

from __future__ import annotations

from kenpin.evaluation.kinds import Better, MeasureKind, Section, Unit
from kenpin.evaluation.pairs import change_of_exact_matches
from kenpin.evaluation.sample import Sample
from kenpin.metrics import text
from kenpin.metrics.intervals import measured, wilson
from kenpin.plural import counted
from kenpin.records import Example, JudgedExample, JudgedText, Measure, Prediction


def compared(example: Example, prediction: Prediction) -> JudgedText:
    """The predicted answer compared with the true one."""
    answer, truth = prediction.text or "", example.suffix or ""
    return JudgedText(
        question=example.prefix,
        truth=truth,
        exact_match=text.exact_match(answer, truth),
        token_f1=text.token_f1(answer, truth),
        edit_distance=text.edit_distance(answer, truth),
    )


def exact_match(sample: Sample) -> Measure:
    """Share of answers with the true words, with Wilson's interval."""
    texts = [part.text for part in sample.judged if part.text is not None]
    right = sum(judged.exact_match for judged in texts)
    return measured(right / max(len(texts), 1), wilson(right, len(texts)))


def token_f1(part: JudgedExample) -> float | None:
    """F1 of the words of an answer; None where the part has no judged answer."""
    return None if part.text is None else part.text.token_f1


def edit_distance(part: JudgedExample) -> float | None:
    """Edit distance of an answer over the length of the longer text; None where the part has no judged answer."""
    return None if part.text is None else part.text.edit_distance


def text_notes(sample: Sample) -> list[str]:
    """Notes on the measures of answers."""
    silent = sum(not (part.prediction.text or "").strip() for part in sample.judged)
    return [f"{counted(silent, 'picture')} got an answer without words."] if silent else []


ROWS = (
    MeasureKind(
        "exact_match",
        "Answers with the true words",
        "Share of the answers that have the words of the true answer in its order.",
        Section.ANSWERS,
        short="exact match",
        watched=True,
        compute=exact_match,
        change=change_of_exact_matches,
    ),
    MeasureKind(
        "token_f1",
        "F1 of the words in an answer",
        "The harmonic mean of the share of an answer's words that are true and of true words that it has.",
        Section.ANSWERS,
        Unit.NUMBER,
        watched=True,
        each=token_f1,
    ),
    MeasureKind(
        "edit_distance",
        "Share of an answer's characters to edit",
        "Characters to insert, delete or replace, over the length of the longer of the predicted and the true answer.",
        Section.ANSWERS,
        Unit.NUMBER,
        Better.LOWER,
        watched=True,
        each=edit_distance,
    ),
)
