"""Prototypes: a run that knows further classes from a few pictures, without training; written beside the old one."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.lineage import held_out
from kenpin.data.loading import as_dataset
from kenpin.data.taking import DataSource
from kenpin.errors import DatasetError, OptionError
from kenpin.evaluation import summarise
from kenpin.evaluation.mistakes import worst_first
from kenpin.files import new_folder, write_json
from kenpin.metrics.projection import principal_components
from kenpin.models.contract import LearnsVectors, Progress
from kenpin.plural import counted, is_are
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Prediction
from kenpin.report import write_report, write_thumbnails
from kenpin.report.headline import headed_json
from kenpin.run.layout import METRICS, MODEL, REPORT, evaluation_files
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import check_run_free, write_record
from kenpin.run.seal import seal
from kenpin.run.vectors import ProjectedEmbedding, write_embedding

_KEPT = (METRICS,)  # of the old run, beside its model


def add_prototypes(
    run: str | Path,
    dataset: DataSource,
    out: str | Path,
    *,
    pictures: int = 5,
    seed: int = 0,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a new run that stands on an embedder's `run` and also knows the classes of `dataset`; returns its folder.

    Of each class `pictures` at most become references, sampled at random; classes that the run does not know are taken
    as defects. It is evaluated on the labelled pictures that neither the run nor anything below it has learned from:
    those that became references as they are named without themselves. The old run stays as it is. Raises KenpinError.
    """
    started = time.monotonic()
    run, out, dataset = Path(run), Path(out), as_dataset(dataset)
    needed = (run, dataset.root, Path.cwd())
    check_run_free(out, overwrite, needed)
    before = load_predictor(run, device=device)
    inspector, record = before.inspector, before.record
    assert record is not None
    if not isinstance(inspector, LearnsVectors):
        raise OptionError(f"{run}: a class is added to a run of family embedder alone; this is family {record.family}.")
    labelled = dataset.select(i for i, label in enumerate(dataset.column("label")) if label is not None)
    if not len(labelled):
        raise DatasetError(f"{dataset.root or 'the data set'}: no picture has a label; label what they show.")
    labels: list[str] = labelled.column("label")
    chosen = _sampled(labels, pictures, seed)
    vectors = np.concatenate([rows for _, rows in before.embed(labelled, progress=progress)])
    after = inspector.with_references(vectors[chosen], [labels[index] for index in chosen])
    added = [label for label in after.labels if label not in record.labels]
    notes = _notes(run, labels, chosen, added, record.threshold is not None)
    measured, of_seen = held_out(labelled, before.lineage)
    unseen = set(measured.column("id"))
    rows = [row for row, id in enumerate(labelled.column("id")) if id in unseen]
    predictions = _predictions(before, after, labelled, vectors, chosen)
    evaluation = summarise(
        measured,
        [predictions[row] for row in rows],
        labels=after.labels,
        ok_labels=record.ok_labels,
        threshold=before.threshold,
        split="prototypes",
        seed=seed,
        notes=[
            *of_seen,
            f"{counted(len(chosen), 'picture')} {is_are(len(chosen))} used as references; each is classified here "
            "without itself.",
            *(notes[-1:] if before.threshold is not None and added else ()),
        ],
    )
    with new_folder(out, overwrite=overwrite) as partial:
        shutil.copytree(run / MODEL, partial / MODEL)
        after.save_references(partial / MODEL)
        for name in _KEPT:
            if (run / name).is_file():
                shutil.copy(run / name, partial / name)
        kept = evaluation_files(partial)
        write_json(kept.evaluation, headed_json(evaluation))
        mistakes = [part.id for _, part in worst_first(evaluation.judged)]
        write_thumbnails(measured, kept.thumbnails, read_image, first=mistakes)
        if kept.vectors is not None:
            embedding = ProjectedEmbedding(tuple(measured.column("id")), principal_components(vectors[rows]))
            write_embedding(kept.vectors, embedding)
        learned = read_lineage(run).having_learned(labelled.select(chosen))
        write_lineage(partial, learned, read_lineage(run, of_network=True))
        new = record.model_copy(
            update={
                "labels": after.labels,
                "scores": {name: measure.value for name, measure in evaluation.measures.items()},
                "notes": (*record.notes, *notes),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - started, 3),
                "files": seal(partial),
            }
        )
        write_record(partial, new)
        write_report(partial, partial / REPORT, name=out.name, overwrite=True)
        check_run_free(out, overwrite, needed)  # what lies there may have changed since
    return out


def _sampled(labels: list[str], pictures: int, seed: int) -> list[int]:
    """Places of as many pictures of each class, or all where there are fewer."""
    draw = np.random.default_rng(seed)
    of_class: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        of_class.setdefault(label, []).append(index)
    return sorted(int(index) for own in of_class.values() for index in draw.permutation(own)[:pictures])


def _notes(run: Path, labels: list[str], chosen: list[int], added: list[str], judged: bool) -> list[str]:
    counts = Counter(labels[index] for index in chosen)
    of_each = ", ".join(f"{count} of {label}" for label, count in counts.items())
    notes = [f"References were added to {run} without training: {of_each}."]
    if added:
        notes.append(f"Known only from these references: {', '.join(added)}.")
        if judged:
            notes.append(
                f"The threshold was chosen before {', '.join(added)} was known; choose it again with more pictures."
            )
    return notes


def _predictions(
    before: Predictor, after: LearnsVectors, pictures: Dataset, vectors: NDArray[np.float32], chosen: list[int]
) -> list[Prediction]:
    """Predictions of the new run; for a picture that is a reference, those without that reference."""
    assert isinstance(before.inspector, LearnsVectors)
    examples, labels = list(pictures), pictures.column("label")
    predictions = after.decode({"embedding": vectors}, examples)
    for index in chosen:
        others = [other for other in chosen if other != index]
        knowing = before.inspector.with_references(vectors[others], [labels[other] for other in others])
        own = {"embedding": vectors[index : index + 1]}
        (predictions[index],) = knowing.decode(own, examples[index : index + 1])
    return predictions
