"""What an embedder's raw outputs say: embeddings, and where there are references class probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import RunError
from kenpin.models.calibrated import CalibratedPictures
from kenpin.models.contract import Task
from kenpin.models.embedder.references import References, read_references
from kenpin.models.naming import predictions
from kenpin.models.outputs import Outputs
from kenpin.models.resizing import Resizing
from kenpin.records import Example, Prediction

OUTPUT = "embedding"


class EmbeddingDecoding(CalibratedPictures):
    """Embeddings, named by the references that lie nearest."""

    def __init__(self, task: Task, references: References | None) -> None:
        self.labels, self._task, self._references = task.labels, task, references

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Embeddings -> predictions with them, and with class probabilities where there are references."""
        vectors = outputs[OUTPUT]
        short = _short(vectors)
        if self._references is None:
            return [Prediction(example.id, embedding=row) for example, row in zip(examples, short, strict=True)]
        shares = self._references.probabilities(vectors)
        return [
            self.calibrated(replace(prediction, embedding=row))
            for prediction, row in zip(predictions(examples, shares, self._task), short, strict=True)
        ]


def of_package(folder: Path, task: Task, options: Mapping[str, Any], resizing: Resizing) -> CalibratedPictures:
    """The decoding of a package whose decision files are in this folder. Raises RunError."""
    neighbours = options.get("neighbours")
    if not isinstance(neighbours, int) or neighbours < 1:
        raise RunError(f"{folder}: the run's option neighbours is {neighbours!r}; export the run again.")
    return EmbeddingDecoding(task, read_references(folder, neighbours))


def _short(vectors: NDArray[Any]) -> list[tuple[float, ...]]:
    """Rows of numbers with the digits of 32-bit floats, half as many as those of 64-bit floats."""
    return [tuple(row) for row in vectors.astype(str).astype(np.float64).tolist()]
