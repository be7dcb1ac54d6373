"""Rows of a table judged without torch: those of a run with NumPy, those of a package by its network."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.targets import refuse_pictures
from kenpin.errors import OptionError
from kenpin.models.calibrated import read_calibration
from kenpin.models.contract import OnError, Packable, Progress, ReadsTables, Task
from kenpin.models.outputs import Outputs
from kenpin.records import Example, ImageSource, Prediction
from kenpin.run.layout import MODEL
from kenpin.run.record import RunRecord, read_record
from kenpin.run.seal import check_seal
from kenpin.targets import Target

TABLE = "table"
"""Base of a run that reads a table of numbers."""
_FAMILIES = ("mahalanobis",)
"""Families that read tables: each has `of_table` in its `decoding`."""
_ROWS = 1_024
"""Rows a batch."""


@runtime_checkable
class PackableTable(Packable, ReadsTables, Protocol):
    """An inspector that may judge rows of a table: then all of it is a graph for onnx."""

    def write_table_graph(self, file: Path) -> str:
        """Write the graph of rows (n, `table_items`) float64: its output `score` (n,) is what the threshold is for.
        Returns the unit of the uncalibrated score."""


class TableJudge:
    """Computes the raw outputs of rows of numbers, and decodes them as the run does."""

    labels: tuple[str, ...] = ()
    image_size_wh = (0, 0)
    batch_size: int | None = _ROWS

    def __init__(
        self, decoding: Any, items: tuple[str, ...], compute: Callable[[NDArray[np.float64]], Outputs], engine: str
    ) -> None:
        """decoding: of the run's family; items: names of the numbers of a row, in order; compute: rows (n, items) ->
        raw outputs."""
        self.table_items, self.engine = items, engine
        self.target: Target = decoding.target
        self._decoding, self._compute = decoding, compute

    def check(self) -> None:
        """Judge a row of zeros; whatever breaks shows that the network and the decision files do not fit."""
        zeros = np.zeros((1, len(self.table_items)))
        self.decode({"features": zeros, **self._compute(zeros)}, [Example("", ImageSource())])

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Raw outputs -> one prediction a row."""
        predictions: list[Prediction] = self._decoding.decode(outputs, examples)
        return predictions

    def outputs_of(self, images: Sequence[Image]) -> NoReturn:
        """Raises OptionError: it takes no pictures."""
        refuse_images()

    def outputs(
        self, dataset: Dataset, *, progress: Progress | None, on_error: OnError | None, batch_size: int | None
    ) -> Iterator[tuple[list[Example], Outputs]]:
        """Examples with their raw outputs, in the data set's order. Raises DatasetError."""
        refuse_pictures(dataset)
        for examples, rows in numbers_in_batches(dataset, self.table_items, "predicting", progress, batch_size):
            yield examples, {"features": rows, **self._compute(rows)}


def refuse_images() -> NoReturn:
    """Raises OptionError."""
    raise OptionError("this run judges rows of a table; give it a table of numbers, not pictures.")


def numbers_in_batches(
    dataset: Dataset, items: tuple[str, ...], doing: str, progress: Progress | None, batch_size: int | None
) -> Iterator[tuple[list[Example], NDArray[np.float64]]]:
    """Examples of a table with their numbers by name, (n, items), in order. Raises DatasetError for a missing name."""
    size, done = batch_size or _ROWS, 0
    for start in range(0, len(dataset), size):
        chosen = dataset.select(range(start, min(start + size, len(dataset))))
        yield list(chosen), chosen.numbers(items)
        done += len(chosen)
        if progress is not None:
            progress(doing, done, len(dataset))


def is_table(record: RunRecord) -> bool:
    """Whether the run reads a table of numbers."""
    return record.family in _FAMILIES and record.base_id == TABLE


def open_table_run(run: Path) -> tuple[TableJudge, RunRecord] | None:
    """What judges as a run of a table does, with NumPy alone, and the run's record; None for a run of pictures. Raises
    RunError."""
    record = read_record(run)
    if not is_table(record):
        return None
    check_seal(run, record.files, deciding_alone=True)
    decoding, items = table_decoding(run / MODEL, record)
    return TableJudge(decoding, items, lambda _: {}, f"numpy {np.__version__}"), record


def table_decoding(folder: Path, record: RunRecord, *, of_network: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The calibrated decoding whose decision files are in this folder, and the names of its table's columns.
    of_network: it reads the outputs of a package's network. Raises RunError."""
    family = importlib.import_module(f"kenpin.models.{record.family}.decoding")
    task = Task(record.labels, record.ok_labels)
    decoding, items = family.of_table(folder, task, record.options, of_network=of_network)
    decoding.calibration = read_calibration(folder)
    return decoding, items
