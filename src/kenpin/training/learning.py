"""Learning: an inspector on its base becomes a trained one, kept on disk as soon as it is done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.errors import OptionError
from kenpin.files import read_json, write_json
from kenpin.models.checkpoints import latest_checkpoint
from kenpin.models.contract import (
    BaseRecord,
    Family,
    Fitted,
    Inspector,
    LearnsVectors,
    Task,
    Trainable,
    trainable_share,
)
from kenpin.models.inference import keep_inputs
from kenpin.run.layout import CHECKPOINTS, MODEL
from kenpin.training.augment import augments, plan_augmentation
from kenpin.training.engine import train_by_gradients
from kenpin.training.evolution import EvolutionPage
from kenpin.training.listener import SILENT, Listener
from kenpin.training.parts import Parts
from kenpin.training.precision import Precision, choose_precision
from kenpin.training.processes import Processes
from kenpin.training.watch import Watch

_LEARNED = "learned.json"


@dataclass(frozen=True)
class Learned:
    """A trained inspector, and what is to be told of its training."""

    inspector: Inspector
    notes: tuple[str, ...]
    precision: Precision
    device: str
    seconds: float


def has_learned(partial: Path) -> bool:
    """Whether a training that was stopped left something there to go on from."""
    return (partial / _LEARNED).is_file() or latest_checkpoint(partial / CHECKPOINTS) is not None


def learn(
    family: Family,
    inspector: Inspector,
    options: Any,
    task: Task,
    parts: Parts,
    partial: Path,
    crew: Processes,
    *,
    lineage: Lineage = NOTHING_SEEN,
    listener: Listener,
) -> Learned:
    """Train, and save below `partial`; or take up what was trained before the process died.

    lineage: of what the inspector stands on. Raises KenpinError.
    """
    device = crew.device
    if (partial / _LEARNED).is_file():
        listener.say("The training itself was done before the interruption; the steps after it are done now.")
        return _kept(family, options, task, partial, device)
    started = time.monotonic()
    inspector.module.to(device)
    notes: list[str] = []
    precision: Precision = "fp32"

    def tell(sentences: tuple[str, ...]) -> None:
        for sentence in sentences:
            listener.say(sentence)
            notes.append(sentence)

    if isinstance(inspector, Fitted):
        tell(inspector.fit(parts.training, lineage, listener.progress))
    elif isinstance(inspector, Trainable):
        precision = _learn_by_gradients(family, inspector, options, task, parts, partial, crew, tell, listener)
    else:
        raise OptionError(f"{type(inspector).__name__} neither fits nor trains; a family must offer one of the two.")
    if isinstance(inspector, LearnsVectors) and parts.validation is not None:
        tell(inspector.take_references(parts.training, parts.validation, listener.progress))
    shutil.rmtree(partial / MODEL, ignore_errors=True)
    (partial / MODEL).mkdir()
    inspector.save(partial / MODEL)
    learned = Learned(inspector, tuple(notes), precision, str(device), time.monotonic() - started)
    told = {name: getattr(learned, name) for name in ("notes", "precision", "device", "seconds")}
    write_json(partial / _LEARNED, {"base": asdict(inspector.base), **told})
    return learned


def learn_along(
    family: Family, inspector: Inspector, options: Any, task: Task, parts: Parts, partial: Path, crew: Processes
) -> None:
    """What a process does that does not lead: its share of each step, nothing else."""
    if not isinstance(inspector, Trainable):
        raise OptionError("this training is one pass by one process; start it without accelerate.")
    if not (partial / _LEARNED).is_file():
        inspector.module.to(crew.device)
        _learn_by_gradients(family, inspector, options, task, parts, partial, crew, _told, SILENT)


def _told(sentences: tuple[str, ...]) -> None:
    pass


def _kept(family: Family, options: Any, task: Task, partial: Path, device: torch.device) -> Learned:
    told = read_json(partial / _LEARNED)
    base = told.pop("base")
    record = BaseRecord(base["id"], base["commit"], tuple(base["probe"]))
    inspector = family.restore(partial / MODEL, record, options, task)
    inspector.module.to(device)
    return Learned(inspector, **{**told, "notes": tuple(told["notes"])})


def _learn_by_gradients(
    family: Family,
    inspector: Trainable,
    options: Any,
    task: Task,
    parts: Parts,
    partial: Path,
    crew: Processes,
    tell: Callable[[tuple[str, ...]], None],
    listener: Listener,
) -> Precision:
    """Train with the options of a trainable family, which extend GradientOptions; returns the precision used."""
    validation = parts.validation
    if validation is None:
        raise OptionError("training by gradients needs validation pictures; name a validation split.")
    seed: int = options.seed
    trainable, total = trainable_share(inspector.module)
    precision, why = choose_precision(options.precision, crew.device)
    tell(inspector.check(parts.training))
    tell((f"{trainable:,} of {total:,} parameters train ({100 * trainable / total:.2f} %).", why))
    augmenter = None
    if augments(options):
        augmenter, off = plan_augmentation(options, task.labels, family.target, seed)
        tell(off)

    varied = augmenter is not None and augmenter.varies
    with crew.leader_first():
        kept: Any = None if varied else keep_inputs(inspector, [parts.training, validation], listener.progress)
    if kept is not None and inspector.extract is not None:
        tell(
            ("The pictures' features are computed once and kept on disk: the network of the features is not trained.",)
        )
    page = EvolutionPage(partial, options.out.name, listener.say) if options.report else None
    watch = Watch(inspector, family.target, validation, task, seed, partial, page, listener.progress)
    tell(watch.notes)
    tell(
        train_by_gradients(
            inspector,
            parts.training,
            validation,
            options=options,
            augmenter=augmenter,
            kept=kept,
            watch=watch,
            precision=precision,
            seed=seed,
            folder=partial,
            crew=crew,
            listener=listener,
        )
    )
    return precision
