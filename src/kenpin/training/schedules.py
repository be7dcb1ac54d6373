"""Courses of the learning rate: a factor for each step that rises in the warm-up and then follows its curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, cast

from kenpin.errors import OptionError
from kenpin.plural import counted

Schedule = Callable[[int, int], float]
"""(step from 1, one more than the number of steps) -> share of the peak rate."""


def schedule_of(
    name: Literal["constant", "linear", "cosine", "step"], warmup_share: float, falls: float | None = None
) -> Schedule:
    """The schedule of this name. falls: of schedule step, how often the training is as long as one step."""
    if name == "step":
        return partial(_step, warmup_share, cast(float, falls))
    if name == "cosine":
        return lambda step, total: cosine_with_warmup(step, total, 1.0, warmup_share)
    return partial(_linear if name == "linear" else _constant, warmup_share)


def _constant(warmup_share: float, step: int, total: int) -> float:
    warmup = warmup_steps(total, warmup_share)
    return min(1.0, step / warmup) if warmup else 1.0


def _linear(warmup_share: float, step: int, total: int) -> float:
    warmup = warmup_steps(total, warmup_share)
    if step < warmup:
        return step / warmup
    return max(0.0, (total - step) / max(1, total - warmup))


def _step(warmup_share: float, falls: float, step: int, total: int) -> float:
    # rounding must not move the fall to the last step before it
    fallen = int((step - 1) * falls / max(1, total - 1) + 1e-9)
    return 0.1**fallen * _constant(warmup_share, step, total)


def warmup_steps(total: int, share: float) -> int:
    """Steps of the warm-up; one at least where any was asked for. Raises OptionError where none would be left."""
    # round to even, as Python does
    warmup = max(1, round(share * total)) if share else 0
    if not 0 <= share <= 1 or (total > 1 and warmup >= total):
        raise OptionError(
            f"a warm-up of {share} of {counted(total, 'step')} leaves none to train; give a share of less than 1."
        )
    return warmup


def cosine_with_warmup(step: int, total: int, base: float, warmup_percent: float) -> float:
    """Learning rate at `step`: straight from 0 to the cosine during the warm-up, then down to 0 at `total`.

    warmup_percent: the warm-up's share of `total`, from 0 to below 1. Raises OptionError.
    # big_vision/utils.py, steps and create_learning_rate_schedule, to the bit
    """
    warmup = warmup_steps(total, warmup_percent)
    # a single step is all warm-up: the reference divides by zero there, this gives the base rate
    progress = min(max((step - warmup) / max(total - warmup, 1), 0.0), 1.0)
    return base * 0.5 * (1 + math.cos(math.pi * progress)) * (min(1.0, step / warmup) if warmup else 1.0)
