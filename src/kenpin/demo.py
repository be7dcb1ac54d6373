"""The demo: real solar cells from data set to judged parts, with the honest figures beside the flattering ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import Examination, examine
from kenpin.data.loading import write_dataset
from kenpin.data.splitting import split_by_ratio, split_in_order
from kenpin.drawing import draw_prediction
from kenpin.errors import MissingExtraError
from kenpin.models._family import Progress
from kenpin.predictor import load_predictor
from kenpin.quality.threshold import judge
from kenpin.records import Evaluation, Example, ImageSource
from kenpin.records_json import evaluation_from_json
from kenpin.report import write_report
from kenpin.run_folder import check_free, read_json
from kenpin.training import train

LICENCES = (
    "Pictures: ELPV, solar cells in electroluminescence (Buerhop-Lutz, Deitsch et al. 2018), CC BY-NC-SA 4.0: for "
    "non-commercial use. Weights: EfficientNet-Lite0 trained on ImageNet, Apache-2.0."
)
WHY_THEY_DIFFER = (
    "Cells of one solar module stand together in the file: a random split lets the inspector learn from the neighbours "
    "of the cells that it is tested on, blocks in file order do not, so expect the blocked figures on new modules."
)
_RATIOS = {"train": 0.6, "validation": 0.15, "test": 0.25}
_FAMILIES = ("classifier", "mahalanobis")


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured and wrote."""

    examination: Examination
    evaluations: dict[tuple[str, str], Evaluation]
    """By family and way of splitting, `random` or `blocked`."""
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
        raise MissingExtraError('the demo needs its pictures: pip install "kenpin[demo]"') from error
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
    return Dataset.from_examples(examples, classes=("functional", "defective"), root=folder, format="demo")


def run_demo(out: Path, *, overwrite: bool, say: Callable[[str], None], progress: Progress) -> DemoResult:
    """Doctor, split, train, evaluate, report and draw into `out`. Raises MissingExtraError, OutputExistsError."""
    started = time.monotonic()
    check_free(out, overwrite)
    cells = solar_cells()
    say(LICENCES)
    data = {"random": split_by_ratio(cells, _RATIOS, seed=0), "blocked": split_in_order(cells, _RATIOS)}
    write_dataset(data["random"], out / "cells", "csv", overwrite=overwrite)
    say(f"Examining {len(cells)} pictures …")
    examination = examine(out / "cells")
    evaluations = {}
    for way, dataset in data.items():
        for family in _FAMILIES:
            run = out / "runs" / f"{family}-{way}"
            say(f"Training {family}, {way} split …")
            train(family, dataset=dataset, data=dataset.root, out=run, overwrite=True, report=False, progress=progress)
            evaluations[family, way] = evaluation_from_json(read_json(run / "evaluation.json"))
    best = out / "runs" / "classifier-random"
    for family, way in evaluations:
        if (family, way) != ("classifier", "random"):
            name = f"{family}-{way}"
            source = (out / "runs" / name / "evaluation.json").read_bytes()
            (best / f"evaluation-{name}.json").write_bytes(source)
    report = write_report(best, out / "report.html", overwrite=True)
    return DemoResult(
        examination=examination,
        evaluations=evaluations,
        report=report,
        data=out / "cells",
        runs=out / "runs",
        drawn=_draw(best, data["random"], out / "drawn"),
        seconds=time.monotonic() - started,
    )


def _draw(run: Path, dataset: Dataset, folder: Path) -> tuple[Path, ...]:
    """Two test pictures of each class, judged and drawn."""
    predictor = load_predictor(run)
    test = dataset.of_split("test")
    chosen = [
        place
        for label in dataset.classes
        for place in [i for i, found in enumerate(test.column("label")) if found == label][:2]
    ]
    drawn = []
    for number, prediction in enumerate(predictor.predict(test.select(chosen)), start=1):
        judgement = None if predictor.threshold is None else judge(prediction, predictor.threshold)
        path = Path(test[chosen[number - 1]].image.path or "")
        drawn.append(draw_prediction(path, prediction, judgement, folder, number))
    return tuple(drawn)
