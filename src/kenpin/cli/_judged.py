"""What an evaluation found beside its measures, as lines for a terminal: the confusion, and the worst mistakes."""

from __future__ import annotations

from collections import Counter

from kenpin.evaluation.mistakes import Mistake, worst_first
from kenpin.plural import counted
from kenpin.records import Evaluation, JudgedExample
from kenpin.report import words
from kenpin.report.names import picture_name
from kenpin.report.plots import Table, as_text
from kenpin.visible import in_brief, short

_MISTAKES = 5
_CLASSES = 12  # in a table on a terminal; the report shows all
_WORDS = 60  # letters of an answer


def findings(evaluation: Evaluation) -> str:
    """The confusion, where anything is named, and the worst mistakes; empty where nothing was judged."""
    return "\n\n".join(filter(None, (confusion(evaluation), mistakes(evaluation))))


def confusion(evaluation: Evaluation) -> str:
    """The matrix; of many classes the pairs that are confused most; empty where nothing is named."""
    labels, counts = evaluation.labels, evaluation.confusion
    if not counts:
        return ""
    if len(labels) <= _CLASSES:
        names = [short(label) for label in labels]
        rows = tuple((name, *map(str, row)) for name, row in zip(names, counts, strict=True))
        return as_text(Table("Confusion: rows are the truth, columns what was predicted", ("", *names), rows))
    pairs = [
        (count, truth, said)
        for truth, row in zip(labels, counts, strict=True)
        for said, count in zip(labels, row, strict=True)
        if count and said != truth
    ]
    if not pairs:
        return f"No two of {counted(len(labels), 'class')} are confused."
    worst = sorted(pairs, key=lambda pair: -pair[0])[:_CLASSES]
    return as_text(
        Table(
            f"Most frequent confusions of {counted(len(labels), 'class')}; the report shows the whole matrix",
            ("truth", "prediction", "number"),
            tuple((short(truth), short(said), str(count)) for count, truth, said in worst),
        )
    )


def mistakes(evaluation: Evaluation) -> str:
    """How many there are of each kind, and the worst of them, one line a picture, or a part by several."""
    found, noun = worst_first(evaluation.judged), "part" if any(one.views for one in evaluation.judged) else "picture"
    if not found:
        return f"No mistake on {counted(len(evaluation.judged), noun)}." if evaluation.judged else ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(str(kind) for kind, _ in found).items())
    head = f"Mistakes: {kinds}" + (f"; the worst {_MISTAKES}:" if len(found) > _MISTAKES else ":")
    rows = tuple(_row(kind, part) for kind, part in found[:_MISTAKES])
    return as_text(Table(head, (noun, "mistake", "truth", "prediction", "score"), rows))


def _row(kind: Mistake, part: JudgedExample) -> tuple[str, ...]:
    prediction = part.prediction
    if part.text is not None:
        truth, predicted = part.text.truth, prediction.text or ""
    elif part.boxes is not None:
        truth, predicted = words.listed(part.boxes.truth.labels) or words.NO_BOXES, words.drawn(part)
    else:
        truth, predicted = part.label or words.NO_LABEL, prediction.label or str(part.verdict or words.NONE)
    cells = (" ".join(in_brief(text, 10 * _WORDS).split()) for text in (truth, predicted))
    answers = (short(text, _WORDS) for text in cells)
    return picture_name(part.id), str(kind), *answers, words.score(prediction.defect_score)
