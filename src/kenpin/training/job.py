"""One training from start to run folder: read, divide, learn, decide, evaluate, report; resumable at any moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from kenpin.config import GradientOptions, TrainOptions
from kenpin.data.taking import DataSource
from kenpin.errors import EngineError, OptionError, OutputExistsError, RunError
from kenpin.files import cannot_write, partial_folder, read_json, sole_writer, write_json
from kenpin.finished_run import Run
from kenpin.models.checkpoints import write_begun
from kenpin.models.contract import Trainable
from kenpin.predictor import Predictor
from kenpin.records import Evaluation
from kenpin.report import write_report
from kenpin.report.evolution import write_evolution
from kenpin.report.headline import headed_json
from kenpin.run.criteria import fix_in_run
from kenpin.run.layout import EVOLUTION, EVOLUTION_PAGE, OPTIONS, REPORT, evaluation_files
from kenpin.run.record import finish, write_record
from kenpin.training.capacity import refuse_unfit
from kenpin.training.deciding import Decided, Scored
from kenpin.training.keeping import keep_for_report
from kenpin.training.launching import processes_of
from kenpin.training.learning import Learned, follow, has_learned
from kenpin.training.links import check_refittable
from kenpin.training.listener import SILENT, Listener
from kenpin.training.processes import take_own_gpu
from kenpin.training.recording import keep_lineage, record_of
from kenpin.training.stages import Training
from kenpin.training.start import Start, begin

# settings that say how a run is carried out, not what it learns: they may differ when it is resumed
_OF_THE_CALL = {"resume", "overwrite", "report", "device", "out", "engine", "cluster", "processes", "shard"}


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
    take_own_gpu()
    start = begin(family, options, dataset, values)
    try:
        return _carry_out(start.without_copies(), listener)
    except EngineError as error:
        if start.is_engine_named:
            raise
        listener.say(f"{error.hindrance}; torch computes it.")
    again = start.options.model_copy(update={"engine": "torch"})  # nothing is lost: frozen networks come first
    return _carry_out(begin(family, again, start.given, {}).without_copies(), listener)


def _carry_out(start: Start, listener: Listener) -> Run:
    options, inspector = start.options, start.inspector
    if options.folds == "whole":
        check_refittable(options, start.dataset)
    with processes_of(start) as ranks:
        training = Training(start, partial_folder(options.out), ranks, listener)
        if isinstance(options, GradientOptions) and isinstance(inspector, Trainable):
            refuse_unfit(inspector.module, options.optimiser, ranks.device, shards=ranks.shards if options.shard else 1)
        if ranks.is_main:
            _lead(training)
        else:
            ranks.wait()
            follow(start, training.folder, ranks)
            ranks.leave()
    return Run(options.out)


def _lead(training: Training) -> None:
    """What the main process does: all but the shares of steps that others compute."""
    start, folder, listener = training.start, training.folder, training.listener
    options = start.options
    for note in start.notes:
        listener.say(note)
    with (
        cannot_write(options.out),
        sole_writer(folder),
        _removed_if_nothing_is_learned(folder),
        _features_of(start, listener),
    ):
        fingerprint = start.dataset.fingerprint()
        _prepare(folder, options, fingerprint)
        if options.criteria is not None:
            fix_in_run(folder, options.criteria, resume=options.resume)
        # at once, for a checkpoint of it may be used before the training ends; what is scored later is of these too
        keep_lineage(start, folder)
        write_begun(folder, start.name, start.task, start.inspector)
        training.processes.wait()
        training = training.on_chosen_layers().trimmed()
        start = training.start
        learned = training.learn()
        training.processes.leave()
        scored = training.score(learned)
        decided = training.decide(learned, scored)
        evaluation = training.evaluate(learned, scored, decided)
        _keep(training, learned, scored, decided, evaluation)
        notes = (*start.notes, *learned.notes, *decided.meaning, decided.why, *training.chosen_below(scored))
        if start.retrieval is not None:
            notes = (*notes, start.retrieval.in_words(evaluation.measures))
        record = record_of(
            start,
            learned,
            folder,
            fingerprint,
            notes=notes,
            threshold=decided.threshold,
            measures=evaluation.measures,
        )
        write_record(folder, record)
        if options.report:
            write_report(folder, folder / REPORT, name=options.out.name, overwrite=True)
            if (folder / EVOLUTION).is_dir():
                write_evolution(folder, folder / EVOLUTION_PAGE, name=options.out.name, overwrite=True)
        finish(folder, options.out, options.overwrite, start.needed)


def _keep(training: Training, learned: Learned, scored: Scored, decided: Decided, evaluation: Evaluation) -> None:
    """Write the evaluation, and what the report shows of its pictures."""
    parts, kept = training.start.parts, evaluation_files(training.folder)
    write_json(kept.evaluation, headed_json(evaluation))
    keep_for_report(
        Predictor(learned.inspector, decided.threshold, target=training.start.family.target),
        parts.test or scored.looked_at,
        evaluation,
        kept,
        held_out=parts.test is not None or scored.looked_at is parts.validation,
    )


def _features_of(start: Start, listener: Listener) -> AbstractContextManager[None]:
    """Computed by a cluster, where the options name one."""
    address = getattr(start.options, "cluster", None)
    if address is None:
        return nullcontext()
    from kenpin.cluster.features import features_on

    return features_on(
        address, start.name, start.options, start.task, start.inspector, start.dataset, listener.progress
    )


@contextmanager
def _removed_if_nothing_is_learned(folder: Path) -> Iterator[None]:
    """Leave no partial folder behind a training that ends before there is anything to resume."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not has_learned(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _prepare(folder: Path, options: TrainOptions, fingerprint: str) -> None:
    """Make the partial folder one that knows its options and nothing else, or check the one to be resumed.

    Raises RunError, OptionError, and OutputExistsError where that would lose what was learned.
    """
    wanted = json.loads(options.model_dump_json(exclude=_OF_THE_CALL)) | {"fingerprint": fingerprint}
    saved_options = folder / OPTIONS
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
    if has_learned(folder) and not options.overwrite:
        raise OutputExistsError(
            f"{options.out}: an interrupted training is there already; continue it with --resume, or start again with "
            "--overwrite."
        )
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_json(saved_options, wanted)
