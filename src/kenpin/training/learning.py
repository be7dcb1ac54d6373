"""Learning: an inspector on its base becomes a trained one, kept on disk as soon as it is done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch

from kenpin.config import GradientOptions
from kenpin.data.targets import of_labels
from kenpin.errors import OptionError, RunError
from kenpin.files import read_json, write_json
from kenpin.models.augment import augmenter_of
from kenpin.models.bases import BaseRecord, trainable_share
from kenpin.models.checkpoints import latest_checkpoint
from kenpin.models.contract import Fitted, Inspector, LearnsVectors, Trainable
from kenpin.models.framed import framing_of
from kenpin.models.kept_inputs import keep_inputs
from kenpin.models.updatable import Updatable
from kenpin.run.layout import CHECKPOINTS, MODEL
from kenpin.run.moments import write_moments
from kenpin.training.batches import readers
from kenpin.training.engine import train_by_gradients
from kenpin.training.evolution import EvolutionPage
from kenpin.training.listener import SILENT, Listener
from kenpin.training.precision import Precision, choose_precision
from kenpin.training.processes import Processes
from kenpin.training.sharding import Sharded, refuse_unshardable
from kenpin.training.start import Start, as_learned
from kenpin.training.watch import Watch

_LEARNED = "learned.json"


@dataclass(frozen=True)
class Learned:
    """A trained inspector, and what its record says of the training."""

    inspector: Inspector
    notes: tuple[str, ...]
    precision: Precision
    device: str
    seconds: float


def has_learned(partial: Path) -> bool:
    """Whether a training that was stopped left something there to go on from."""
    return (partial / _LEARNED).is_file() or latest_checkpoint(partial / CHECKPOINTS) is not None


def learn(start: Start, folder: Path, processes: Processes, listener: Listener) -> Learned:
    """Train, and save below `folder`; or take up what was trained before the process died. Raises KenpinError."""
    if (folder / _LEARNED).is_file():
        listener.say("The training itself was done before the interruption; the steps after it are done now.")
        return _kept(start, folder, processes.device)
    began = time.monotonic()
    inspector, parts = start.inspector, start.parts
    inspector.module.to(processes.device)
    notes: list[str] = []
    precision: Precision = "fp32"

    def note(sentences: tuple[str, ...]) -> None:
        for sentence in sentences:
            listener.say(sentence)
            notes.append(sentence)

    if isinstance(inspector, Fitted):
        note(inspector.fit(parts.training, start.lineage, listener.progress))
    else:
        precision = _learn_by_gradients(start, folder, processes, listener, note)
    if isinstance(inspector, LearnsVectors) and parts.validation is not None:
        training, validation = as_learned(start)
        assert validation is not None
        note(inspector.take_references(training, validation, listener.progress))
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    (folder / MODEL).mkdir()
    inspector.save(folder / MODEL)
    if (framing := framing_of(inspector)) is not None:
        framing.write(folder / MODEL)
    if isinstance(inspector, Updatable) and inspector.keeps_moments:
        good = of_labels(parts.training, start.task.ok_labels)
        write_moments(folder, inspector.moments_of(good, SILENT.progress), good.contents())
    learned = Learned(inspector, tuple(notes), precision, str(processes.device), time.monotonic() - began)
    about = {name: getattr(learned, name) for name in ("notes", "precision", "device", "seconds")}
    write_json(folder / _LEARNED, {"base": asdict(inspector.base), **about})
    return learned


def follow(start: Start, folder: Path, processes: Processes) -> None:
    """What every process but the main one does: its share of each step, nothing else."""
    if not isinstance(start.inspector, Trainable):
        raise OptionError("this training is one pass by one process; start it alone.")
    if not folder.is_dir():
        raise RunError(
            f"{folder}: process {processes.rank} does not find it, where the main process writes; let --out lie on a "
            "file system that all machines share."
        )
    if not (folder / _LEARNED).is_file():
        start.inspector.module.to(processes.device)
        _learn_by_gradients(start, folder, processes, SILENT, lambda sentences: None)


def _kept(start: Start, folder: Path, device: torch.device) -> Learned:
    about = read_json(folder / _LEARNED)
    base = about.pop("base")
    record = BaseRecord(base["id"], base["commit"], tuple(base["probe"]))
    inspector = start.family.restore(folder / MODEL, record, start.options, start.task)
    inspector.module.to(device)
    return Learned(inspector, **{**about, "notes": tuple(about["notes"])})


def _learn_by_gradients(
    start: Start, folder: Path, processes: Processes, listener: Listener, note: Callable[[tuple[str, ...]], None]
) -> Precision:
    """Train the inspector in place; returns the precision used."""
    inspector, options, target = start.inspector, start.options, start.family.target
    pictures, (training, validation) = start.parts.validation, as_learned(start)
    if not isinstance(inspector, Trainable) or not isinstance(options, GradientOptions):
        raise OptionError(
            f"{type(inspector).__name__} neither fits nor trains; a family must offer one of the two, and options of "
            "GradientOptions where it trains."
        )
    if pictures is None or validation is None:
        raise OptionError("training by gradients needs validation pictures; name a validation split.")
    trainable, total = trainable_share(inspector.module)
    precision, why = choose_precision(options.precision, processes.device)
    note(inspector.check(training))
    note((f"{trainable:,} of {total:,} parameters train ({100 * trainable / total:.2f} %).", why))
    augmenter, off = augmenter_of(options, start.task.labels, target)
    note(off)
    varied = augmenter is not None and augmenter.varies
    with processes.main_first():
        kept = None if varied else keep_inputs(inspector, [training, validation], listener.progress)
    if kept is not None and inspector.extract is not None:
        note(
            ("The pictures' features are computed once and kept on disk: the network of the features is not trained.",)
        )
    page = EvolutionPage(folder, options.out.name, listener.say) if options.report else None
    watch = Watch(inspector, target, pictures, start.task, options.seed, folder, page, listener.progress)
    note(watch.notes)
    sharded, learner = None, inspector
    if options.shard:
        learner = cast(Trainable, start.family.create(options, start.task))
        refuse_unshardable(learner.module, precision)
        sharded = Sharded(learner, inspector, processes)
    if processes.world_size > 1:
        how = (
            "its weights, gradients and optimiser states divided among them" if options.shard else "each with all of it"
        )
        note((f"{processes.world_size} processes train the network, {how}.",))
    reading = readers(learner, training, validation, options, augmenter, kept)
    note(train_by_gradients(reading, options, watch, precision, folder, processes, listener, sharded))
    return precision
