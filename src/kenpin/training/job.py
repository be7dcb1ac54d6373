"""One training from start to run folder: read, divide, learn, decide, evaluate, report; resumable at any moment."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset, content_hashes
from kenpin.data.folds import random_folds
from kenpin.errors import DatasetError, OptionError, OutputExistsError, RunError, UnitSpaceError
from kenpin.evaluation import summarise, with_mask_measures
from kenpin.models._calibrated import write_calibration
from kenpin.models._checkpoints import OPTIONS, write_begun
from kenpin.models._family import Calibrated, Family, Inspector, Limited, Progress, Task, Trainable
from kenpin.predictor import Predictor
from kenpin.records import Evaluation, Prediction, Threshold
from kenpin.records_json import evaluation_to_json, to_json
from kenpin.report import write_report
from kenpin.report.evolution import FOLDER as EVOLUTION
from kenpin.report.evolution import write_evolution
from kenpin.run_folder import (
    MODEL,
    TRAINED_ON,
    RunRecord,
    finish,
    partial_folder,
    read_json,
    seal,
    sole_writer,
    write_json,
    write_record,
)
from kenpin.training.calibrating import calibrate
from kenpin.training.capacity import refuse_unfit
from kenpin.training.crossfit import out_of_fold
from kenpin.training.decision import decide
from kenpin.training.keeping import keep_for_report
from kenpin.training.learning import Learned, Say, has_learned, learn, learn_along
from kenpin.training.parts import Parts, defective
from kenpin.training.processes import processes
from kenpin.training.start import begin

_FOLDS = 5
_NO_VERDICT = "No threshold: an answer in words is neither good nor defective."
_UNTESTED = {
    "text": "No split is named test: the weights that ship were chosen on the pictures that they are measured on here.",
    "label": "No split is named test: the threshold was chosen on the pictures that it is measured on here.",
}
# settings that say how a run is carried out, not what it learns: they may differ when it is resumed
_OF_THE_CALL = {"resume", "overwrite", "report", "device", "out"}
_PACKAGES = ("kenpin", "torch", "transformers", "peft", "datasets", "numpy", "scikit-learn", "pillow")


def _nothing_said(sentence: str) -> None:
    pass


def _nothing_shown(doing: str, done: int, total: int) -> None:
    pass


def train(
    family: str,
    options: TrainOptions | None = None,
    *,
    dataset: Dataset | None = None,
    say: Say = _nothing_said,
    progress: Progress = _nothing_shown,
    progress_bar: bool = False,
    **values: Any,
) -> Path:
    """Train an inspector and return its run folder. Options come as a model, or by name in `values`.

    `dataset` stands in for the one that `options.data` names. `say` takes each sentence worth telling, `progress`
    each advance. Raises KenpinError: nothing is left behind but what was learned, which `resume` takes up.
    """
    start = begin(family, options, dataset, values)
    chosen, options, dataset = start.family, start.options, start.dataset
    parts, task, inspector = start.parts, start.task, start.inspector
    partial = partial_folder(options.out)
    crew = processes(options.device)
    wanted: Any = options
    if isinstance(inspector, Trainable):
        refuse_unfit(inspector.module, wanted.optimiser, crew.device)
    if not crew.leads:
        crew.wait()
        learn_along(chosen, inspector, options, task, parts, partial, crew)
        crew.part()
        return options.out
    for note in start.notes:
        say(note)
    with sole_writer(partial), _removed_if_nothing_is_learned(partial):
        fingerprint = dataset.fingerprint()
        _prepare(partial, options, fingerprint)
        write_begun(partial, family, task, inspector)
        crew.wait()
        learned = learn(
            chosen,
            inspector,
            options,
            task,
            parts,
            partial,
            crew,
            say=say,
            progress=progress,
            progress_bar=progress_bar,
        )
        crew.part()
        scored = _score(chosen, learned, options, task, parts, progress)
        meaning: tuple[str, ...] = ()
        threshold, why = None, _NO_VERDICT
        if chosen.target != "text":
            is_defective = defective(scored.pictures, task, chosen.target)
            scored, meaning = _with_meaning(learned.inspector, options, scored, is_defective, chosen.target, partial)
            for sentence in meaning:
                say(sentence)
            threshold, why = decide(
                scored.predictions,
                is_defective,
                options,
                scored.name,
                learned.inspector.limit if isinstance(learned.inspector, Limited) else None,
            )
        say(why)
        evaluation = _evaluate(
            learned.inspector, chosen.target, scored, task, threshold, parts.test, options.seed, progress
        )
        gained: tuple[str, ...] = ()
        if start.retrieval is not None:
            gain = start.retrieval.measures(Predictor(learned.inspector), progress)
            evaluation = replace(evaluation, measures={**evaluation.measures, **gain})
            gained = (start.retrieval.in_words(gain),)
            say(*gained)
        write_json(partial / "evaluation.json", evaluation_to_json(evaluation))
        keep_for_report(
            Predictor(learned.inspector, threshold, target=chosen.target),
            parts.test or scored.pictures,
            evaluation,
            partial,
            held_out=parts.test is not None or parts.validation is not None,
        )
        np.save(partial / TRAINED_ON, np.array(sorted(content_hashes(parts.training)), dtype="S32"))
        notes = (*start.notes, *learned.notes, *meaning, why, *gained)
        about = _describe(dataset, fingerprint, parts)
        write_record(partial, _record(family, options, task, learned, threshold, evaluation, notes, about, partial))
        if options.report:
            write_report(partial, partial / "report.html", name=options.out.name, overwrite=True)
            if (partial / EVOLUTION).is_dir():
                write_evolution(partial, partial / "evolution.html", name=options.out.name, overwrite=True)
        finish(partial, options.out, options.overwrite, start.needed)
    return options.out


@contextmanager
def _removed_if_nothing_is_learned(partial: Path) -> Iterator[None]:
    """Leave no partial folder behind a training that ends before there is anything to resume."""
    partial.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not has_learned(partial):
            shutil.rmtree(partial, ignore_errors=True)
        raise


def _prepare(partial: Path, options: TrainOptions, fingerprint: str) -> None:
    """Make the partial folder one that knows its options and nothing else, or check the one to be resumed.

    Raises RunError, OptionError, and OutputExistsError where that would lose what was learned.
    """
    wanted = json.loads(options.model_dump_json(exclude=_OF_THE_CALL)) | {"fingerprint": fingerprint}
    saved_options = partial / OPTIONS
    if options.resume:
        if not saved_options.is_file():
            raise RunError(f"{options.out}: no interrupted run to resume; start it without --resume.")
        saved = read_json(saved_options)
        if changed := sorted(key for key in wanted | saved if wanted.get(key) != saved.get(key)):
            raise OptionError(
                f"{options.out}: {', '.join(changed)} differ from the interrupted run's; resume it with the same, or "
                "start anew without --resume."
            )
        return
    if has_learned(partial) and not options.overwrite:
        raise OutputExistsError(
            f"{options.out}: an interrupted training has learned something of it already; go on with --resume, or "
            "start anew with --overwrite."
        )
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_json(saved_options, wanted)


@dataclass(frozen=True)
class _Scored:
    """Pictures with predictions by inspectors that had not seen them."""

    name: str
    split: str
    pictures: Dataset
    predictions: tuple[Prediction, ...]


def _score(
    family: Family, learned: Learned, options: TrainOptions, task: Task, parts: Parts, progress: Progress
) -> _Scored:
    """What the threshold is chosen on: the validation pictures, or where a fit is cheap all training pictures, each
    scored by a fit without it."""
    if parts.validation is not None:
        predictor = Predictor(learned.inspector, target=family.target)
        predictions = tuple(predictor.predict(parts.validation, progress=progress))
        return _Scored("validation pictures", "validation", parts.validation, predictions)
    labels, groups = parts.training.column("label"), set(parts.training.column("group"))
    count = min(_FOLDS, *Counter(labels).values(), _FOLDS if None in groups else len(groups))
    try:
        folds = random_folds(parts.training, count, seed=options.seed)
        predictions = out_of_fold(family, options, task, parts.training, folds, progress)
    except (DatasetError, UnitSpaceError) as error:
        raise DatasetError(
            f"no split is named validation, and what holding out 1 of {count} folds leaves is too little: {error}"
        ) from error
    name = f"training pictures, each scored by a fit without it ({count} folds)"
    return _Scored(name, "cross-validation", parts.training, predictions)


def _with_meaning(
    inspector: Inspector,
    options: TrainOptions,
    scored: _Scored,
    is_defective: list[bool],
    target: str,
    partial: Path,
) -> tuple[_Scored, tuple[str, ...]]:
    """The same pictures by calibrated scores, where that is asked for; the run keeps the curve."""
    if options.calibrate == "none" or not isinstance(inspector, Calibrated):
        return scored, ()
    said, sentence = calibrate(inspector, options.calibrate, scored.pictures, scored.predictions, is_defective, target)
    if inspector.calibration is not None:
        write_calibration(partial / MODEL, inspector.calibration)
    return replace(scored, predictions=said), (sentence,)


def _evaluate(
    inspector: Inspector,
    target: str,
    scored: _Scored,
    task: Task,
    threshold: Threshold | None,
    test: Dataset | None,
    seed: int,
    progress: Progress,
) -> Evaluation:
    """Measured on the test pictures; without any, on those that the threshold was chosen on, which flatters it."""
    pictures, split, predictions = test, "test", scored.predictions
    if pictures is None:
        pictures, split = scored.pictures, scored.split
    else:
        predictions = tuple(Predictor(inspector).predict(pictures, progress=progress))
    evaluation = summarise(
        pictures,
        predictions,
        labels=inspector.labels,
        ok_labels=task.ok_labels,
        threshold=threshold,
        split=split,
        target=target,
        seed=seed,
        notes=() if test is not None else (_UNTESTED.get(target, _UNTESTED["label"]),),
    )
    # of a fit that has seen the pictures, a map would flatter
    return evaluation if test is None else with_mask_measures(evaluation, Predictor(inspector), test, seed)


def _record(
    family: str,
    options: TrainOptions,
    task: Task,
    learned: Learned,
    threshold: Threshold | None,
    evaluation: Evaluation,
    notes: tuple[str, ...],
    dataset: dict[str, Any],
    partial: Path,
) -> RunRecord:
    inspector = learned.inspector
    return RunRecord(
        family=family,
        base_id=inspector.base.id,
        base_commit=inspector.base.commit,
        base_probe=inspector.base.probe,
        options=options.model_dump(mode="json", exclude=set(options.idle())),
        labels=task.labels,
        ok_labels=task.ok_labels,
        image_size_wh=inspector.image_size_wh,
        dataset=dataset,
        threshold=None if threshold is None else to_json(threshold),
        scores={name: measure.value for name, measure in evaluation.measures.items()},
        notes=notes,
        versions=_versions(),
        device=learned.device,
        precision=learned.precision,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(learned.seconds, 3),
        files=seal(partial),
    )


def _describe(dataset: Dataset, fingerprint: str, parts: Parts) -> dict[str, Any]:
    pictures = {"train": parts.training, "validation": parts.validation, "test": parts.test}
    return {
        "path": dataset.root,
        "format": dataset.format,
        "fingerprint": fingerprint,
        "counts": {
            name: dict(Counter(label or "no label" for label in part.column("label")))
            for name, part in pictures.items()
            if part is not None
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
