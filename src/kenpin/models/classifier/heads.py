"""Heads on frozen features: linear or RBF-SVM, fitted by scikit-learn, saved and applied as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import DatasetError, RunError, ShapeError, first_line
from kenpin.plural import counted
from kenpin.run.arrays import read_run_arrays
from kenpin.run.seal import REMEDY

Array = NDArray[np.float64]
HeadKind = Literal["linear", "svm"]
_FOLDS = 5
_KERNEL_ROWS = 5_000  # whose kernel takes 200 MB
_FEWEST = 10  # examples of a class, below which a sigmoid's slope is a guess


@dataclass(frozen=True)
class LinearHead:
    """Multinomial logistic regression on standardised features."""

    mean: Array
    scale: Array
    weights: Array
    bias: Array

    def probabilities(self, features: NDArray[Any]) -> Array:
        """(n, items) -> (n, classes)."""
        scores = (features - self.mean) / self.scale @ self.weights.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        shares: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class SvmHead:
    """One RBF support-vector machine a class against the rest (one alone for two classes), with Platt's sigmoid.

    `dual` and `bias` have a row a machine over the shared `vectors`; `sigmoid` holds slope and offset a machine.
    """

    mean: Array
    scale: Array
    vectors: Array
    dual: Array
    bias: Array
    gamma: Array
    sigmoid: Array

    def probabilities(self, features: NDArray[Any]) -> Array:
        """(n, items) -> (n, classes)."""
        kernel = _rbf((features - self.mean) / self.scale, self.vectors, float(self.gamma), self._lengths)
        decision = kernel @ self.dual.T + self.bias
        positive = 1 / (1 + np.exp(-(decision * self.sigmoid[:, 0] + self.sigmoid[:, 1])))
        if positive.shape[1] == 1:
            return np.concatenate([1 - positive, positive], axis=1)
        shares: Array = positive / np.maximum(positive.sum(axis=1, keepdims=True), 1e-300)
        return shares

    @cached_property
    def _lengths(self) -> Array:
        return _squared_lengths(self.vectors)


@dataclass(frozen=True)
class JoinedHeads:
    """A head for each of several networks, on its part of the features; the mean of their probabilities counts.

    # Soft voting, the sum rule of Kittler et al. 1998, On combining classifiers, sec. 2.2.
    """

    heads: tuple[LinearHead | SvmHead, ...]

    def probabilities(self, features: NDArray[Any]) -> Array:
        """(n, items) -> (n, classes)."""
        found = [head.probabilities(part) for head, part in zip(self.heads, self.parts(features), strict=True)]
        shares: Array = np.mean(found, axis=0)
        return shares

    def parts(self, features: Any) -> list[Any]:
        """The features of each network. (n, items) -> (n, its own) each."""
        ends = [0, *np.cumsum([head.mean.size for head in self.heads]).tolist()]
        return [features[:, start:end] for start, end in pairwise(ends)]


Head = LinearHead | SvmHead | JoinedHeads


def calibratable(targets: NDArray[np.int64], classes: int) -> bool:
    """Whether these examples, by class numbers, are enough to fit sigmoids on: some of each class."""
    return int(np.bincount(targets, minlength=classes).min()) >= _FEWEST


def check_numbers(targets: NDArray[np.int64], classes: int) -> None:
    """Require two examples of each class, by class numbers. Raises DatasetError."""
    counts = np.bincount(targets, minlength=classes)
    if classes < 2 or counts.min() < 2:
        raise DatasetError(
            f"training pictures of each class: {', '.join(map(str, counts))}; a classifier needs at least two classes "
            "of two pictures."
        )


def fit_head(
    kind: HeadKind,
    features: NDArray[Any],
    targets: NDArray[np.int64],
    classes: int,
    c: float,
    seen: NDArray[np.bool_] | None = None,
    together: Sequence[NDArray[np.int64]] = (),
) -> LinearHead | SvmHead:
    """Fit a head. features: (n, items), targets: (n,) class numbers; seen: (n,), examples that the features were
    learned from, on which no sigmoid is fitted; together: numbers, (n,) each, that are equal for examples which no fold
    of the sigmoid may part, as those of one part; where that leaves too few, the next. Raises DatasetError for too few
    examples."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    check_numbers(targets, classes)
    scaler = StandardScaler().fit(features.astype(np.float64))
    x = scaler.transform(features.astype(np.float64))
    if kind == "svm":
        judging = np.ones(len(x), bool) if seen is None else ~seen
        return _fit_svm(scaler, x, targets, classes, c, judging, together)
    model = LogisticRegression(C=c, max_iter=2000).fit(x, targets)
    weights, bias = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn keeps one row for two classes: the other's is zero
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    return LinearHead(scaler.mean_, scaler.scale_, weights, bias)


def fit_heads(
    kind: HeadKind,
    features: NDArray[Any],
    widths: Sequence[int],
    targets: NDArray[np.int64],
    classes: int,
    c: float,
    seen: NDArray[np.bool_] | None = None,
    together: Sequence[NDArray[np.int64]] = (),
) -> JoinedHeads:
    """Fit a head on the features of each network. widths: their numbers; the rest is as for `fit_head`."""
    of_each = np.split(features, np.cumsum(widths)[:-1], axis=1)
    return JoinedHeads(tuple(fit_head(kind, own, targets, classes, c, seen, together) for own in of_each))


def _fit_svm(
    scaler: Any,
    x: Array,
    targets: NDArray[np.int64],
    classes: int,
    c: float,
    judging: NDArray[np.bool_],
    together: Sequence[NDArray[np.int64]],
) -> SvmHead:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.svm import SVC

    machines = [1] if classes == 2 else list(range(classes))
    gamma = 1.0 / (x.shape[1] * x.var())
    dual, bias, sigmoid = np.zeros((len(machines), len(x))), [], []
    # libsvm computes each value of the kernel anew for every fold and machine, one by one; a product of matrices does
    # it once
    is_small = len(x) <= _KERNEL_ROWS
    rows = _rbf(x, x, gamma, _squared_lengths(x)) if is_small else x
    for row, positive in enumerate(machines):
        truth = targets == positive
        machine = SVC(C=c, kernel="precomputed") if is_small else SVC(C=c, gamma=gamma)
        # Platt 1999: the sigmoid is fitted to decisions on pictures that the machine has not seen
        unseen = cross_val_predict(machine, rows, truth, cv=_folds(truth, together), method="decision_function")
        platt = LogisticRegression(C=1e6).fit(unseen[judging, None], truth[judging])
        machine.fit(rows, truth)
        dual[row, machine.support_] = machine.dual_coef_[0]
        bias.append(machine.intercept_[0])
        sigmoid.append([platt.coef_[0, 0], platt.intercept_[0]])
    used = np.flatnonzero((dual != 0).any(axis=0))
    return SvmHead(
        scaler.mean_,
        scaler.scale_,
        x[used],
        dual[:, used],
        np.array(bias),
        np.array(gamma),
        np.array(sigmoid, dtype=np.float64),
    )


def _folds(
    truth: NDArray[np.bool_], together: Sequence[NDArray[np.int64]]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on and rows to decide, of each fold. What belongs together by the first of these numbers stays so, as
    far as half of the rows of each kind are left to fit on; else by the next, and last each row goes by itself."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    for groups in together:
        if len(np.unique(groups)) == len(groups):
            break
        fewest = min(len(np.unique(groups[truth == kind])) for kind in (False, True))
        for count in range(min(_FOLDS, fewest), 1, -1):
            folds = list(StratifiedGroupKFold(count, shuffle=True, random_state=0).split(truth, truth, groups))
            if all(_half_of_each(truth, fitted) and len(decided) for fitted, decided in folds):
                return folds
    count = min(_FOLDS, int(truth.sum()), int((~truth).sum()))
    return list(StratifiedKFold(count, shuffle=True, random_state=0).split(truth, truth))


def _half_of_each(truth: NDArray[np.bool_], rows: NDArray[np.int64]) -> bool:
    good, all_good = int(truth[rows].sum()), int(truth.sum())
    return 2 * good >= all_good > 0 and 2 * (len(rows) - good) >= len(truth) - all_good > 0


def _rbf(x: NDArray[Any], vectors: NDArray[Any], gamma: float, lengths: Array) -> Array:
    """The kernel exp(-gamma |x - v|²). (n, items), (m, items), squared lengths of the latter (m,) -> (n, m)"""
    squared = _squared_lengths(x)[:, None] + lengths - 2 * x @ vectors.T
    kernel: Array = np.exp(-gamma * np.maximum(squared, 0))
    return kernel


def _squared_lengths(x: NDArray[Any]) -> Array:
    lengths: Array = (x**2).sum(1)
    return lengths


def arrays_of_head(head: Head) -> dict[str, Array]:
    """Its fields by their names; of joined heads each with the number of its network."""
    if not isinstance(head, JoinedHeads):
        return asdict(head)
    each = enumerate(head.heads)
    return {f"{_prefix(number)}{name}": array for number, one in each for name, array in asdict(one).items()}


def head_from_arrays(arrays: Mapping[str, NDArray[Any]], classes: int) -> Head:
    """The head of this many classes whose fields were saved under these names. Raises TypeError where they are others,
    ShapeError where their shapes do not belong together."""
    if f"{_prefix(0)}mean" not in arrays:
        return _single_head(arrays, classes)
    heads = list[LinearHead | SvmHead]()
    while own := _below(arrays, _prefix(len(heads))):
        heads.append(_single_head(own, classes))
    return JoinedHeads(tuple(heads))


def _prefix(number: int) -> str:
    return f"network{number}_"


def _below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _single_head(arrays: Mapping[str, NDArray[Any]], classes: int) -> LinearHead | SvmHead:
    head = SvmHead(**arrays) if "vectors" in arrays else LinearHead(**arrays)
    items = head.mean.shape
    if isinstance(head, LinearHead):
        shapes = {"scale": items, "weights": (classes, *items), "bias": (classes,)}
    else:
        machines = 1 if classes == 2 else classes
        rows = head.vectors.shape[:1]
        shapes = {"scale": items, "vectors": (*rows, *items), "dual": (machines, *rows), "bias": (machines,)}
        shapes |= {"gamma": (), "sigmoid": (machines, 2)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ShapeError(f"{name} has the shape {arrays[name].shape}, where {shape} belongs")
    return head


def read_head(file: Path, classes: int) -> Head:
    """The head that was saved, for this many classes. Raises RunError."""
    try:
        return head_from_arrays(read_run_arrays(file), classes)
    except (TypeError, ShapeError) as error:
        raise RunError(
            f"{file}: holds no head of {counted(classes, 'class')} ({first_line(error)}); {REMEDY}."
        ) from error
