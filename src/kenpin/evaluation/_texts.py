"""What is measured on answers in words, each against the true one."""

from __future__ import annotations

from collections.abc import Sequence

from kenpin.evaluation._pictures import measured
from kenpin.metrics import text
from kenpin.metrics.intervals import wilson
from kenpin.metrics.retrieval import mean_measure
from kenpin.plural import counted
from kenpin.records import Example, JudgedExample, JudgedText, Measure, Prediction


def compared(example: Example, prediction: Prediction) -> JudgedText:
    """How near the predicted answer comes to the true one."""
    said, truth = prediction.text or "", example.suffix or ""
    return JudgedText(
        question=example.prefix,
        truth=truth,
        exact_match=text.exact_match(said, truth),
        token_f1=text.token_f1(said, truth),
        edit_distance=text.edit_distance(said, truth),
    )


def text_measures(judged: Sequence[JudgedExample], seed: int, notes: list[str]) -> dict[str, Measure]:
    """The share of exact answers with Wilson's interval, the other means with the bootstrap's."""
    texts = [part.text for part in judged if part.text is not None]
    right = sum(one.exact_match for one in texts)
    if silent := sum(not (part.prediction.text or "").strip() for part in judged):
        notes.append(f"{counted(silent, 'picture')} got an answer without words.")
    return {
        "exact_match": measured(right / max(len(texts), 1), wilson(right, len(texts))),
        "token_f1": mean_measure([one.token_f1 for one in texts], seed=seed),
        "edit_distance": mean_measure([one.edit_distance for one in texts], seed=seed),
    }
