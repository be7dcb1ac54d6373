"""Suspects: pictures whose label the other pictures contradict, judged by a head that has not seen them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError
from kenpin.models import get_family
from kenpin.models.contract import Progress, Task
from kenpin.models.inference import compute_features
from kenpin.predictor import best_device
from kenpin.quality.label_errors import contradicted
from kenpin.records import Finding, Severity

__all__ = ["Suspect", "features_of", "find_suspects", "out_of_fold"]

FOLDS = 5
_SVM_C = 3.0
_LINEAR_C = 0.01  # weights that follow a wrong label cost more than they gain
_MOST_OF_SVM = 5_000  # pictures; its fit takes their square
_FEWEST = 2  # pictures of a class, without which it is held out with nothing to learn it from


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture with its label, and what speaks against the label."""

    id: str
    label: str
    likelier: str
    """The class that the picture looks like, of the others."""
    probability: float
    """Of its label, by a head that was fitted without the picture, its copies and its group."""
    other_probability: float
    """Of the likelier class."""
    is_likely: bool
    """Whether the label is more likely wrong than right; the others complete the ranking."""

    def finding(self, rank: int) -> Finding:
        """What the doctor says of it. rank: among the suspects, from 1."""
        what = f"its label is {self.label!r}, but by the other pictures it looks like {self.likelier!r} "
        what += f"({self.other_probability:.2f} against {self.probability:.2f})"
        remedy = "Look at it, and correct the label or keep it: it may be a rare part, and right"
        return Finding(Severity.WARNING, "label-suspect", f"suspect {rank}: {self.id}", what, remedy, (self.id,))


def find_suspects(
    dataset: Dataset,
    *,
    base: str = "lite0",
    seed: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
) -> tuple[Suspect, ...]:
    """All labelled pictures, the one whose label is contradicted most first.

    Each is judged by a head on frozen features of `base` that was fitted to the others: without the pictures of its
    fold, copies of them and their groups. Raises DatasetError for fewer than two classes of two pictures, OptionError
    for the base, ImageError for a picture that cannot be opened.
    """
    labels = dataset.column("label")
    counts = Counter(label for label in labels if label is not None)
    classes = [name for name in dataset.classes if counts[name] >= _FEWEST]
    if len(classes) < 2:
        shown = ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"
        raise DatasetError(
            f"{dataset.root or 'the data set'}: labels are compared between classes, and there are not two of two "
            f"pictures ({shown}); add pictures, or leave --suspects out."
        )
    judged = dataset.select(row for row, label in enumerate(labels) if label in classes)
    targets = np.array([classes.index(label) for label in judged.column("label")])
    features = features_of(judged, classes, base=base, seed=seed, device=device, progress=progress)
    groups = [group or content for group, content in zip(judged.column("group"), judged.contents(), strict=True)]
    if len(set(groups)) < 2:
        raise DatasetError(f"{dataset.root}: all pictures are of one group, so none can be judged by the others.")
    probabilities = out_of_fold(features, targets, groups, seed)
    found = contradicted(probabilities, targets)
    ids = judged.column("id")
    return tuple(
        Suspect(
            ids[row],
            classes[targets[row]],
            classes[found.likelier[row]],
            float(probabilities[row, targets[row]]),
            float(probabilities[row, found.likelier[row]]),
            bool(found.is_suspect[row]),
        )
        for row in found.ranked().tolist()
    )


def features_of(
    dataset: Dataset,
    classes: Sequence[str],
    *,
    base: str,
    seed: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Frozen features of each picture, (n, items)."""
    family = get_family("classifier")
    options = family.Options.from_mapping({"data": dataset.root or "-", "out": "-", "base": base, "seed": seed})
    inspector = family.create(options, Task(tuple(classes), ()))
    inspector.module.to(best_device(device))
    features: NDArray[np.float32] = torch.stack(list(compute_features(inspector, dataset, progress=progress))).numpy()
    return features


def out_of_fold(
    features: NDArray[np.float32], targets: NDArray[np.int64], groups: Sequence[str], seed: int = 0
) -> NDArray[np.float64]:
    """Probabilities of each picture by a head fitted without it and its group.

    features: (n, items); targets: (n,) class numbers; groups: (n,), kept together. -> (n, classes).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    decisions = _decisions(features, targets, _folds(targets, groups, seed))
    rows = np.arange(len(targets))
    # one temperature for all classes, by the likelihood of the labels: more numbers would follow the wrong ones
    found = minimize_scalar(
        lambda log_scale: -log_softmax(np.exp(log_scale) * decisions, axis=1)[rows, targets].mean(),
        bounds=(-4.0, 4.0),
        method="bounded",
    )
    probabilities: NDArray[np.float64] = np.exp(log_softmax(np.exp(found.x) * decisions, axis=1))
    return probabilities


def _folds(targets: NDArray[np.int64], groups: Sequence[str], seed: int) -> NDArray[np.int64]:
    """The fold of each picture, (n,): classes spread evenly, groups kept together."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = max(2, min(FOLDS, int(np.bincount(targets).min()), len(set(groups))))
    folds = np.zeros(len(targets), np.int64)
    divided = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(targets, targets, groups)
    for number, (_, held_out) in enumerate(divided):
        folds[held_out] = number
    return folds


def _decisions(
    features: NDArray[np.float32], targets: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How far a head fitted to the other folds decides for each class, (n, classes)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classes = int(targets.max()) + 1
    decisions = np.zeros((len(targets), classes))
    for fold in np.unique(folds):
        held_out = folds == fold
        if np.bincount(targets[~held_out], minlength=classes).min():
            small = len(targets) <= _MOST_OF_SVM
            last = SVC(C=_SVM_C) if small else LogisticRegression(C=_LINEAR_C, max_iter=500)
            head = make_pipeline(StandardScaler(), last).fit(features[~held_out], targets[~held_out])
            decided = head.decision_function(features[held_out])
            decisions[held_out] = np.stack([-decided, decided], axis=1) if decided.ndim == 1 else decided
    return decisions
