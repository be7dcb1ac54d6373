"""The folder of the predictions that were drawn during a training; readable whenever the run is killed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from kenpin.errors import RunError
from kenpin.files import new_file, write_text
from kenpin.records_json import from_json
from kenpin.run.layout import EVOLUTION
from kenpin.run.rows import read_rows

TRUTH = "truth.jsonl"
"""File of a `TruthRow` for each watched picture."""
SNAPSHOTS = "snapshots.jsonl"
"""File of a `SnapshotRow` for each evaluation."""
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class TruthRow:
    """A watched picture."""

    name: str
    picture: str
    """JPEG file with its annotation."""


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """An evaluation during a training."""

    step: int
    epoch: float
    scores: Mapping[str, float | None]
    pictures: tuple[str, ...]
    """JPEG files in the order of the names."""


def read_truth(drawings: Path) -> list[TruthRow]:
    """The watched pictures of a run, from its folder of drawings. Raises RunError."""
    file = drawings / TRUTH
    return [from_json(TruthRow, row, f"{file} line {number}") for number, row in enumerate(read_rows(file), 1)]


def read_snapshots(drawings: Path) -> list[SnapshotRow]:
    """The evaluations of a run, from its folder of drawings. Raises RunError."""
    file = drawings / SNAPSHOTS
    rows = [from_json(SnapshotRow, row, f"{file} line {number}") for number, row in enumerate(read_rows(file), 1)]
    for number, row in enumerate(rows, 1):
        if not all(math.isfinite(value) for value in (row.epoch, *row.scores.values()) if value is not None):
            raise RunError(f"{file} line {number}: a number is not finite; restore the file, or train again.")
    return rows


def record_truth(folder: Path, names: Sequence[str], drawn: Sequence[Image.Image]) -> None:
    """Keep what is annotated on the watched pictures, drawn, below `folder/evolution/`; once, when a run begins."""
    drawings = folder / EVOLUTION
    drawings.mkdir(parents=True, exist_ok=True)
    pictures = zip(names, _save(drawings, "truth", drawn), strict=True)
    _write_rows(drawings / TRUTH, [{"name": name, "picture": file} for name, file in pictures])


def record_snapshot(
    folder: Path, step: int, epoch: float, scores: Mapping[str, float | None], drawn: Sequence[Image.Image]
) -> None:
    """Keep what an evaluation measured and drew below `folder/evolution/`; step 0 is before training.

    `drawn`: the watched pictures with their predictions, in the order of `record_truth`. A resumed run trains some
    steps again: snapshots of this step and of later ones make way. A score that is no finite number is kept as none.
    """
    drawings = folder / EVOLUTION
    drawings.mkdir(parents=True, exist_ok=True)
    earlier = read_snapshots(drawings) if (drawings / SNAPSHOTS).exists() else []
    kept = [row for row in earlier if row.step < step]
    if len(kept) < len(earlier):
        # before their pictures are replaced, or a kill would leave pictures of two trainings in one snapshot
        _write_rows(drawings / SNAPSHOTS, map(asdict, kept))
    finite = {name: score if score is not None and math.isfinite(score) else None for name, score in scores.items()}
    pictures = _save(drawings, f"step-{step:08}", drawn)
    # last: a row names only pictures that are there
    rows = (*kept, SnapshotRow(step, epoch, finite, tuple(pictures)))
    _write_rows(drawings / SNAPSHOTS, map(asdict, rows))


def _save(drawings: Path, name: str, drawn: Sequence[Image.Image]) -> list[str]:
    """Write the pictures as JPEGs; returns the names of their files."""
    files = [f"{name}-{number:02}.jpg" for number in range(len(drawn))]
    for file, picture in zip(files, drawn, strict=True):
        with new_file(drawings / file) as unfinished:
            # whole colour resolution: thin coloured lines would fade
            picture.convert("RGB").save(unfinished, "JPEG", quality=_QUALITY, subsampling=0)
    return files


def _write_rows(file: Path, rows: Iterable[Mapping[str, object]]) -> None:
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
