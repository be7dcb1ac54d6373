"""One training from start to run folder: read, divide, learn, decide, evaluate, report; resumable at any moment."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from kenpin.config import AugmentOptions, DecisionOptions, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError, RunError
from kenpin.evaluate import evaluate
from kenpin.models import get_family
from kenpin.models._family import BaseRecord, Family, Fitted, Inspector, Progress, Task, Trainable, trainable_share
from kenpin.predictor import Predictor, best_device
from kenpin.quality.threshold import threshold_from_costs, threshold_from_quantile
from kenpin.records import Evaluation, Threshold
from kenpin.records_json import evaluation_to_json, to_json
from kenpin.report import write_report, write_thumbnails
from kenpin.run_folder import (
    MODEL,
    RunRecord,
    check_free,
    finish,
    partial_folder,
    read_json,
    seal,
    sole_writer,
    write_json,
    write_record,
)
from kenpin.training.augment import plan_augmentation
from kenpin.training.engine import silence_libraries, train_by_gradients
from kenpin.training.parts import Parts, divide, task_of
from kenpin.training.precision import Precision, choose_precision

Say = Callable[[str], None]
_GOOD_PARTS_PASSED = 0.99
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
    each advance. Raises KenpinError: nothing is left behind but what `resume` takes up.
    """
    silence_libraries()
    chosen = get_family(family)
    if options is None:
        options = chosen.Options.from_mapping(values)
    elif values:
        raise OptionError(f"train: give options or their values, not both ({', '.join(values)}).")
    check_free(options.out, options.overwrite)
    if dataset is None:
        dataset = load_dataset(options.data, format=options.data_format)
    parts = divide(dataset, validation_share=options.validation_share, seed=options.seed)
    task, task_notes = task_of(parts.training, options.ok_labels)
    partial = partial_folder(options.out)
    with sole_writer(partial):
        fingerprint = dataset.fingerprint()
        _prepare(partial, options, fingerprint)
        notes = [*parts.notes, *task_notes]
        for note in notes:
            say(note)
        inspector, learned = _learn(chosen, options, task, parts, partial, say, progress, progress_bar)
        notes += learned["notes"]
        threshold, why = _decide(inspector, parts.validation, task, options, progress)
        say(why)
        split, pictures = ("test", parts.test) if parts.test is not None else ("validation", parts.validation)
        evaluation = _evaluate(inspector, pictures, split, task, threshold, options.seed)
        write_json(partial / "evaluation.json", evaluation_to_json(evaluation))
        write_thumbnails(pictures, partial / "thumbnails.parquet", read_image=read_image)
        record = RunRecord(
            family=family,
            base_id=inspector.base.id,
            base_commit=inspector.base.commit,
            base_probe=inspector.base.probe,
            options=options.model_dump(mode="json"),
            labels=task.labels,
            ok_labels=task.ok_labels,
            image_size_wh=inspector.image_size_wh,
            dataset=_describe(dataset, fingerprint, parts),
            threshold=None if threshold is None else to_json(threshold),
            scores={name: measure.value for name, measure in evaluation.measures.items()},
            notes=(*notes, why),
            versions=_versions(),
            device=learned["device"],
            precision=learned["precision"],
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=learned["seconds"],
            files=seal(partial),
        )
        write_record(partial, record)
        if options.report:
            write_report(partial, partial / "report.html", overwrite=True)
        finish(partial, options.out, options.overwrite)
    return options.out


def _prepare(partial: Path, options: TrainOptions, fingerprint: str) -> None:
    """An empty partial folder that knows its options, or the one to be resumed. Raises RunError, OptionError."""
    wanted = json.loads(options.model_dump_json(exclude=_OF_THE_CALL)) | {"fingerprint": fingerprint}
    saved_options = partial / "options.json"
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
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_json(saved_options, wanted)


def _learn(
    family: Family,
    options: TrainOptions,
    task: Task,
    parts: Parts,
    partial: Path,
    say: Say,
    progress: Progress,
    progress_bar: bool,
) -> tuple[Inspector, dict[str, Any]]:
    """A trained inspector, saved below `partial`, and what is to be told of its training."""
    device = best_device(options.device)
    learned_file = partial / "learned.json"
    if learned_file.is_file():  # killed after training: its result is kept
        learned = read_json(learned_file)
        base = BaseRecord(**{**learned["base"], "probe": tuple(learned["base"]["probe"])})
        inspector = family.restore(partial / MODEL, base, options, task)
        inspector.module.to(device)
        return inspector, learned
    started = time.monotonic()
    inspector = family.create(options, task)
    inspector.module.to(device)
    notes: list[str] = []
    precision: Precision = "fp32"

    def tell(sentences: tuple[str, ...]) -> None:
        for sentence in sentences:
            say(sentence)
            notes.append(sentence)

    if isinstance(inspector, Fitted):
        tell(inspector.fit(parts.training, progress))
    elif isinstance(inspector, Trainable):
        precision = _learn_by_gradients(inspector, options, task, parts, partial, device, tell, progress_bar)
    else:
        raise OptionError(f"{type(inspector).__name__} neither fits nor trains; a family must offer one of the two.")
    shutil.rmtree(partial / MODEL, ignore_errors=True)
    (partial / MODEL).mkdir()
    inspector.save(partial / MODEL)
    learned = {
        "base": asdict(inspector.base),
        "notes": notes,
        "precision": precision,
        "device": str(device),
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(learned_file, learned)
    return inspector, learned


def _learn_by_gradients(
    inspector: Trainable,
    options: Any,
    task: Task,
    parts: Parts,
    partial: Path,
    device: torch.device,
    tell: Callable[[tuple[str, ...]], None],
    progress_bar: bool,
) -> Precision:
    """Train with the options of a trainable family, which extend GradientOptions; returns the precision used."""
    seed: int = options.seed
    trainable, total = trainable_share(inspector.module)
    precision, why = choose_precision(options.precision, device)
    tell((f"{trainable:,} of {total:,} parameters train ({100 * trainable / total:.2f} %).", why))
    augmenter = None
    if isinstance(options, AugmentOptions):
        augmenter, off = plan_augmentation(options, task.labels, seed)
        tell(off)

    def score() -> Mapping[str, float | None]:
        evaluation = _evaluate(inspector, parts.validation, "validation", task, None, seed)
        return {name: evaluation.measures[name].value for name in ("accuracy", "balanced_accuracy", "auroc")}

    tell(
        train_by_gradients(
            inspector,
            parts.training,
            parts.validation,
            options=options,
            augmenter=augmenter,
            score=score,
            precision=precision,
            seed=seed,
            folder=partial,
            progress_bar=progress_bar,
        )
    )
    return precision


def _decide(
    inspector: Inspector, validation: Dataset, task: Task, options: DecisionOptions, progress: Progress
) -> tuple[Threshold | None, str]:
    """The threshold that the validation pictures and the costs give, and why it is that or none."""
    scores, defective = [], []
    predicted = Predictor(inspector).predict(validation, progress=progress)
    for prediction, label in zip(predicted, validation.column("label"), strict=True):
        if prediction.defect_score is None:
            return None, "No threshold: no class is known to mean a good part, so no picture has a defect score."
        scores.append(prediction.defect_score)
        defective.append(label not in task.ok_labels)
    good = [score for score, bad in zip(scores, defective, strict=True) if not bad]
    count, bad_count = len(good), len(scores) - len(good)
    if count and bad_count:
        basis = (
            f"Least expected cost on {count} good and {bad_count} defective validation pictures, an escape costing "
            f"{options.cost_escape:g} and an overkill {options.cost_overkill:g}."
        )
        threshold = threshold_from_costs(
            scores,
            defective,
            cost_escape=options.cost_escape,
            cost_overkill=options.cost_overkill,
            cost_review=options.cost_review,
            defect_rate=options.defect_rate,
            basis=basis,
        )
        return threshold, f"Threshold {threshold.fail_from:.4g}: {basis}"
    if count >= 1 / (1 - _GOOD_PARTS_PASSED):
        basis = (
            f"{_GOOD_PARTS_PASSED:.0%} of {count} good validation pictures pass; no defective one was there, so how "
            "many escape is unknown."
        )
        threshold = threshold_from_quantile(good, _GOOD_PARTS_PASSED, basis)
        return threshold, f"Threshold {threshold.fail_from:.4g}: {basis}"
    return None, (
        f"No threshold: {count} good and {bad_count} defective validation pictures are too few to choose one; keep "
        "both kinds, or 100 good ones, for validation."
    )


def _evaluate(
    inspector: Inspector, pictures: Dataset, split: str, task: Task, threshold: Threshold | None, seed: int
) -> Evaluation:
    return evaluate(
        Predictor(inspector), pictures, ok_labels=task.ok_labels, threshold=threshold, split=split, seed=seed
    )


def _describe(dataset: Dataset, fingerprint: str, parts: Parts) -> dict[str, Any]:
    pictures = {"train": parts.training, "validation": parts.validation, "test": parts.test}
    return {
        "path": dataset.root,
        "format": dataset.format,
        "fingerprint": fingerprint,
        "counts": {name: dict(Counter(part.column("label"))) for name, part in pictures.items() if part is not None},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
