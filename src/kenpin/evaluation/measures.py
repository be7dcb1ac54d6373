"""The registry of measures, in the order in which evaluations, pages and comparisons show them."""

from __future__ import annotations

from collections.abc import Iterable

from kenpin.evaluation import _boxes, _masks, _outlines, _pictures, _texts, _vectors
from kenpin.evaluation.kinds import Better, MeasureKind, Section
from kenpin.evaluation.sample import Sample
from kenpin.records import Measure
from kenpin.targets import Target

# computed by `training.retrieval`, which has a library of cases
_OF_CASES = (
    MeasureKind(
        "precision_at_5_before",
        "Wanted among the 5 nearest cases, before the training",
        "Share of wanted cases of the same label among the 5 nearest, by the embeddings of the library.",
        Section.CASES,
    ),
    MeasureKind(
        "precision_at_5_after",
        "Wanted among the 5 nearest cases, after it",
        "Share of wanted cases of the same label among the 5 nearest, by the embeddings of the run that was trained.",
        Section.CASES,
    ),
    MeasureKind(
        "precision_at_5_gain",
        "Wanted among the 5 nearest cases, gain by the training",
        "Share of wanted cases among the 5 nearest after the training minus the share before it.",
        Section.CASES,
    ),
)

MEASURES: dict[str, MeasureKind] = {
    row.name: row
    for row in (*_boxes.ROWS, *_outlines.ROWS, *_pictures.ROWS, *_texts.ROWS, *_vectors.ROWS, *_masks.ROWS, *_OF_CASES)
}
"""Measures by name. An added row is evaluated, shown and documented, and compared where it has a `change`."""

# measures that a page shows large, by the target of the first evaluation, and measures of a sentence or a line
TILES = {
    Target.LABEL: ("escape_rate", "overkill_rate", "review_rate", "accuracy", "auroc", "cost_per_part"),
    Target.BOXES: ("escape_rate", "overkill_rate", "review_rate", "map_50", "box_recall", "box_precision"),
    Target.TEXT: ("exact_match", "token_f1", "edit_distance"),
}
PROMISED = ("escape_rate", "overkill_rate", "accuracy", "auroc", "map", "exact_match")
"""Measures of further evaluations that a page shows."""
FOLLOWED = ("auroc", "accuracy", "map_50", "exact_match", "knn_accuracy")
"""Measures in the line of an epoch."""


def kind_of(name: str) -> MeasureKind:
    """The kind of a measure; an unregistered one, as of another version, is taken for a share without a direction.

    >>> kind_of("escape_rate").better.value
    'lower'
    """
    return MEASURES.get(name) or MeasureKind(name, name.replace("_", " ").capitalize(), "", better=None)


def measure_all(sample: Sample) -> dict[str, Measure]:
    """Every measure that applies to these parts, by name."""
    return {name: measure for name, kind in MEASURES.items() if (measure := kind.measure(sample)) is not None}


def watched(section: Section) -> tuple[str, ...]:
    """The measures of this section that are recorded during a training."""
    return tuple(name for name, kind in MEASURES.items() if kind.section is section and kind.watched)


def worst(name: str, numbers: Iterable[float]) -> float:
    """The worst of these numbers of a measure."""
    return max(numbers) if kind_of(name).better is Better.LOWER else min(numbers)
