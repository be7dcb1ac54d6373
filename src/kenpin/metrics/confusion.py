"""Measures of a confusion matrix: accuracy, balanced accuracy, precision, recall and F1.

A matrix is (k, k), rows the truth, columns the prediction, in one stated order of labels. A function of (..., k, k)
takes a stack of matrices and returns one number for each, NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import LabelError, ShapeError
from kenpin.plural import counted
from kenpin.records import ClassScores

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Counts:
    """Counts of (truth, prediction) in the order of `labels`: every label has its row and column, OK ones too.

    Raises ShapeError when the lengths differ and LabelError for a label that is not among `labels`.
    """
    if len(truth) != len(predicted):
        raise ShapeError(
            f"{counted(len(truth), 'true label')} for {counted(len(predicted), 'predicted label')}; give one for each "
            "picture."
        )
    index = {label: i for i, label in enumerate(labels)}
    unknown = sorted({label for label in (*truth, *predicted) if label not in index})
    if unknown:
        raise LabelError(f"labels {unknown} are not among {list(labels)}; add them or leave their pictures out.")
    pairs = [index[true] * len(labels) + index[named] for true, named in zip(truth, predicted, strict=True)]
    counts: Counts = np.bincount(np.array(pairs, np.int64), minlength=len(labels) ** 2).astype(np.int64)
    return counts.reshape(len(labels), len(labels))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Quotient, NaN where there is no denominator."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    quotient = np.full(bottom.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom > 0)
    return quotient


def _mean_of_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def accuracy(confusion: ArrayLike) -> Floats:
    """Share of pictures with the right prediction. (..., k, k) -> (...)."""
    counts = np.asarray(confusion)
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum((-2, -1)))


def recall(confusion: ArrayLike) -> Floats:
    """Share of each class's pictures with the right prediction. (..., k, k) -> (..., k)."""
    counts = np.asarray(confusion)
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1))


def precision(confusion: ArrayLike) -> Floats:
    """Share of right ones among the predictions of each class. (..., k, k) -> (..., k)."""
    counts = np.asarray(confusion)
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-2))


def f1(confusion: ArrayLike) -> Floats:
    """2 TP / (2 TP + FP + FN) of each class: undefined only where it neither occurs nor is predicted. (..., k)."""
    counts = np.asarray(confusion)
    return _ratio(2 * np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1) + counts.sum(-2))


def balanced_accuracy(confusion: ArrayLike) -> Floats:
    """Mean recall of the classes that occur; undefined where fewer than two do. (..., k, k) -> (...)."""
    recalls = recall(confusion)
    return np.where((~np.isnan(recalls)).sum(-1) >= 2, _mean_of_defined(recalls), np.nan)


def macro_f1(confusion: ArrayLike) -> Floats:
    """Mean F1 of the classes that occur or are predicted. (..., k, k) -> (...)."""
    return _mean_of_defined(f1(confusion))


def class_scores(confusion: ArrayLike) -> tuple[ClassScores, ...]:
    """Precision, recall, F1 and number of pictures of each class; None where a score has no denominator."""
    columns = (precision(confusion), recall(confusion), f1(confusion), np.asarray(confusion).sum(-1))
    return tuple(
        ClassScores(_defined(precision_), _defined(recall_), _defined(f1_), support=int(count))
        for precision_, recall_, f1_, count in zip(*columns, strict=True)
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
