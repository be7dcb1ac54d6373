"""The engine: one gradient training for every family, a loop over epochs and steps that can be killed at any moment."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
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
from kenpin.models.devices import device_of
from kenpin.plural import counted
from kenpin.run.layout import CHECKPOINTS, METRICS
from kenpin.training.batches import BatchShare, Reader, shares_of, training_order, validation_order
from kenpin.training.listener import SILENT, Listener
from kenpin.training.plan import StepPlan
from kenpin.training.precision import Precision
from kenpin.training.processes import Processes
from kenpin.training.schedules import schedule_of
from kenpin.training.sharding import Sharded
from kenpin.training.state import (
    TrainingState,
    load_random,
    load_training,
    read_state,
    remove_checkpoint,
    rotate,
    save_training,
)
from kenpin.training.step import GradientStep, computing_in, exchanging, make_optimiser, recomputing
from kenpin.training.telling import Announcer, why_it_ended
from kenpin.training.trackers import Tracker, check_tracker
from kenpin.training.whole_batch import WholeBatch

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
    sharded: Sharded | None = None,
) -> tuple[str, ...]:
    """Train the readers' inspector in place; the weights of the least validation loss are in it at the end.

    readers: of the training and of the validation pictures; folder: takes checkpoints/ and metrics.jsonl, and the
    training goes on from the newest whole checkpoint in it; sharded: where the readers' inspector is divided among
    processes, and the main one's whole network has the weights at the end. Returns notes. Raises MissingExtraError,
    OptionError, RunError.
    """
    check_intervals_and_tracker(options)
    inspector = readers[0].inspector
    optimiser = make_optimiser(inspector.module, options.optimiser, options.weight_decay)
    random.seed(options.seed)
    np.random.seed(options.seed)  # a library may draw from it
    torch.manual_seed(options.seed)
    ships = inspector.module if sharded is None else sharded.whole
    with ExitStack() as at_end:
        at_end.enter_context(_told_where_a_device_is_full(inspector, options))
        for module in dict.fromkeys((inspector.module, ships)):
            at_end.enter_context(computing_in(precision, module, processes.device.type))
        whole_batch = WholeBatch(inspector, processes)
        if options.recompute:
            at_end.enter_context(recomputing(inspector.module, whole_batch.drawing))
        at_end.enter_context(whole_batch.computing())
        several = processes.world_size > 1
        summed = sharded.summed if sharded is not None else exchanging(inspector) if several else None
        step = GradientStep(
            inspector,
            optimiser,
            precision=precision,
            clip_norm=options.clip_norm,
            summed=summed,
            ranks=processes.world_size,
        )
        note = _Loop(step, readers, options, watch, folder, whole_batch, listener, sharded).run()
    ships.eval()
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
        whole_batch: WholeBatch,
        listener: Listener,
        sharded: Sharded | None,
    ) -> None:
        self._step, self._options, self._watch = step, options, watch
        self._whole_batch, self._sharded = whole_batch, sharded
        processes = whole_batch.processes
        self._training, self._validation = readers
        self._inspector = self._training.inspector
        self._module, self._processes = self._inspector.module, processes
        self._ships = self._module if sharded is None else sharded.whole
        self._device = processes.device
        self._metrics, self._checkpoints = folder / METRICS, folder / CHECKPOINTS
        self._plan = StepPlan(
            batches=-(-len(self._training.dataset) // options.batch_size),
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
            load_training(self._resumed_from, self._ships, step, sharded)
        heard = listener if processes.is_main else SILENT
        self._announcer = Announcer(heard, self.state, self._plan.steps, options.epochs)

    def run(self) -> str:
        """Train to the end; how it ended, in one sentence."""
        state, options = self.state, self._options
        if not state.global_step:
            with nullcontext() if self._sharded is None else self._sharded.on_device():
                if self._processes.is_main:
                    self._announcer.before_training(self._watch(0, 0.0, None))
            self._processes.draw_as_main()
        self._announcer.begun()
        with ExitStack() as at_end:
            name = options.tracker if self._processes.is_main else "none"
            self._tracker = Tracker(name, self._metrics.parent / _CURVES, options.model_dump(mode="json"))
            at_end.callback(self._tracker.finish)
            self._module.train()
            while not self._has_ended:
                self._epoch(*divmod(state.global_step, self._plan.epoch_steps))
        if self._processes.is_main and state.best_global_step is not None:
            if options.keep == "best":
                load_learned(self._ships, checkpoint_folder(self._checkpoints, state.best_global_step))
            if options.save_total_limit == 1:
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
        dataset, accumulate = self._training.dataset, self._options.accumulate
        order = training_order(self._inspector, dataset, self._options.seed, epoch)
        shares = self._shares(len(order))
        # beginning to read draws a random number, which a checkpoint within the epoch has behind it
        if not done:
            self._take_up_random_numbers()
        skip = done * accumulate
        batches = zip(shares[skip:], self._training.batches(order, epoch, skip, shares), strict=True)
        if done:
            self._take_up_random_numbers()
        while not self._has_ended and (of_step := list(islice(batches, accumulate))):
            self._take_step(*map(list, zip(*of_step, strict=True)))

    def _shares(self, count: int) -> list[BatchShare]:
        """What this process computes of each batch of so many pictures."""
        return shares_of(count, self._options.batch_size, self._processes.rank, self._processes.world_size)

    def _take_up_random_numbers(self) -> None:
        if self._resumed_from is not None:
            load_random(self._resumed_from, self._processes.rank, self._device)
            self._resumed_from = None

    def _take_step(self, shares: Sequence[BatchShare], batches: Sequence[Batch]) -> None:
        """Learn from these shares of the batches of one step, and do what is due after it."""
        state, plan = self.state, self._plan
        counts = [self._count(share, batch) for share, batch in zip(shares, batches, strict=True)]
        count = self._processes.total(sum(counts, torch.tensor(0))).clamp(min=1).to(self._device)
        for number, (share, batch) in enumerate(zip(shares, self._whole_batch.padded(batches), strict=True), start=1):
            last = number == len(batches)
            with self._whole_batch.share(share):
                loss = self._step.learn(self._placed(batch), count, is_last=last, counts=not share.is_empty)
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

    def _count(self, share: BatchShare, batch: Batch) -> Tensor:
        return torch.tensor(0) if share.is_empty else self._inspector.loss_count(batch)

    def _placed(self, batch: Batch) -> Batch:
        return {name: values.to(self._device) for name, values in batch.items()}

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
        if self._sharded is not None:
            self._sharded.gather()
        scores: Mapping[str, float | None] = {}
        self._ships.eval()
        with nullcontext() if self._sharded is None else self._sharded.on_device():
            if self._processes.is_main:
                scores = self._watch(state.global_step, state.epoch, loss)
        row = state.log(
            eval_loss=loss, **{f"eval_{name}": score for name, score in scores.items() if score is not None}
        )
        is_best = state.compare(loss)
        self._write(row)
        self._announcer.evaluated(loss, scores, is_best=is_best)
        self._processes.draw_as_main()
        self._module.train()
        return is_best

    def _validation_loss(self) -> float:
        """Mean over the pictures of the mean loss of each one's batch, as far as that is a number."""
        order = validation_order(self._inspector, self._validation.dataset)
        shares = self._shares(len(order))
        loader = self._validation.batches(order, shares=shares)
        losses: list[Tensor] = []
        counts: list[Tensor] = []
        for share, batch in zip(shares, loader, strict=True):
            with self._whole_batch.share(share):
                loss = self._step.look(self._placed(batch))
            losses.append(torch.zeros_like(loss) if share.is_empty else loss)
            counts.append(self._count(share, batch))
            self._announcer.validated(len(losses), len(loader))
        # divided where they were computed, which rounds as one process does
        summed, terms = (self._processes.total(torch.stack(of)) for of in (losses, counts))
        means = (summed / terms.to(summed.device).clamp(min=1)).float().cpu().numpy()
        each = np.repeat(means, [share.of for share in shares])
        found = each[np.isfinite(each)]
        return float(found.mean()) if found.size else math.nan

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
            self._ships,
            self._step,
            self.state,
            self._processes,
        )
        if self._processes.is_main:
            rotate(self._checkpoints, self._options.save_total_limit, self.state.best_global_step)
