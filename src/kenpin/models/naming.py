"""Classes of whole pictures: from labels to numbers, and from probabilities to predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError
from kenpin.models.contract import Task
from kenpin.records import Example, Prediction


def class_numbers(examples: Dataset | Sequence[Example], labels: Sequence[str]) -> list[int]:
    """The index of each picture's class in `labels`. Raises DatasetError for any other class."""
    numbers: dict[str | None, int] = {label: number for number, label in enumerate(labels)}
    # of a data set the one column alone: its pictures may be in the others
    of_each = examples.column("label") if isinstance(examples, Dataset) else [example.label for example in examples]
    try:
        return [numbers[label] for label in of_each]
    except KeyError:
        wrong = next(example for example in examples if example.label not in numbers)
        raise DatasetError(
            f"{wrong.id}: class {wrong.label!r} is not among {', '.join(labels)}; correct its label or leave it out."
        ) from None


def predictions(examples: Sequence[Example], probabilities: NDArray[np.float64], task: Task) -> list[Prediction]:
    """Rows of class probabilities -> predictions; the defect score is the probability of not being OK."""
    ok = np.array([label in task.ok_labels for label in task.labels])
    return [
        Prediction(
            id=example.id,
            label=task.labels[int(row.argmax())],
            probabilities={label: float(share) for label, share in zip(task.labels, row, strict=True)},
            # summed over the other classes: 1 - P(ok) would lose the digits of small scores
            defect_score=float(row[~ok].sum()) if ok.any() and not ok.all() else None,
        )
        for example, row in zip(examples, probabilities, strict=True)
    ]
