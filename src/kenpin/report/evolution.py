"""The page of a run's evolution: the same few pictures before training and after each evaluation, side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kenpin.errors import RunError
from kenpin.plural import counted
from kenpin.report import words
from kenpin.report.charts import training_figures
from kenpin.report.document import data_url, fill, write_document
from kenpin.report.names import picture_name
from kenpin.run.evolution import SNAPSHOTS, TRUTH, read_snapshots, read_truth
from kenpin.run.layout import EVOLUTION, METRICS
from kenpin.run.rows import read_rows
from kenpin.run.thumbnails import is_jpeg
from kenpin.strict_json import read_bounded
from kenpin.visible import short
from kenpin.words import ENGLISH, Language, Texts

_COLUMNS = 24  # more would make a page of tens of megabytes
_MOST_BYTES, _LARGEST_PX, _LONGEST_NAME = 64 * 1024**2, 16_384, 255  # of a drawn picture and its file


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Scores and pictures of one evaluation. Step 0 is before training."""

    step: int
    epoch: float
    scores: Mapping[str, float | None]
    """Scores on the validation pictures, by name; `loss` among them."""
    pictures: tuple[bytes, ...] = field(repr=False)
    """JPEG bytes, in the order of the names; none where the page has no column for it."""


@dataclass(frozen=True, slots=True)
class Evolution:
    """The watched pictures of a run; `names`, `truth` and the pictures of each shown snapshot are equally many."""

    names: tuple[str, ...]
    truth: tuple[bytes, ...] = field(repr=False)
    snapshots: tuple[Snapshot, ...]
    training: Sequence[Mapping[str, Any]] = ()
    """Rows of metrics.jsonl, for the training loss."""


def write_evolution(
    run_folder: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    language: Language = "en",
    overwrite: bool = False,
) -> Path:
    """Draw how a run's predictions evolved into one HTML file that needs no other; returns its path.

    `name`: the run's name on the page; None: its folder's; `language`: of the page's own texts.

    Raises RunError for a folder without snapshots and OutputExistsError where `out` exists, unless `overwrite`.
    """
    run_folder = Path(run_folder)
    named = name or run_folder.resolve().name
    return write_document(
        lambda: render_evolution(read_evolution(run_folder), named, Texts(language)), Path(out), overwrite
    )


def render_evolution(evolution: Evolution, name: str, texts: Texts = ENGLISH) -> str:
    """One HTML page: curves above, below them a row for each watched picture and a column for each evaluation."""
    best = _least_loss(evolution.snapshots)
    columns = _shown(evolution.snapshots, best)
    return fill(
        "evolution.html.jinja",
        texts,
        name=name,
        sentences=_sentences(evolution, best, len(columns), texts),
        figures=training_figures(_rows(evolution, texts), texts),
        columns=[
            (_title(snapshot, texts), _step(snapshot, texts), _score_lines(snapshot, texts), snapshot is best)
            for snapshot in columns
        ],
        rows=[
            (
                picture_name(picture),
                data_url(evolution.truth[i]),
                [data_url(snapshot.pictures[i]) for snapshot in columns],
            )
            for i, picture in enumerate(evolution.names)
        ],
    )


def read_evolution(run_folder: Path) -> Evolution:
    """The evolution of a run, finished or not, with the pictures that the page shows: their number is bounded, however
    long the run. Raises RunError."""
    folder, metrics = run_folder / EVOLUTION, run_folder / METRICS
    for file in (TRUTH, SNAPSHOTS):
        if not (folder / file).is_file():
            raise RunError(f"{folder / file}: is missing; a run that learns to detect writes it while it trains.")
    truth, rows = read_truth(folder), read_snapshots(folder)
    snapshots = [Snapshot(row.step, row.epoch, row.scores, ()) for row in rows]
    shown = {snapshot.step for snapshot in _shown(snapshots, _least_loss(snapshots))}
    return Evolution(
        names=tuple(row.name for row in truth),
        truth=_read_all(folder, [row.picture for row in truth], len(truth)),
        snapshots=tuple(
            replace(snapshot, pictures=_read_all(folder, row.pictures, len(truth)))
            if snapshot.step in shown
            else snapshot
            for snapshot, row in zip(snapshots, rows, strict=True)
        ),
        training=read_rows(metrics) if metrics.exists() else (),
    )


def _read_all(folder: Path, files: Sequence[str], count: int) -> tuple[bytes, ...]:
    if len(files) != count:
        raise RunError(
            f"{folder / SNAPSHOTS}: a row has {counted(len(files), 'picture')} for {count} in {TRUTH}; train again."
        )
    return tuple(_read_jpeg(folder, file) for file in files)


def _read_jpeg(folder: Path, name: str) -> bytes:
    """A picture that the training drew: a file in the folder itself, for the page embeds it. Raises RunError."""
    if Path(name).name != name or len(os.fsencode(name)) > _LONGEST_NAME or (folder / name).is_symlink():
        raise RunError(
            f"{folder}: {short(name)!r} is not a picture in it; restore the folder from a copy or train again."
        )
    try:
        data = read_bounded(folder / name, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / name}: cannot be read; restore it from a copy or train again.") from error
    if not is_jpeg(data, _LARGEST_PX):
        raise RunError(f"{folder / name}: is no JPEG of usual size; restore it from a copy or train again.")
    return data


def _least_loss(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """The snapshot of the least validation loss; None where none was measured."""
    measured = [
        (loss, snapshot.step, snapshot) for snapshot in snapshots if (loss := snapshot.scores.get("loss")) is not None
    ]
    return min(measured, key=lambda one: one[:2])[2] if measured else None


def _shown(snapshots: Sequence[Snapshot], best: Snapshot | None) -> list[Snapshot]:
    """All snapshots, or the first, the last, the best and evenly chosen ones between."""
    if len(snapshots) <= _COLUMNS:
        return list(snapshots)
    chosen = {round(i * (len(snapshots) - 1) / (_COLUMNS - 1)) for i in range(_COLUMNS)}
    return [snapshot for i, snapshot in enumerate(snapshots) if i in chosen or snapshot is best]


def _sentences(evolution: Evolution, best: Snapshot | None, shown: int, texts: Texts) -> list[str]:
    trained = [snapshot for snapshot in evolution.snapshots if snapshot.step > 0]
    pictures = texts.count("%(count)s picture", "%(count)s pictures", len(evolution.names))
    if len(trained) < len(evolution.snapshots):
        lead = texts.count(
            "%(pictures)s, drawn before training and at %(count)s evaluation during it.",
            "%(pictures)s, drawn before training and at %(count)s evaluations during it.",
            len(trained),
            pictures=pictures,
        )
    else:
        lead = texts.count(
            "%(pictures)s, drawn at %(count)s evaluation during it.",
            "%(pictures)s, drawn at %(count)s evaluations during it.",
            len(trained),
            pictures=pictures,
        )
    sentences = [lead]
    if best is not None:
        sentences.append(
            texts(
                "The least validation loss was %(loss)s, %(moment)s.",
                loss=f"{best.scores['loss']:.4g}",
                moment=_moment(best, texts),
            )
        )
    if shown < len(evolution.snapshots):
        columns = texts.count(
            "%(some)s of the %(count)s column",
            "%(some)s of the %(count)s columns",
            len(evolution.snapshots),
            some=shown,
        )
        sentences.append(texts.count("%(columns)s is shown.", "%(columns)s are shown.", shown, columns=columns))
    return sentences


def _rows(evolution: Evolution, texts: Texts) -> list[dict[str, Any]]:
    """Rows for the curves: the trainer's losses, and the snapshots' scores, which begin before training."""
    losses = [{"step": row.get("step"), "loss": row["loss"]} for row in evolution.training if "loss" in row]
    scores = [
        {
            "step": snapshot.step,
            **{f"eval_{_shown_name(name, texts)}": score for name, score in snapshot.scores.items()},
        }
        for snapshot in evolution.snapshots
    ]
    return losses + scores


def _shown_name(name: str, texts: Texts) -> str:
    return name if name == "loss" else words.title(name, texts)


def _title(snapshot: Snapshot, texts: Texts) -> str:
    if snapshot.step == 0:
        return texts("Before training")
    return texts("Epoch %(number)s", number=f"{snapshot.epoch:.4g}")


def _step(snapshot: Snapshot, texts: Texts) -> str:
    return texts("step %(number)s", number=f"{snapshot.step:,}")


def _moment(snapshot: Snapshot, texts: Texts) -> str:
    if snapshot.step == 0:
        return texts("before training")
    epoch, step = f"{snapshot.epoch:.4g}", f"{snapshot.step:,}"
    return texts("after epoch %(epoch)s, step %(step)s", epoch=epoch, step=step)


def _score_lines(snapshot: Snapshot, texts: Texts) -> list[tuple[str, str]]:
    return [
        (texts("Validation loss"), f"{score:.4g}")
        if name == "loss"
        else (words.title(name, texts), words.value(name, score))
        for name, score in snapshot.scores.items()
        if score is not None
    ]
