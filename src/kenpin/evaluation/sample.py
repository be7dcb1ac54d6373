"""The judged parts that measures are computed from, with derived values that several measures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import RunError
from kenpin.evaluation._box_matching import BoxMatches, BoxRates, box_rates
from kenpin.metrics.average_precision import AveragePrecision, average_precision, average_precision_intervals
from kenpin.metrics.confusion import confusion_matrix
from kenpin.metrics.intervals import Interval
from kenpin.metrics.neighbours import nearest_others
from kenpin.metrics.verification import fixed_pairs, pair_distances
from kenpin.records import JudgedExample, Prediction, Threshold, Verdict
from kenpin.targets import Target

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OK, NOT_OK = "OK", "not OK"
"""The labels of the confusion matrix of an inspector that scores parts but does not name what it sees."""
VECTOR_SAMPLE = 2_000
"""Most pictures whose embeddings are compared with each other."""
_NEIGHBOURS = 5
_VERDICTS = (Verdict.PASS, Verdict.REVIEW, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class Chances:
    """Stated probabilities, (n,), and whether the event happened, (n,)."""

    stated: Floats
    happened: Bools

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, bool]]) -> Chances:
        """From a (probability, event) pair for each case."""
        return cls(np.array([p for p, _ in pairs], np.float64), np.array([h for _, h in pairs], bool))


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Pairs and neighbours of at most `VECTOR_SAMPLE` learned embeddings."""

    vectors: Floats
    labels: list[str]
    differ: Bools
    """Of each pair that the seed fixes, whether it is of two classes."""
    distances: Floats
    """Distance between the embeddings of each pair."""
    nearest: Ints
    """Indices of the 5 nearest others of each."""


@dataclass(frozen=True)
class Sample:
    """Judged parts with the settings that they were judged by. Derived values are computed on first use and cached."""

    judged: tuple[JudgedExample, ...]
    labels: tuple[str, ...]
    """The classes that the inspector can predict, in order; none for one that only scores."""
    ok_labels: tuple[str, ...]
    threshold: Threshold | None
    target: Target = Target.LABEL
    seed: int = 0
    boxes: BoxMatches | None = None
    """The annotated boxes, where boxes are judged."""

    @cached_property
    def mask_precision(self) -> AveragePrecision | None:
        """Average precision of the pixels of outlines; None where no scored prediction has one, or a picture's size is
        not known."""
        boxes = self.boxes
        if boxes is None or boxes.scores is None or not any(found.outlines for found in boxes.predicted):
            return None
        sizes_wh = [size_wh for judged in boxes.boxes if (size_wh := judged.size_wh) is not None]
        if len(sizes_wh) < len(boxes.truth):
            return None
        return average_precision(boxes.truth, boxes.predicted, boxes.labels, sizes_wh=sizes_wh)

    @cached_property
    def is_named(self) -> bool:
        """Whether classes were predicted for pictures, so that accuracy is about them."""
        return self.boxes is None and any(part.prediction.label is not None for part in self.judged)

    @cached_property
    def named(self) -> tuple[tuple[str, str], ...]:
        """True and predicted class of each picture that has both; else, of each scored part, its true and its decided
        side, `OK` or `NOT_OK`, a part in the review band being OK."""
        if self.is_named:
            pairs = ((part.label, part.prediction.label) for part in self.judged)
            return tuple((true, predicted) for true, predicted in pairs if true is not None and predicted is not None)
        if self.threshold is None:
            return ()
        words = (OK, NOT_OK)
        return tuple(
            (words[part.defective], words[part.verdict is Verdict.FAIL])
            for part in self.judged
            if score_of(part) is not None and part.defective is not None
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names in `named`, in the order of the confusion matrix."""
        return self.labels if self.is_named else (OK, NOT_OK)

    @cached_property
    def confusion(self) -> Ints:
        """Confusion matrix of `named`: rows are the truth."""
        return confusion_matrix(
            [true for true, _ in self.named], [predicted for _, predicted in self.named], self.classes
        )

    @cached_property
    def scored(self) -> tuple[Bools, Floats]:
        """For each part with a score and a known side: whether it is defective, and its score."""
        pairs = [(part.defective, score_of(part)) for part in self.judged]
        known = [(defective, score) for defective, score in pairs if defective is not None and score is not None]
        return np.array([d for d, _ in known], bool), np.array([s for _, s in known], np.float64)

    @cached_property
    def defect_chances(self) -> Chances:
        """The stated probabilities of a defect; for distances, their calibrated probabilities."""
        sides = [
            (1.0 - sum(chances[label] for label in self.ok_labels if label in chances), part.defective)
            for part in self.judged
            if (chances := part.prediction.probabilities)
            and part.defective is not None
            and not chances.keys().isdisjoint(self.ok_labels)
        ]
        calibrated = [(prediction.defect_score or 0.0, defective) for prediction, defective in self._calibrated]
        return Chances.of(sides or calibrated)

    @cached_property
    def chances_before(self) -> Chances:
        """The uncalibrated scores, where they were probabilities."""
        return Chances.of(
            [
                (prediction.uncalibrated_score or 0.0, defective)
                for prediction, defective in self._calibrated
                if prediction.distance is None
            ]
        )

    @property
    def _calibrated(self) -> list[tuple[Prediction, bool]]:
        return [
            (part.prediction, part.defective)
            for part in self.judged
            if part.prediction.uncalibrated_score is not None and part.defective is not None
        ]

    @cached_property
    def top_label_chances(self) -> Chances:
        """The probability of each picture's likeliest class, and whether that is its own."""
        stated = [(part.label, part.prediction.probabilities) for part in self.judged if part.prediction.probabilities]
        return Chances.of(
            [(max(chances.values()), max(chances, key=chances.__getitem__) == label) for label, chances in stated]
        )

    @cached_property
    def decisions(self) -> Ints:
        """Counts of OK and defective parts that were passed, reviewed and failed. (2, 3)"""
        counts = np.zeros((2, 3), np.int64)
        for part in self.judged:
            if part.verdict is not None and part.defective is not None:
                counts[int(part.defective), _VERDICTS.index(part.verdict)] += 1
        return counts

    @cached_property
    def neighbourhood(self) -> Neighbourhood | None:
        """The neighbourhood of the learned embeddings; None for fewer than two."""
        vectors, labels = vectors_of(self.judged)
        if len(labels) < 2:
            return None
        if len(labels) > VECTOR_SAMPLE:
            chosen = np.sort(np.random.default_rng(self.seed).permutation(len(labels))[:VECTOR_SAMPLE])
            vectors, labels = vectors[chosen], [labels[row] for row in chosen]
        pairs, differ = fixed_pairs(labels, self.seed)
        nearest = nearest_others(vectors, _NEIGHBOURS)
        return Neighbourhood(vectors, labels, differ, pair_distances(vectors, pairs), nearest)

    @property
    def matches(self) -> BoxMatches:
        """The outcome of matching the boxes. Raises RunError where none are judged."""
        if self.boxes is None:
            raise RunError(
                f"the target is {self.target}, so no boxes are judged; measure them where boxes are the target."
            )
        return self.boxes

    @cached_property
    def box_rates(self) -> BoxRates:
        """Rates of boxes at the score cut. Raises RunError where no boxes are judged."""
        return box_rates(self.matches.boxes, self.seed)

    @cached_property
    def average_precision_intervals(self) -> tuple[Interval | None, Interval | None, Interval | None]:
        """Intervals of the mean average precision of boxes, and of those at overlaps 0.50 and 0.75. Raises RunError
        where no boxes are judged."""
        boxes = self.matches
        if boxes.average_precision is None:
            return None, None, None
        return average_precision_intervals(boxes.truth, boxes.predicted, boxes.labels, seed=self.seed)


def score_of(part: JudgedExample) -> float | None:
    """The part's defect score; NaN is none."""
    score = part.prediction.defect_score
    return None if score is None or math.isnan(score) else score


def vectors_of(judged: Sequence[JudgedExample]) -> tuple[Floats, list[str]]:
    """The learned embeddings (n, d) and the labels of the pictures that have both."""
    pairs = [(p.prediction.embedding, p.label) for p in judged if p.prediction.embedding is not None and p.label]
    return np.array([vector for vector, _ in pairs], np.float64), [label for _, label in pairs]
