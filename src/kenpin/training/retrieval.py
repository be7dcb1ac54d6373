"""What learning from known cases is for: whether a search for held-out wanted ones finds more of them than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.cases.case import Metric
from kenpin.cases.learning import UNWANTED
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset
from kenpin.metrics.intervals import mean_measure
from kenpin.metrics.retrieval import Floats, distances, precision_at_k
from kenpin.models.contract import Progress
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.records import Measure
from kenpin.run.lineage import lineage_of
from kenpin.run.record import is_run
from kenpin.training.parts import Parts

Vectors = NDArray[np.float32]
K = 5
"""Nearest cases that count."""


@dataclass(frozen=True)
class Retrieval:
    """A search for wanted cases that nothing is learned from, among those that are learned from, the unwanted too."""

    asked: Dataset
    known: Dataset
    metric: Metric
    before: Floats
    """Share of wanted cases of its label among the nearest of each, by the library's vectors."""

    def measures(self, predictor: Predictor, progress: Progress) -> dict[str, Measure]:
        """The mean share before, the one by the predictor's vectors, and the gain, each with its interval. Raises
        ImageError."""
        asked, known = (
            np.concatenate([vectors for _, vectors in predictor.embed(part, progress=progress)])
            for part in (self.asked, self.known)
        )
        after = _precision(self.asked, self.known, asked, known, self.metric)
        shares = {"before": self.before, "after": after, "gain": after - self.before}
        return {f"precision_at_{K}_{name}": mean_measure(values) for name, values in shares.items()}

    def in_words(self, measures: Mapping[str, Measure]) -> str:
        """What was gained, as a sentence."""
        before, after, gain = (measures[f"precision_at_{K}_{name}"] for name in ("before", "after", "gain"))
        return (
            f"Of the {K} cases nearest to each of {counted(len(self.asked), 'held-out wanted case')}, "
            f"{before.value:.1%} were wanted cases of the same label before the training and {after.value:.1%} are "
            f"now: {_points(gain)}."
        )


def search_before(library: CaseLibrary, parts: Parts) -> Retrieval | str:
    """The search as it is before a training on these parts of the library, or why it is not measured.

    The run that made the library's vectors must not have learned from a case that is asked for: what it remembers would
    be taken for what it knows before. Raises CaseLibraryError.
    """
    run = Path(library.run.path)
    learned = Dataset.from_examples([*parts.training, *(parts.validation or ())])
    asked = Dataset.from_examples(case for case in parts.test or () if case.label != UNWANTED)
    if not len(asked) or len(learned) < K:
        return "No wanted case could be held out, so what the training gains for a search is not measured."
    if not is_run(run):
        return (
            f"The run that made the library's embeddings is no longer in {run}, so it is unknown which cases it has "
            "learned from, and what the training gains for a search is not measured."
        )
    asked = lineage_of(run).unseen_of(asked)
    if not len(asked):
        return (
            f"{run} made the library's embeddings and has learned from every wanted case that was held out, so what "
            "the training gains for a search is not measured."
        )
    of_asked, of_learned = (library.vectors(part.column("id")) for part in (asked, learned))
    before = _precision(asked, learned, of_asked, of_learned, library.metric)
    return Retrieval(asked, learned, library.metric, before)


def _precision(
    asked: Dataset, known: Dataset, asked_vectors: Vectors, known_vectors: Vectors, metric: Metric
) -> Floats:
    far = distances(asked_vectors, known_vectors, metric)
    wanted = np.array(asked.column("label"))[:, None] == np.array(known.column("label"))
    return precision_at_k(far, wanted, K)


def _points(gain: Measure) -> str:
    value, *interval = (None if share is None else f"{100 * share:+.1f}" for share in (gain.value, gain.low, gain.high))
    return f"{value} points" + (
        "" if None in interval else f" (two-sided 95 % interval {interval[0]} to {interval[1]})"
    )
