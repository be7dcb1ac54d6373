"""One training from start to run folder: read, divide, learn, decide, evaluate, report; resumable at any moment."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.data.lineage import Lineage
from kenpin.data.taking import DataSource
from kenpin.errors import DatasetError, OptionError, OutputExistsError, RunError, UnitSpaceError
from kenpin.evaluation import summarise, with_mask_measures
from kenpin.files import cannot_write, partial_folder, read_json, sole_writer, write_json
from kenpin.finished_run import Run
from kenpin.models.calibrated import write_calibration
from kenpin.models.checkpoints import OPTIONS, write_begun
from kenpin.models.contract import Calibrated, Fitted, Inspector, Progress, Task, Trainable
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.quality.consequences import cost_notes
from kenpin.records import Evaluation, Threshold
from kenpin.report import write_report
from kenpin.report.evolution import write_evolution
from kenpin.report.headline import headed_json
from kenpin.run.layout import EVOLUTION, EVOLUTION_PAGE, MODEL, REPORT, evaluation_files
from kenpin.run.lineage import write_lineage
from kenpin.run.record import finish, write_record
from kenpin.training.capacity import refuse_unfit
from kenpin.training.crossfit import out_of_fold
from kenpin.training.deciding import Decided, Scored, decide_by, decide_without_each
from kenpin.training.keeping import keep_for_report
from kenpin.training.learning import Learned, has_learned, learn, learn_along
from kenpin.training.links import check_refittable, rebuilt
from kenpin.training.listener import SILENT, Listener
from kenpin.training.parts import defective, good_folder
from kenpin.training.processes import Processes, processes
from kenpin.training.recording import described, record_of
from kenpin.training.start import Start, begin

FOLDS = 10
"""With fewer, each fit lacks more of the parts that the one that ships has, and good parts lie farther from it."""
_CHAIN = "chain"
"""Folder of the runs below while they are trained anew."""
_NO_VERDICT = "No threshold: an answer in words is neither good nor defective."
_UNTESTED = {
    "text": "No split is named test: the weights that ship were chosen on the pictures that they are measured on here.",
    "label": "No split is named test: the threshold was chosen on the pictures that it is measured on here.",
}
_CROSS_DECIDED = (
    "No split is named test: these pictures chose the threshold. Each verdict here is by one that was chosen without "
    "the picture, in {folds} folds."
)
_CHOSEN = "The weights that ship were chosen by these pictures too: expect somewhat worse figures on others."
# settings that say how a run is carried out, not what it learns: they may differ when it is resumed
_OF_THE_CALL = {"resume", "overwrite", "report", "device", "out"}


def train(
    family: str,
    options: TrainOptions | None = None,
    *,
    dataset: DataSource | None = None,
    listener: Listener = SILENT,
    **values: Any,
) -> Run:
    """Train an inspector and return its run folder. Options come as a model, or by name in `values`; `config` among
    them is a YAML file with further ones, such as a recipe.

    `dataset` stands in for the one that `options.data` names; it, or `data` among the values, may be whatever
    `kenpin.load_dataset` takes. `listener` is told how it goes. Raises KenpinError: nothing is left behind but what was
    learned, which `resume` takes up.
    """
    start = begin(family, options, dataset, values).without_copies()
    if start.options.folds == "whole":
        check_refittable(start.options, start.dataset)
    chosen, options, dataset = start.family, start.options, start.dataset
    parts, task, inspector = start.parts, start.task, start.inspector
    say, progress = listener.say, listener.progress
    partial = partial_folder(options.out)
    crew = processes(options.device)
    wanted: Any = options
    if isinstance(inspector, Trainable):
        refuse_unfit(inspector.module, wanted.optimiser, crew.device)
    if not crew.leads:
        crew.wait()
        learn_along(chosen, inspector, options, task, parts, partial, crew)
        crew.part()
        return Run(options.out)
    for note in start.notes:
        say(note)
    with cannot_write(options.out), sole_writer(partial), _removed_if_nothing_is_learned(partial):
        fingerprint = dataset.fingerprint()
        _prepare(partial, options, fingerprint)
        # at once, for a checkpoint of it may be used before the training ends; what is scored later is of these too
        whole = start.lineage.having_learned(parts.training).chosen_by(parts.validation)
        write_lineage(partial, whole, start.lineage if isinstance(inspector, Fitted) else whole)
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
            lineage=start.lineage,
            listener=listener,
        )
        crew.part()
        scored = _score(start, learned, partial, crew, listener)
        decided = Decided(scored.predictions, None, (), _NO_VERDICT)
        of_costs: tuple[str, ...] = ()
        if chosen.target != "text":
            folder = good_folder(scored.pictures, task)
            decided = decide_by(learned.inspector, options, chosen.target, scored, folder)
            scores = [one.defect_score for one in decided.predictions if one.defect_score is not None]
            of_costs = cost_notes(scores, scored.defective, decided.threshold)
        if isinstance(learned.inspector, Calibrated) and learned.inspector.calibration is not None:
            write_calibration(partial / MODEL, learned.inspector.calibration)
        threshold = decided.threshold
        for sentence in (*decided.meaning, decided.why, *of_costs):
            say(sentence)
        below = () if options.folds == "whole" else _chosen_below(start.lineage, scored)
        evaluation = _evaluate(
            learned.inspector, chosen.target, scored, decided, options, task, parts.test, below, progress
        )
        gained: tuple[str, ...] = ()
        if start.retrieval is not None:
            gain = start.retrieval.measures(Predictor(learned.inspector), progress)
            evaluation = replace(evaluation, measures={**evaluation.measures, **gain})
            gained = (start.retrieval.in_words(gain),)
            say(*gained)
        kept = evaluation_files(partial)
        write_json(kept.evaluation, headed_json(evaluation))
        keep_for_report(
            Predictor(learned.inspector, threshold, target=chosen.target),
            parts.test or scored.pictures,
            evaluation,
            kept,
            held_out=parts.test is not None or scored.pictures is parts.validation,
        )
        notes = (*start.notes, *learned.notes, *decided.meaning, decided.why, *below, *gained)
        about = described(dataset, fingerprint, parts, chosen.target)
        record = record_of(
            family,
            options,
            task,
            learned,
            about,
            partial,
            notes=notes,
            threshold=threshold,
            measures=evaluation.measures,
        )
        write_record(partial, record)
        if options.report:
            write_report(partial, partial / REPORT, name=options.out.name, overwrite=True)
            if (partial / EVOLUTION).is_dir():
                write_evolution(partial, partial / EVOLUTION_PAGE, name=options.out.name, overwrite=True)
        finish(partial, options.out, options.overwrite, start.needed)
    return Run(options.out)


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
                "start again without --resume."
            )
        return
    if has_learned(partial) and not options.overwrite:
        raise OutputExistsError(
            f"{options.out}: an interrupted training is there already; continue it with --resume, or start again with "
            "--overwrite."
        )
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_json(saved_options, wanted)


def _score(start: Start, learned: Learned, partial: Path, crew: Processes, listener: Listener) -> Scored:
    """What the threshold is chosen on, of which nothing below has learned: the validation pictures, or where a fit is
    cheap all training pictures, each scored by a fit without it."""
    family, options, task, parts = start.family, start.options, start.task, start.parts
    whole = options.folds == "whole"

    def bad(pictures: Dataset) -> tuple[bool, ...]:
        return () if family.target == "text" else tuple(defective(pictures, task, family.target))

    if parts.validation is not None and not whole:
        predictor = Predictor(learned.inspector, target=family.target)
        predictions = tuple(predictor.predict(parts.validation, progress=listener.progress))
        return Scored("validation pictures", "validation", parts.validation, predictions, bad(parts.validation))
    training = parts.training
    rows = list(range(len(training))) if whole else start.judging.untouched(training)
    judged = training.select(rows)
    labels, groups = Counter(judged.column("label")), set(judged.column("group"))
    learned_from = [label for label in labels if label in task.ok_labels or not family.good_alone]
    count = min(FOLDS, *(labels[label] for label in learned_from), FOLDS if None in groups else len(groups))

    def refit(without: frozenset[str], folder: Path) -> TrainOptions:
        shutil.rmtree(folder, ignore_errors=True)  # of a process that died
        listener.say(f"The runs below are trained again without one of {counted(count, 'fold')}.")
        anew: TrainOptions = rebuilt(options, start.dataset, without, folder, crew)
        return anew

    try:
        folds: list[int | None] = [None] * len(training)
        for row, fold in zip(rows, random_folds(judged, count, seed=options.seed, learned=learned_from), strict=True):
            folds[row] = fold
        predictions = out_of_fold(
            family,
            options,
            task,
            training,
            folds,
            listener.progress,
            lineage=start.lineage,
            refit=refit if whole else None,
            folder=partial / _CHAIN if whole else None,
        )
    except (DatasetError, UnitSpaceError) as error:
        raise DatasetError(
            f"no split is named validation, and what holding out 1 of {counted(count, 'fold')} leaves is too little: "
            f"{error}"
        ) from error
    without_it = "a chain trained without it" if whole else "a fit without it"
    name = f"training pictures, each scored by {without_it} ({counted(count, 'fold')})"
    return Scored(name, "cross-validation", judged, predictions, bad(judged))


def _evaluate(
    inspector: Inspector,
    target: str,
    scored: Scored,
    decided: Decided,
    options: TrainOptions,
    task: Task,
    test: Dataset | None,
    below: tuple[str, ...],
    progress: Progress,
) -> Evaluation:
    """Measured on the test pictures; without any, on those that chose the threshold, each by what the others choose."""
    pictures, split, notes = test, "test", tuple[str, ...]()
    thresholds: Sequence[Threshold] | None = None
    if pictures is not None:
        predictions = tuple(Predictor(inspector).predict(pictures, progress=progress))
    else:
        pictures, split, predictions = scored.pictures, scored.split, decided.predictions
        notes = (_UNTESTED.get(target, _UNTESTED["label"]),)
        others = None if decided.threshold is None else decide_without_each(inspector, options, target, scored)
        if others is not None:
            predictions, thresholds, folds = others
            notes = (_CROSS_DECIDED.format(folds=folds),)
        if isinstance(inspector, Trainable) and target != "text":
            notes = (*notes, _CHOSEN)
        notes = (*notes, *below)
    evaluation = summarise(
        pictures,
        predictions,
        labels=inspector.labels,
        ok_labels=task.ok_labels,
        threshold=decided.threshold,
        thresholds=thresholds,
        split=split,
        target=target,
        seed=options.seed,
        notes=notes,
    )
    # of a fit that has seen the pictures, a map would flatter
    return evaluation if test is None else with_mask_measures(evaluation, Predictor(inspector), test, options.seed)


def _chosen_below(lineage: Lineage, scored: Scored) -> tuple[str, ...]:
    """That what the inspector stands on was chosen by pictures that decide here; empty where it was not."""
    count = sum(lineage.seen(scored.pictures))
    if not count:
        return ()
    return (
        f"{count} of the {counted(len(scored.pictures), 'picture')} that decide here chose the best weights of "
        f"{' and '.join(lineage.names)} too: expect somewhat worse figures on others.",
    )
