"""What is measured on learned vectors: pairs, neighbours and clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenpin.metrics.collapse import effective_rank
from kenpin.metrics.intervals import wilson
from kenpin.metrics.neighbours import knn_accuracy, nearest_others, recall_at, silhouette
from kenpin.metrics.verification import equal_error_rate, fixed_pairs, pair_distances, verification_auroc
from kenpin.records import JudgedExample, Measure

VECTOR_SAMPLE = 2_000
"""Pictures at most whose vectors are compared with each other."""
_NEIGHBOURS = 5


def vectors_of(judged: Sequence[JudgedExample]) -> tuple[NDArray[np.float64], list[str]]:
    """The learned vectors (n, d) and the labels of the pictures that have both."""
    pairs = [(p.prediction.embedding, p.label) for p in judged if p.prediction.embedding is not None and p.label]
    return np.array([vector for vector, _ in pairs], np.float64), [label for _, label in pairs]


def vector_measures(judged: Sequence[JudgedExample], seed: int, notes: list[str]) -> dict[str, Measure]:
    """Measures of the pictures' vectors among themselves; none where no vectors were learned."""
    vectors, labels = vectors_of(judged)
    if len(labels) < 2:
        return {}
    if len(labels) > VECTOR_SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:VECTOR_SAMPLE])
        vectors, labels = vectors[chosen], [labels[place] for place in chosen]
        notes.append(f"Embeddings are compared among {VECTOR_SAMPLE:,} sampled pictures.")
    pairs, differ = fixed_pairs(labels, seed)
    distances = pair_distances(vectors, pairs)
    nearest = nearest_others(vectors, _NEIGHBOURS)
    measures = {
        "verification_auroc": Measure(verification_auroc(differ, distances)),
        "equal_error_rate": Measure(equal_error_rate(differ, distances)),
    }
    for name, share in (
        ("knn_accuracy", knn_accuracy(labels, nearest)),
        ("recall_at_1", recall_at(labels, nearest, 1)),
        ("recall_at_5", recall_at(labels, nearest, 5)),
    ):
        interval = None if share is None else wilson(round(share * len(labels)), len(labels))
        measures[name] = Measure(share, *(interval or (None, None)))
    measures["silhouette"] = Measure(silhouette(vectors, labels))
    measures["effective_rank"] = Measure(effective_rank(vectors))
    return measures
