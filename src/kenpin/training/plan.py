"""The plan of a training: how many steps it has, and after which of them it logs, evaluates and saves."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StepPlan:
    """Steps of a training, counted from 1; after the last one everything is due."""

    batches: int
    """Of an epoch, for each process."""
    accumulate: int
    """Batches of a step; the last step of an epoch may have fewer."""
    epochs: float
    evaluate_every: int | None
    """Steps between evaluations; None: an epoch."""
    save_every: int | None
    """Steps between checkpoints; None: as often as evaluations."""
    logged: int
    """Losses that are kept at most."""

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.batches / self.accumulate)

    @property
    def steps(self) -> int:
        """Steps of the whole training, unless it stops early."""
        return math.ceil(self.epochs * self.epoch_steps)

    def epoch_after(self, step: int) -> float:
        """Epochs that have passed after a step."""
        epoch, done = divmod(step, self.epoch_steps)
        return epoch + done * self.accumulate / self.batches

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch, or the training, ends with this step."""
        return step % self.epoch_steps == 0 or step == self.steps

    def logs(self, step: int) -> bool:
        """Whether the loss is logged; an evaluation comes with the training loss up to it."""
        return step % math.ceil(self.steps / self.logged) == 0 or self.ends_epoch(step) or self.evaluates(step)

    def evaluates(self, step: int) -> bool:
        """Whether the validation pictures are looked at."""
        return step % (self.evaluate_every or self.epoch_steps) == 0 or step == self.steps

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is due whatever the evaluation found."""
        return step % (self.save_every or self.evaluate_every or self.epoch_steps) == 0 or step == self.steps
