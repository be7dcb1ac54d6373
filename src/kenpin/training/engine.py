"""The engine: one gradient training for every family, a loop over epochs and steps that can be killed at any moment."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kenpin.config import GradientOptions
from kenpin.errors import OptionError
from kenpin.files import write_text
from kenpin.models.checkpoints import checkpoint_folder, latest_checkpoint, load_learned, whole_checkpoints
from kenpin.models.contract import Batch, Trainable
from kenpin.models.devices import device_of, on_device
from kenpin.plural import counted
from kenpin.run.layout import CHECKPOINTS, METRICS
from kenpin.training.batches import Reader, share_of, training_order, validation_order
from kenpin.training.listener import SILENT, Listener
from kenpin.training.plan import StepPlan
from kenpin.training.precision import Precision
from kenpin.training.processes import Processes
from kenpin.training.schedules import schedule_of
from kenpin.training.state import (
    TrainingState,
    load_random,
    load_training,
    read_state,
    remove_checkpoint,
    rotate,
    save_training,
)
from kenpin.training.step import GradientStep, computing_in, make_optimiser
from kenpin.training.telling import Announcer, why_it_ended
from kenpin.training.trackers import Tracker, check_tracker

Watch = Callable[[int, float, float | None], Mapping[str, float | None]]
"""(step, epoch, validation loss) -> scores of the validation pictures by name, None where there is none."""
LOGGED = 1_000
"""Rows of losses in metrics.jsonl at most: one a step where there are no more steps."""
_CURVES = "tensorboard"


def check_intervals_and_tracker(options: GradientOptions) -> None:
    """Raises OptionError, MissingExtraError for what would end the training as soon as it begins."""
    check_tracker(options.tracker)
    if options.save_every is not None and options.evaluate_every is None:
        raise OptionError("option `save_every` needs evaluate_every; a checkpoint must have been evaluated.")
    if options.save_every is not None and options.save_every % (options.evaluate_every or 1):
        raise OptionError(
            f"option `save_every`: {options.save_every} is no multiple of evaluate_every {options.evaluate_every}; "
            "a checkpoint must have been evaluated."
        )


def train_by_gradients(
    readers: tuple[Reader, Reader],
    options: GradientOptions,
    watch: Watch,
    precision: Precision,
    folder: Path,
    processes: Processes,
    listener: Listener = SILENT,
) -> tuple[str, ...]:
    """Train the readers' inspector in place; the weights of the least validation loss are in it at the end.

    readers: of the training and of the validation pictures; folder: takes checkpoints/ and metrics.jsonl, and the
    training goes on from the newest whole checkpoint in it. Returns notes. Raises MissingExtraError,
    OptionError, RunError.
    """
    check_intervals_and_tracker(options)
    inspector = readers[0].inspector
    optimiser = make_optimiser(inspector.module, options.optimiser, options.weight_decay)
    random.seed(options.seed)
    np.random.seed(options.seed)  # a library may draw from it
    torch.manual_seed(options.seed)
    with _told_where_a_device_is_full(inspector, options), computing_in(precision, inspector.module):
        step = GradientStep(inspector, optimiser, precision=precision, clip_norm=options.clip_norm, processes=processes)
        note = _Loop(step, readers, options, watch, folder, processes, listener).run()
    inspector.module.eval()
    return (note,)


@contextmanager
def _told_where_a_device_is_full(inspector: Trainable, options: GradientOptions) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OptionError(
            f"{device_of(inspector)} has no room for steps on {counted(options.batch_size, 'picture')}; --dry-run "
            "tells under which options there is, such as a smaller --batch-size with --accumulate."
        ) from error


class _Loop:
    """A training as it goes on: everything that changes while it does is in `state`, the module and the optimiser."""

    def __init__(
        self,
        step: GradientStep,
        readers: tuple[Reader, Reader],
        options: GradientOptions,
        watch: Watch,
        folder: Path,
        processes: Processes,
        listener: Listener,
    ) -> None:
        self._step, self._options, self._watch = step, options, watch
        self._training, self._validation = readers
        self._inspector = self._training.inspector
        self._module, self._processes = self._inspector.module, processes
        self._device = device_of(self._inspector)
        self._metrics, self._checkpoints = folder / METRICS, folder / CHECKPOINTS
        self._plan = StepPlan(
            batches=-(-len(self._training.dataset) // (options.batch_size * processes.world_size)),
            accumulate=options.accumulate,
            epochs=options.epochs,
            evaluate_every=options.evaluate_every,
            save_every=options.save_every,
            logged=LOGGED,
        )
        falls = None if options.step_epochs is None else options.epochs / options.step_epochs
        self._schedule = schedule_of(options.schedule, options.warmup_share, falls)
        self._losses, self._summed, self._written = torch.zeros((), device=self._device), 0, 0
        self.state = TrainingState()
        with processes.main_first():  # it removes what is not whole
            self._resumed_from = latest_checkpoint(self._checkpoints)
        if self._resumed_from is not None:
            self.state = read_state(self._resumed_from)
            load_training(self._resumed_from, self._module, step)
        heard = listener if processes.is_main else SILENT
        self._announcer = Announcer(heard, self.state, self._plan.steps, options.epochs)

    def run(self) -> str:
        """Train to the end; how it ended, in one sentence."""
        state, options = self.state, self._options
        if self._processes.is_main and not state.global_step:
            self._announcer.before_training(self._watch(0, 0.0, None))
        self._announcer.begun()
        with ExitStack() as at_end:
            name = options.tracker if self._processes.is_main else "none"
            self._tracker = Tracker(name, self._metrics.parent / _CURVES, options.model_dump(mode="json"))
            at_end.callback(self._tracker.finish)
            self._module.train()
            while not self._has_ended:
                self._epoch(*divmod(state.global_step, self._plan.epoch_steps))
        if options.keep == "best" and state.best_global_step is not None:
            load_learned(self._module, checkpoint_folder(self._checkpoints, state.best_global_step))
        if self._processes.is_main and options.save_total_limit == 1 and state.best_global_step is not None:
            for step in set(whole_checkpoints(self._checkpoints)) - {state.best_global_step}:
                remove_checkpoint(checkpoint_folder(self._checkpoints, step))
        return why_it_ended(state, self._plan.steps)

    @property
    def _has_ended(self) -> bool:
        patience = self._options.patience
        impatient = patience is not None and self.state.evaluations_since_best >= patience
        return self.state.global_step >= self._plan.steps or impatient

    def _epoch(self, epoch: int, done: int) -> None:
        """The steps of an epoch behind those that are done already."""
        dataset, size, accumulate = self._training.dataset, self._options.batch_size, self._options.accumulate
        order = training_order(self._inspector, dataset, self._options.seed, epoch)
        own = share_of(order, size, self._processes.rank, self._processes.world_size, even=True)
        # beginning to read draws a random number, which a checkpoint within the epoch has behind it
        if not done:
            self._take_up_random_numbers()
        batches = iter(self._training.batches(own, epoch, skip=done * accumulate))
        if done:
            self._take_up_random_numbers()
        while not self._has_ended and (of_step := list(islice(batches, accumulate))):
            self._take_step(of_step)

    def _take_up_random_numbers(self) -> None:
        if self._resumed_from is not None:
            load_random(self._resumed_from, self._processes.rank, self._device)
            self._resumed_from = None

    def _take_step(self, batches: Sequence[Batch]) -> None:
        """Learn from the batches of one step, and do what is due after it."""
        state, plan = self.state, self._plan
        count = self._processes.total(sum((self._inspector.loss_count(batch) for batch in batches), torch.tensor(0)))
        count = count.clamp(min=1).to(self._device)
        for number, batch in enumerate(batches, start=1):
            loss = self._step.learn(on_device(self._inspector, batch), count, is_last=number == len(batches))
            # a loss that is not finite would hide those of all other steps
            self._losses += torch.where(torch.isfinite(loss), loss, self._losses / (1 + self._summed))
        rate = self._options.learning_rate * self._schedule(state.changes + 1, plan.steps + 1)
        logs = plan.logs(state.global_step + 1)
        norm, has_changed = self._step.change(rate, measure=logs)
        self._summed += 1
        state.changes += has_changed
        state.global_step += 1
        state.epoch = plan.epoch_after(state.global_step)
        self._announcer.stepped()
        if logs:
            self._log_loss(rate, norm)
        is_best = self._evaluate() if plan.evaluates(state.global_step) else False
        if plan.ends_epoch(state.global_step):
            self._announcer.epoch_ended()
        # the best between two regular checkpoints too: what is loaded at the end must be what was best
        if is_best or plan.saves(state.global_step):
            self._save()

    def _log_loss(self, rate: float, norm: Tensor | None) -> None:
        loss = float(self._processes.total(self._losses)) / self._processes.world_size / self._summed
        self._losses, self._summed = torch.zeros_like(self._losses), 0
        row = self.state.log(loss=loss, **({} if norm is None else {"grad_norm": float(norm)}), learning_rate=rate)
        self._write(row)
        self._announcer.logged(row)

    def _evaluate(self) -> bool:
        """Validation loss, then the scores of the predictor that ships; whether the loss is the least so far."""
        state = self.state
        self._module.eval()
        loss = self._validation_loss()
        scores: Mapping[str, float | None] = {}
        if self._processes.is_main:
            scores = self._watch(state.global_step, state.epoch, loss)
        row = state.log(
            eval_loss=loss, **{f"eval_{name}": score for name, score in scores.items() if score is not None}
        )
        is_best = state.compare(loss)
        self._write(row)
        self._announcer.evaluated(loss, scores, is_best=is_best)
        self._processes.wait()
        self._module.train()
        return is_best

    def _validation_loss(self) -> float:
        """Mean over the pictures of the mean loss of each one's batch, as far as that is a number."""
        order = validation_order(self._inspector, self._validation.dataset)
        processes, size = self._processes, self._options.batch_size
        own = share_of(order, size, processes.rank, processes.world_size, even=False)
        loader = self._validation.batches(own)
        losses: list[Tensor] = []
        counts: list[int] = []
        for done, batch in enumerate(loader, start=1):
            with torch.no_grad():
                total = self._inspector.total_loss(self._module, on_device(self._inspector, batch))
                losses.append(total / self._inspector.loss_count(batch).clamp(min=1))
            counts.append(min(size, len(own) - (done - 1) * size))
            self._announcer.validated(done, len(loader))
        each = np.repeat(np.array([float(loss) for loss in losses], np.float32), np.array(counts, np.int64))
        found = each[np.isfinite(each)]
        if processes.world_size == 1 and found.size:
            return float(found.mean())
        summed, count = processes.total(torch.tensor([float(found.sum()), float(found.size)])).tolist()
        return summed / count if count else math.nan

    def _write(self, row: Mapping[str, float]) -> None:
        """Keep metrics.jsonl equal to the history, which an interrupted run takes up again."""
        if not self._processes.is_main:
            return
        history = self.state.log_history
        lines = "".join(json.dumps(row) + "\n" for row in history[self._written :])
        if self._written:  # all of it each time would take longer and longer
            with open(self._metrics, "a", encoding="utf-8") as file:
                file.write(lines)
        else:  # a process that died may have left rows behind its last checkpoint, or half of one
            write_text(self._metrics, lines)
        self._written = len(history)
        self._tracker.log(row)

    def _save(self) -> None:
        save_training(
            checkpoint_folder(self._checkpoints, self.state.global_step),
            self._module,
            self._step,
            self.state,
            self._processes,
        )
        if self._processes.is_main:
            rotate(self._checkpoints, self._options.save_total_limit, self.state.best_global_step)
