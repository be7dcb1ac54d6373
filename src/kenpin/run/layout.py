"""Layout of a run folder: the name of each file and folder in it, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RECORD = "run.json"
"""File of the run's record: training, data, base and decision; written last."""
MODEL = "model"
"""Folder of everything that decides predictions: weights or adapter, processor, arrays."""
CALIBRATION = "calibration.json"
"""File in it of the calibration curve."""
CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints."""
LINEAGE = "lineage.npz"
"""File of the lineage of a run, or of a network exported from one: content hashes of 32 ASCII bytes each, the role of
each, and the `names` of the runs below."""
MOMENTS = "moments.npz"
"""File of the moments of the good parts of a unit space, by which others are added."""
OPTIONS = "options.json"
"""File of a run's options, written when it begins."""
EXPORTED = "kenpin.json"
"""File of an exported network that names the run it comes from."""
METRICS = "metrics.jsonl"
"""File of the losses and scores, a row a measurement."""
EVOLUTION = "evolution"
"""Folder of the pictures of predictions during training."""
REPORT, EVOLUTION_PAGE = "report.html", "evolution.html"
"""Pages that are made from the other files, and can be made again."""
_EVALUATION, _THUMBNAILS, _MAPS, _VECTORS = "evaluation.json", "thumbnails.parquet", "maps.npz", "embedding.npz"
_CRITERIA = "criteria.json"
_LOOKED_AT = "looked_at.npz"

SEALED = (
    f"{MODEL}/**/*",
    LINEAGE,
    MOMENTS,
    _EVALUATION,
    _THUMBNAILS,
    _MAPS,
    _VECTORS,
    _LOOKED_AT,
    METRICS,
    _CRITERIA,
    f"{EVOLUTION}/**/*",
    f"{CHECKPOINTS}/*/*.safetensors",
    f"{CHECKPOINTS}/*/trainer_state.json",
)
"""Patterns of the files that decisions and reports use."""


@dataclass(frozen=True, slots=True)
class EvaluationFiles:
    """The files of an evaluation in a run, with those of its pictures for the report."""

    evaluation: Path
    thumbnails: Path
    maps: Path
    vectors: Path | None
    """None for a further evaluation: the plot of embeddings is of the run's own pictures."""
    looked_at: Path | None
    """Masks of what was looked at; None for a further evaluation, which looks at pictures as the run does."""
    criteria: Path
    """The acceptance criteria that were fixed before it."""

    @property
    def all(self) -> tuple[Path, ...]:
        """The files that show it, the evaluation first."""
        files = (self.evaluation, self.thumbnails, self.maps, self.vectors, self.looked_at)
        return tuple(file for file in files if file is not None)

    def clear(self) -> None:
        """Remove the files, the evaluation first: pictures without it are never read."""
        for file in (*self.all, self.criteria):
            file.unlink(missing_ok=True)


def evaluation_files(run: Path, name: str | None = None) -> EvaluationFiles:
    """The files of the evaluation of this name; None: of the run's own, which are sealed."""
    if name is None:
        names = (_EVALUATION, _THUMBNAILS, _MAPS, _VECTORS, _LOOKED_AT, _CRITERIA)
        return EvaluationFiles(*(run / file for file in names))
    evaluation, thumbnails, maps, criteria = (
        run / f"{file.stem}-{name}{file.suffix}" for file in map(Path, (_EVALUATION, _THUMBNAILS, _MAPS, _CRITERIA))
    )
    return EvaluationFiles(evaluation, thumbnails, maps, None, None, criteria)


def further_evaluations(run: Path) -> list[str]:
    """Names of the evaluations beside the run's own."""
    stem, suffix = Path(_EVALUATION).stem, Path(_EVALUATION).suffix
    return sorted(file.stem.removeprefix(f"{stem}-") for file in run.glob(f"{stem}-*{suffix}"))
