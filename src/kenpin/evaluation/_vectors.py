"""Measures of learned embeddings: pairs, neighbours and clusters."""

from __future__ import annotations

from collections import Counter

from kenpin.evaluation.kinds import Better, MeasureKind, Section, Unit
from kenpin.evaluation.sample import VECTOR_SAMPLE, Neighbourhood, Sample, vectors_of
from kenpin.metrics import collapse, neighbours, verification
from kenpin.metrics.intervals import measured, wilson
from kenpin.plural import counted, is_are
from kenpin.records import Measure


def verification_auroc(sample: Sample) -> Measure | None:
    """AUROC of pairs that the seed fixes; this measure and the others are None where no embeddings were learned."""
    if (near := sample.neighbourhood) is None:
        return None
    return Measure(verification.verification_auroc(near.differ, near.distances))


def equal_error_rate(sample: Sample) -> Measure | None:
    """Equal error rate of pairs that the seed fixes."""
    if (near := sample.neighbourhood) is None:
        return None
    return Measure(verification.equal_error_rate(near.differ, near.distances))


def knn_accuracy(sample: Sample) -> Measure | None:
    """Accuracy of the majority of the 5 nearest others, with Wilson's interval."""
    if (near := sample.neighbourhood) is None:
        return None
    return _share(near, neighbours.knn_accuracy(near.labels, near.nearest))


def recall_at_1(sample: Sample) -> Measure | None:
    """Recall at 1, with Wilson's interval."""
    if (near := sample.neighbourhood) is None:
        return None
    return _share(near, neighbours.recall_at(near.labels, near.nearest, 1))


def recall_at_5(sample: Sample) -> Measure | None:
    """Recall at 5, with Wilson's interval."""
    if (near := sample.neighbourhood) is None:
        return None
    return _share(near, neighbours.recall_at(near.labels, near.nearest, 5))


def silhouette(sample: Sample) -> Measure | None:
    """Mean silhouette of the true classes."""
    return None if (near := sample.neighbourhood) is None else Measure(neighbours.silhouette(near.vectors, near.labels))


def effective_rank(sample: Sample) -> Measure | None:
    """Effective rank of the embeddings."""
    return None if (near := sample.neighbourhood) is None else Measure(collapse.effective_rank(near.vectors))


def vector_notes(sample: Sample) -> list[str]:
    """Notes on the measures of embeddings."""
    notes = []
    if len(vectors_of(sample.judged)[1]) > VECTOR_SAMPLE:
        notes.append(f"Embeddings are compared among {VECTOR_SAMPLE:,} sampled pictures.")
    if (near := sample.neighbourhood) is not None and (alone := len(near.labels) - _in_company(near)):
        notes.append(
            f"{counted(alone, 'picture')} {is_are(alone)} alone of the class, so that no neighbour can be of it: "
            f"{'it is' if alone == 1 else 'they are'} left out of the measures of neighbours."
        )
    return notes


def _in_company(near: Neighbourhood) -> int:
    """How many pictures there are of classes with several."""
    return sum(count for count in Counter(near.labels).values() if count > 1)


def _share(near: Neighbourhood, share: float | None) -> Measure:
    cases = _in_company(near)
    return measured(share, None if share is None else wilson(round(share * cases), cases))


ROWS = (
    MeasureKind(
        "verification_auroc",
        "AUROC of pairs: same class or not",
        "How often a pair of two classes lies farther apart than one of one class, among as many of each, fixed by "
        "the seed.",
        Section.EMBEDDINGS,
        Unit.NUMBER,
        watched=True,
        compute=verification_auroc,
    ),
    MeasureKind(
        "equal_error_rate",
        "Equal error rate of pairs",
        "The error at the cut where both kinds of pair are mistaken equally often.",
        Section.EMBEDDINGS,
        better=Better.LOWER,
        watched=True,
        compute=equal_error_rate,
    ),
    MeasureKind(
        "knn_accuracy",
        "Right class by the 5 nearest neighbours",
        "Share of the pictures of whose 5 nearest others most are of their class.",
        Section.EMBEDDINGS,
        short="kNN accuracy",
        watched=True,
        compute=knn_accuracy,
    ),
    MeasureKind(
        "recall_at_1",
        "Nearest neighbour has the same class",
        "Share of the pictures whose nearest other is of their class.",
        Section.EMBEDDINGS,
        watched=True,
        compute=recall_at_1,
    ),
    MeasureKind(
        "recall_at_5",
        "One of the 5 nearest neighbours has the same class",
        "Share of the pictures of whose 5 nearest others at least one is of their class.",
        Section.EMBEDDINGS,
        watched=True,
        compute=recall_at_5,
    ),
    MeasureKind(
        "silhouette",
        "Silhouette of the classes",
        "From −1 to 1, how much nearer the own class lies than the next one.",
        Section.EMBEDDINGS,
        Unit.NUMBER,
        watched=True,
        compute=silhouette,
    ),
    MeasureKind(
        "effective_rank",
        "Directions in which embeddings differ",
        "In how many directions embeddings differ (Roy & Vetterli 2007).",
        Section.EMBEDDINGS,
        Unit.NUMBER,
        None,
        watched=True,
        compute=effective_rank,
    ),
)
