"""Who hears of a training: sentences, how far its work is, and how it stands at each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kenpin.models.contract import Progress

Say = Callable[[str], None]
"""Called with each note, a sentence."""
TRAINING, VALIDATING, SCORING = "training", "validating", "scoring"
"""What `progress` says is being done between two evaluations and in them, again and again; all else is done once."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """How a training stood at the end of an epoch, and at each evaluation between. One comes before training, with
    epoch 0."""

    epoch: float
    epochs: float
    """How many there will be, unless the training stops early."""
    training_loss: float | None
    """Mean over the steps since the one before; None before training."""
    validation_loss: float | None
    """None where nothing was evaluated: before training, and at the end of an epoch with no evaluation."""
    scores: Mapping[str, float | None]
    """On the validation pictures, or a sample of them, by the name of the measure; None where there is none. Empty
    where nothing was evaluated."""
    is_best: bool
    """Whether the validation loss is the least so far."""
    seconds_left: float | None
    """Until the last epoch, at the pace so far; None before training."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a training: a change of the weights."""

    step: int
    """From 1."""
    steps: int
    """How many there will be, unless the training stops early."""
    loss: float
    """Mean over the step's batch; of a training of more than 1,000 steps, over all since the last call."""
    learning_rate: float
    """What the step was made with."""


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """What is called as a training goes on, in the main process; by default nothing is.

    >>> kenpin.train("classifier", data="parts", out="run", listener=Listener(epoch=print))  # doctest: +SKIP
    """

    say: Say = _nothing
    """Called with each note."""
    progress: Progress = _nothing
    """Called with what is being done, how many are done and how many there are."""
    epoch: Callable[[Epoch], None] = _nothing
    """Called as each epoch ends and at each evaluation; by trainings by gradients alone."""
    step: Callable[[Step], None] = _nothing
    """Called after each step of a training by gradients; of more than 1,000, a thousand times."""


SILENT = Listener()
