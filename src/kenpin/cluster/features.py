"""Features of pictures computed by a cluster, so that the training or update that needs them only reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kenpin.cluster.pieces import Work, contents_on, job_folder, pieces_of, work_through
from kenpin.cluster.predicting import ClusterPredictor, LoadRun
from kenpin.cluster.starting import Cluster, cluster_at
from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models.contract import Inspector, Progress, Task
from kenpin.models.inference import compute_features, feature_key
from kenpin.models.networks.shared_features import SharedFeatures, shared_features


@dataclass(frozen=True)
class Base:
    """An inspector on its base, ready to learn, that a worker makes anew."""

    family: str
    options: str
    """As JSON."""
    task: Task

    def __call__(self) -> Inspector:
        """The inspector. Raises OptionError, MissingExtraError, RunError."""
        family = get_family(self.family)
        inspector: Inspector = family.create(family.Options.model_validate_json(self.options), self.task)
        inspector.module.eval()
        return inspector


@dataclass(frozen=True)
class LearnedBase:
    """The inspector of a run, which a worker loads."""

    load: LoadRun

    def __call__(self) -> Inspector:
        """The inspector. Raises RunError, OptionError, MissingExtraError."""
        return self.load().inspector


@contextmanager
def features_on(
    address: str, family: str, options: TrainOptions, task: Task, inspector: Inspector, dataset: Dataset, say: Progress
) -> Iterator[None]:
    """Within it, the features of all pictures are those that workers computed before it began; the cluster has ended by
    then. They stay on disk until the context ends without an error. Raises as `work_through`, ImageError."""
    refuse_table(dataset)
    base = Base(family, options.model_dump_json(exclude={"cluster"}), task)
    with ExitStack() as job:
        with cluster_at(address) as cluster:
            features = _computed(cluster, base, inspector, [dataset], say, job)
        job.enter_context(shared_features(features))
        yield


@contextmanager
def features_of_run_on(
    on: ClusterPredictor, inspector: Inspector, datasets: Sequence[Dataset], say: Progress
) -> Iterator[None]:
    """Within it, the features of all pictures of these data sets are those that workers computed by the run of `on`,
    whose inspector is `inspector`. Raises as `features_on`."""
    with ExitStack() as job:
        features = _computed(on.cluster, LearnedBase(on.load), inspector, datasets, say, job)
        job.enter_context(shared_features(features))
        yield


def _computed(
    cluster: Cluster,
    base: Base | LearnedBase,
    inspector: Inspector,
    datasets: Sequence[Dataset],
    say: Progress,
    job: ExitStack,
) -> SharedFeatures:
    """Those of all pictures, in files that stay until `job` ends."""
    key, files = feature_key(inspector), dict[Path, Sequence[str]]()
    for dataset in datasets:
        hashed = contents_on(cluster, dataset)
        about = {"features": key, "fingerprint": hashed.fingerprint(), "root": dataset.root, "pictures": len(dataset)}
        pieces = pieces_of(hashed, job.enter_context(job_folder(about)), ".npy")
        work_through(cluster, hashed, pieces, Work(base, write_features), "computing features", say)
        contents = hashed.contents()
        files |= {piece.file: contents[piece.rows.start : piece.rows.stop] for piece in pieces}
    return SharedFeatures(key, files)


def refuse_table(dataset: Dataset) -> None:
    """Raises OptionError for a table of numbers, of which workers have nothing to compute."""
    if dataset.item_names:
        raise OptionError("option `cluster` does nothing with a table of numbers; leave it out.")


def write_features(inspector: Inspector, part: Dataset, file: Path) -> None:
    """The features of a piece, (n, ...), float32."""
    with shared_features(SharedFeatures(feature_key(inspector), {})):  # the store of a machine is for one writer
        rows = [row.float().numpy() for row in compute_features(inspector, part)]
    np.save(file, np.stack(rows))
