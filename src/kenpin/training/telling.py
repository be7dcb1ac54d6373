"""Tells a listener how far a training by gradients is, and what each of its evaluations found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from kenpin.plural import counted, was_were
from kenpin.training.listener import TRAINING, VALIDATING, Epoch, Listener, Step


class TellingCallback(TrainerCallback):  # type: ignore[misc]
    """Stands between transformers' Trainer, which counts steps, and a listener, who is told of epochs."""

    def __init__(self, listener: Listener, epochs: float) -> None:
        self._listener, self._epochs = listener, epochs
        self._began_s, self._first_step = 0.0, 0
        self._told_step, self._validated = 0, 0
        self._has_ended = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An interrupted training goes on: what it did before has no part in the pace of today."""
        self._began_s, self._first_step, self._told_step = time.monotonic(), state.global_step, state.global_step
        if state.global_step:
            reached = f"step {state.global_step} of {state.max_steps}, epoch {_short(state.epoch)}"
            self._listener.say(f"Training goes on from {reached} of {_short(self._epochs)}.")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An evaluation is told with the training loss up to it, so that this is logged before."""
        self._listener.progress(TRAINING, state.global_step, state.max_steps)
        control.should_log |= control.should_evaluate

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """A step is told when its loss is."""
        if logs and "loss" in logs:
            self._listener.step(Step(state.global_step, state.max_steps, logs["loss"], logs["learning_rate"]))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The epoch is told when its loss is logged, unless an evaluation tells it."""
        control.should_log = True
        self._has_ended = True

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell_the_ended(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell_the_ended(state)

    def on_prediction_step(self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **_: Any) -> None:
        self._validated += 1
        self._listener.progress(VALIDATING, self._validated, len(eval_dataloader))

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._validated = 0

    def before_training(self, scores: Mapping[str, float | None]) -> None:
        """Tell the scores of what nothing has trained yet."""
        self._listener.epoch(Epoch(0.0, self._epochs, None, None, scores, is_best=False, seconds_left=None))

    def evaluated(self, state: Any, loss: float, scores: Mapping[str, float | None]) -> None:
        """Tell an evaluation, before the Trainer compares its loss with the least one."""
        self._tell(state, loss, scores)

    def _tell_the_ended(self, state: Any) -> None:
        if self._has_ended and self._told_step < state.global_step:
            self._tell(state, None, {})
        self._has_ended = False

    def _tell(self, state: Any, loss: float | None, scores: Mapping[str, float | None]) -> None:
        pace_s = (time.monotonic() - self._began_s) / max(state.global_step - self._first_step, 1)
        found = Epoch(
            epoch=state.epoch,
            epochs=self._epochs,
            training_loss=mean_loss(state.log_history, self._told_step),
            validation_loss=loss,
            scores=scores,
            is_best=loss is not None and (state.best_metric is None or loss < state.best_metric),
            seconds_left=pace_s * (state.max_steps - state.global_step),
        )
        self._told_step = state.global_step
        self._listener.epoch(found)


def mean_loss(history: Sequence[Mapping[str, Any]], step: int) -> float | None:
    """Mean training loss of the steps after `step`, at which a loss was logged too; None where none is logged yet.

    history: the Trainer's rows, of which each `loss` is the mean of the steps since the one before.
    """
    total, logged = 0.0, step
    for row in history:
        if "loss" in row and row["step"] > logged:
            total += row["loss"] * (row["step"] - logged)
            logged = row["step"]
    return total / (logged - step) if logged > step else None


def why_it_ended(state: Any) -> str:
    """How many steps were trained, which evaluation was best, and whether others would have come."""
    told = f"{state.global_step} of {counted(state.max_steps, 'step')} {was_were(state.global_step)} trained"
    best = None
    if state.best_metric is not None:
        told += f", best validation loss {state.best_metric:.4f} at step {state.best_global_step}"
        best = next((row["epoch"] for row in state.log_history if row["step"] == state.best_global_step), None)
    if state.global_step >= state.max_steps:
        return f"{told}."
    return f"{told}. Training stopped early" + ("." if best is None else f": no better since epoch {_short(best)}.")


def _short(epoch: float) -> str:
    return f"{epoch:.4g}"
