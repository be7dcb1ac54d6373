"""Tells a listener how far a training by gradients is, and what each of its evaluations found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from kenpin.plural import counted, was_were
from kenpin.training.listener import TRAINING, VALIDATING, Epoch, Listener, Step
from kenpin.training.state import TrainingState


class Announcer:
    """Stands between the engine, which counts steps, and a listener, who hears of epochs."""

    def __init__(self, listener: Listener, state: TrainingState, steps: int, epochs: float) -> None:
        self._listener, self._state, self._steps, self._epochs = listener, state, steps, epochs
        # what an interrupted training did before has no part in the pace of today
        self._began_s, self._first_step, self._told_step = time.monotonic(), state.global_step, state.global_step

    def before_training(self, scores: Mapping[str, float | None]) -> None:
        """Tell the scores of what nothing has trained yet."""
        self._listener.epoch(Epoch(0.0, self._epochs, None, None, scores, is_best=False, seconds_left=None))

    def begun(self) -> None:
        """Tell where an interrupted training goes on."""
        self._began_s, state = time.monotonic(), self._state
        if state.global_step:
            reached = f"step {state.global_step} of {self._steps}, epoch {_short(state.epoch)}"
            self._listener.say(f"Training goes on from {reached} of {_short(self._epochs)}.")

    def stepped(self) -> None:
        """Tell that another step was taken."""
        self._listener.progress(TRAINING, self._state.global_step, self._steps)

    def logged(self, row: Mapping[str, float]) -> None:
        """A step is announced when its loss is logged."""
        self._listener.step(Step(self._state.global_step, self._steps, row["loss"], row["learning_rate"]))

    def validated(self, done: int, batches: int) -> None:
        """Tell how far a validation is."""
        self._listener.progress(VALIDATING, done, batches)

    def epoch_ended(self) -> None:
        """Tell an epoch at whose end nothing was evaluated."""
        if self._told_step < self._state.global_step:
            self._tell(None, {}, is_best=False)

    def evaluated(self, loss: float, scores: Mapping[str, float | None], *, is_best: bool) -> None:
        """Tell an evaluation."""
        self._tell(loss, scores, is_best=is_best)

    def _tell(self, loss: float | None, scores: Mapping[str, float | None], *, is_best: bool) -> None:
        state = self._state
        pace_s = (time.monotonic() - self._began_s) / max(state.global_step - self._first_step, 1)
        found = Epoch(
            epoch=state.epoch,
            epochs=self._epochs,
            training_loss=mean_loss(state.log_history, self._told_step),
            validation_loss=loss,
            scores=scores,
            is_best=is_best,
            seconds_left=pace_s * (self._steps - state.global_step),
        )
        self._told_step = state.global_step
        self._listener.epoch(found)


def mean_loss(history: Sequence[Mapping[str, float]], step: int) -> float | None:
    """Mean training loss of the steps after `step`, at which a loss was logged too; None where none is logged yet.

    history: rows of metrics.jsonl, of which each `loss` is the mean of the steps since the one before.
    """
    total, logged = 0.0, step
    for row in history:
        if "loss" in row and row["step"] > logged:
            total += row["loss"] * (row["step"] - logged)
            logged = int(row["step"])
    return total / (logged - step) if logged > step else None


def why_it_ended(state: TrainingState, steps: int) -> str:
    """How many steps were trained, which evaluation was best, and whether others would have come."""
    ended = f"{state.global_step} of {counted(steps, 'step')} {was_were(state.global_step)} trained"
    best = None
    if state.best_metric is not None:
        ended += f", best validation loss {state.best_metric:.4f} at step {state.best_global_step}"
        best = next((row["epoch"] for row in state.log_history if row["step"] == state.best_global_step), None)
    if state.global_step >= steps:
        return f"{ended}."
    return f"{ended}. Training stopped early" + ("." if best is None else f": no better since epoch {_short(best)}.")


def _short(epoch: float) -> str:
    return f"{epoch:.4g}"
