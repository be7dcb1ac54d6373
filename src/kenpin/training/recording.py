"""The record of a run and its lineage, as a training writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.models.contract import Fitted
from kenpin.records import Measure, Threshold
from kenpin.records_json import to_json
from kenpin.report.words import NO_BOXES, NO_LABEL
from kenpin.run.lineage import write_lineage
from kenpin.run.record import RunRecord
from kenpin.run.seal import seal
from kenpin.runtime.engines import PACKAGES
from kenpin.targets import Target
from kenpin.training.learning import Learned
from kenpin.training.parts import Parts
from kenpin.training.start import Start

_PACKAGES = ("kenpin", "torch", "transformers", "peft", "datasets", "numpy", "scikit-learn", "pillow")


def _engine_of(engine: str) -> tuple[str, ...]:
    return () if engine == "torch" else (PACKAGES[engine],)


def record_of(
    start: Start,
    learned: Learned,
    folder: Path,
    fingerprint: str = "",
    *,
    notes: tuple[str, ...] = (),
    threshold: Threshold | None = None,
    measures: Mapping[str, Measure] | None = None,
) -> RunRecord:
    """The record of a run whose files lie in `folder`. fingerprint: of the data set."""
    inspector, options = learned.inspector, start.options
    return RunRecord(
        family=start.name,
        base_id=inspector.base.id,
        base_commit=inspector.base.commit,
        base_probe=inspector.base.probe,
        options=options.model_dump(mode="json", exclude=set(options.idle())),
        labels=start.task.labels,
        ok_labels=start.task.ok_labels,
        image_size_wh=inspector.image_size_wh,
        dataset=_described(start.dataset, fingerprint, start.parts, start.family.target),
        threshold=None if threshold is None else to_json(threshold),
        scores={name: measure.value for name, measure in (measures or {}).items()},
        notes=notes,
        versions={package: _version(package) for package in (*_PACKAGES, *_engine_of(start.options.engine))},
        device=learned.device,
        precision=learned.precision,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(learned.seconds, 3),
        files=seal(folder),
        parts=None if start.views is None else to_json(start.views),
    )


def keep_lineage(start: Start, folder: Path) -> None:
    """Write what a run in `folder` stands on, this training's own pictures among it."""
    whole = start.lineage.having_learned(start.parts.training).chosen_by(start.parts.validation)
    write_lineage(folder, whole, start.lineage if isinstance(start.inspector, Fitted) else whole)


def _described(dataset: Dataset, fingerprint: str, parts: Parts, target: Target) -> dict[str, Any]:
    """A data set in numbers: where it lies, what it holds, and how many pictures of each class each split has; where
    boxes are learned, also how many pictures and boxes."""
    stated = {"train": parts.training, "validation": parts.validation, "test": parts.test}
    splits = {name: part for name, part in stated.items() if part is not None}
    about: dict[str, Any] = {
        "path": dataset.root,
        "format": dataset.format,
        "fingerprint": fingerprint,
    }
    if not target.locates:
        counts = {
            name: dict(Counter(label or NO_LABEL for label in part.column("label"))) for name, part in splits.items()
        }
        return about | {"counts": counts}
    labels = {name: part.column("box_labels") for name, part in splits.items()}
    return about | {
        "pictures": {name: len(part) for name, part in splits.items()},
        "counts": {
            name: dict(Counter(kind for boxes in each for kind in set(boxes) or {NO_BOXES}))
            for name, each in labels.items()
        },
        "boxes": {name: dict(Counter(label for boxes in each for label in boxes)) for name, each in labels.items()},
    }


@cache  # each is a file to be found and parsed, of hundreds of lines
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
