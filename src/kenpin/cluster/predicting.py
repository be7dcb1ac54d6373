"""Predictions of a run by a cluster: those of one process, in its order, made by workers that load the run once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from kenpin.cluster.pieces import Work, contents_on, job_folder, pieces_of, work_through
from kenpin.cluster.starting import Cluster
from kenpin.data.dataset import Dataset
from kenpin.data.picture_files import PictureError
from kenpin.errors import ImageError, OptionError
from kenpin.hub.fetching import folder_of
from kenpin.models.contract import OnError, Progress
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, Prediction
from kenpin.records_json import from_json, to_json
from kenpin.run.record import record_hash
from kenpin.runtime.engines import EngineName

_COLUMNS = pa.schema([("row", pa.int64()), ("prediction", pa.string()), ("error", pa.string())])


@dataclass(frozen=True)
class LoadRun:
    """Loads a run, in a worker."""

    run: str
    device: str | None
    engine: EngineName

    def __call__(self) -> Predictor:
        """The predictor. Raises RunError, OptionError, MissingExtraError."""
        return load_predictor(self.run, device=self.device, engine=self.engine)


class ClusterPredictor(Predictor):
    """A run's predictor whose predictions are made by a cluster; maps and embeddings are made here."""

    def __init__(
        self, cluster: Cluster, run: str | Path, *, device: str | None = None, engine: EngineName = "auto"
    ) -> None:
        """Raises as `load_predictor`; OptionError where the workers cannot open the run by a path."""
        self.cluster, self.run = cluster, str(run)
        self.load = LoadRun(str(folder_of(run).absolute()), device, engine)
        here = self.load()
        super().__init__(
            here.model, here.threshold, here.record, here.lineage, here.target, here.undecided, here.origin
        )

    def _predictions(
        self,
        dataset: Dataset,
        progress: Progress | None = None,
        on_error: OnError | None = None,
        batch_size: int | None = None,
    ) -> Iterator[Prediction]:
        if batch_size is not None:
            raise OptionError("option `batch_size`: workers take the run's own; leave it out.")
        if not len(dataset):
            return
        dataset = contents_on(self.cluster, dataset)
        assert self.record is not None
        job = {
            "predictions": record_hash(self.record),
            "run": self.load.run,
            "engine": self.engine,
            "dataset": {"path": dataset.root, "fingerprint": dataset.fingerprint()},
            "pictures": len(dataset),
        }
        ids = dataset.column("id")

        with job_folder(job) as folder:
            pieces = pieces_of(dataset, folder)
            work_through(self.cluster, dataset, pieces, Work(self.load, write_predictions), "predicting", progress)
            for piece in pieces:
                for found in parquet.read_table(piece.file).to_pylist():
                    where = f"{piece.file}: row {found['row']}"
                    if found["error"] is None:
                        prediction = from_json(Prediction, json.loads(found["prediction"]), where)
                        yield replace(prediction, id=ids[piece.rows.start + found["row"]])
                    else:
                        set_aside(dataset[piece.rows.start + found["row"]], json.loads(found["error"]), on_error)


def write_predictions(predictor: Predictor, part: Dataset, file: Path) -> None:
    """The predictions of a piece, and the errors of pictures that could not be opened, as a Parquet file."""
    found: dict[int, dict[str, Any]] = {}

    def set_aside(example: Example, error: ImageError) -> None:
        found[int(example.id)] = {"prediction": None, "error": json.dumps(error_values(error))}

    for prediction in predictor.predict(numbered(part), on_error=set_aside):
        found[int(prediction.id)] = {"prediction": json.dumps(to_json(prediction)), "error": None}
    listed = [{"row": row, **found[row]} for row in sorted(found)]
    parquet.write_table(pa.Table.from_pylist(listed, _COLUMNS), file)


def numbered(part: Dataset) -> Dataset:
    """The same examples with their numbers for ids: ids of pictures that somebody listed may occur twice."""
    rows = part.arrow
    ids = pa.array(map(str, range(len(part))), pa.string())
    numbered = Dataset(
        rows.set_column(rows.column_names.index("id"), "id", ids),
        classes=part.declared_classes,
        root=part.root,
        item_names=part.item_names,
    )
    contents = part.hashed()
    return numbered if contents is None else numbered.with_contents(contents)


def error_values(error: ImageError) -> dict[str, str]:
    """An error of a picture as JSON values."""
    if isinstance(error, PictureError):
        return {"code": error.code, "what": error.what, "remedy": error.remedy}
    return {"sentence": str(error)}


def set_aside(example: Example, values: dict[str, str], on_error: OnError | None) -> None:
    """Hand a picture that a worker could not open to `on_error`. Raises ImageError where there is none."""
    if "sentence" in values:
        error = ImageError(values["sentence"])
    else:
        error = PictureError(example.image, values["code"], values["what"], values["remedy"])
    if on_error is None:
        raise error
    on_error(example, error)
