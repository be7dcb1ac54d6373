"""The demo: real solar cells from data set to judged parts, with the honest figures beside the flattering ones."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import as_json, examine, render
from kenpin.data.folds import blocked_folds, random_folds
from kenpin.data.images import read_image
from kenpin.data.loading import write_dataset
from kenpin.data.splitting import split_by_ratio
from kenpin.drawing import draw_prediction
from kenpin.errors import MissingExtraError
from kenpin.evaluation import summarise
from kenpin.evaluation.mistakes import worst_first
from kenpin.files import check_free, read_json, write_json
from kenpin.installing import installing
from kenpin.models import get_family
from kenpin.models.contract import Progress, Task
from kenpin.plural import counted
from kenpin.predictor import load_predictor
from kenpin.quality.threshold import judge
from kenpin.records import Evaluation, Example, ImageSource
from kenpin.records_json import evaluation_from_json
from kenpin.report import write_report, write_thumbnails
from kenpin.report.headline import headed_json
from kenpin.run.layout import REPORT, evaluation_files
from kenpin.training import Listener, out_of_fold, train

LICENCES = (
    "Pictures: ELPV, solar cells in electroluminescence (Buerhop-Lutz, Deitsch et al. 2018), CC BY-NC-SA 4.0: for "
    "non-commercial use.\nWeights: EfficientNet-Lite0 trained on ImageNet, Apache-2.0."
)
WHY_THEY_DIFFER = (
    "Cells of one solar module are neighbours in the file. With random folds an inspector learns from neighbours of "
    "the cells that it is tested on; with blocks in file order it hardly does. Expect the blocked figures on new "
    "modules."
)
FAMILIES = ("classifier", "mahalanobis")
WAYS = ("random", "blocked")
_FOLDS = 4
_SHOWN = 60  # mistakes of the folds whose pictures the report shows
_TASK = Task(labels=("functional", "defective"), ok_labels=("functional",))


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured and wrote."""

    crossed: dict[tuple[str, str], Evaluation]
    """By family and way of folding: every cell judged by an inspector that was fitted without its fold."""
    tested: dict[str, Evaluation]
    """By family: the shipped run on its test cells."""
    report: Path
    data: Path
    runs: Path
    drawn: tuple[Path, ...]
    seconds: float


def solar_cells() -> Dataset:
    """ELPV's cells that are surely functional (defect probability 0) or likely defective (½ and more), in file order.

    Raises MissingExtraError.
    """
    try:
        import elpv_dataset
    except ImportError as error:
        raise MissingExtraError(f"the demo needs its pictures: {installing('demo')}") from error
    folder = Path(elpv_dataset.__file__).parent / "data"
    examples = []
    for line, row in enumerate((folder / "labels.csv").read_text(encoding="utf-8").splitlines(), start=1):
        path, probability, cell = row.split()
        if 0 < float(probability) < 0.5:
            continue  # one of three assessors saw a defect: neither good nor bad
        label = "functional" if float(probability) == 0 else "defective"
        attributes = {"cell": cell, "defect_probability": probability}
        image = ImageSource(path=str(folder / path))
        examples.append(
            Example(id=path, image=image, label=label, attributes=attributes, origin=f"labels.csv line {line}")
        )
    return Dataset.from_examples(examples, classes=_TASK.labels, root=folder, format="demo")


def run_demo(out: Path, *, overwrite: bool, say: Callable[[str], None], progress: Progress) -> DemoResult:
    """Doctor, split, train, evaluate, report and draw into `out`. Raises MissingExtraError, OutputExistsError."""
    started = time.monotonic()
    check_free(out, overwrite)
    cells = split_by_ratio(solar_cells(), {"train": 0.75, "test": 0.25}, seed=0)
    say(LICENCES)
    write_dataset(cells, out / "cells", "csv", overwrite=overwrite)
    say(f"Examining {counted(len(cells), 'picture')} …")
    examination = examine(out / "cells")
    say(render(examination))
    runs = {family: out / "runs" / family for family in FAMILIES}
    listener = Listener(progress=progress)
    for family, run in runs.items():
        say(f"Training {family} …")
        train(family, data=str(out / "cells"), out=run, overwrite=overwrite, report=False, listener=listener)
    best = runs["classifier"]
    say(f"Judging every cell by inspectors that never saw it, in {_FOLDS} folds, at random and in file order …")
    crossed = {(family, way): _cross(family, way, cells, out, progress) for family in FAMILIES for way in WAYS}
    for (family, way), evaluation in crossed.items():
        kept = evaluation_files(runs[family], f"{way}-folds")
        mistakes = [part.id for _, part in worst_first(evaluation.judged)]
        write_thumbnails(cells, kept.thumbnails, read_image, first=mistakes, at_most=_SHOWN)
        write_json(kept.evaluation, headed_json(evaluation))
    for run in runs.values():
        write_json(run / "doctor.json", as_json(examination))
        write_report(run, run / REPORT, overwrite=True)
    return DemoResult(
        crossed=crossed,
        tested={name: evaluation_from_json(read_json(evaluation_files(run).evaluation)) for name, run in runs.items()},
        report=Path(shutil.copyfile(best / REPORT, out / REPORT)),
        data=out / "cells",
        runs=out / "runs",
        drawn=_draw(best, cells.of_split("test"), out / "drawn"),
        seconds=time.monotonic() - started,
    )


def _cross(name: str, way: str, cells: Dataset, out: Path, progress: Progress) -> Evaluation:
    folds = random_folds(cells, _FOLDS, seed=0) if way == "random" else blocked_folds(cells, _FOLDS)
    family = get_family(name)
    options = family.Options.from_mapping({"data": str(out / "cells"), "out": out})
    return summarise(
        cells,
        out_of_fold(family, options, _TASK, cells, folds, progress),
        labels=_TASK.labels if name == "classifier" else (),
        ok_labels=_TASK.ok_labels,
        threshold=None,
        split=f"{_FOLDS} {way} folds",
    )


def _draw(run: Path, test: Dataset, folder: Path) -> tuple[Path, ...]:
    """Two test pictures of each class, judged and drawn."""
    predictor = load_predictor(run)
    labels = test.column("label")
    chosen = test.select(
        index for label in test.classes for index in [i for i, own_label in enumerate(labels) if own_label == label][:2]
    )
    files = []
    for number, prediction in enumerate(predictor.predict(chosen), start=1):
        judgement = None if predictor.threshold is None else judge(prediction, predictor.threshold)
        path = Path(chosen[number - 1].image.path or "")
        files.append(draw_prediction(path, prediction, judgement, folder, number))
    return tuple(files)
