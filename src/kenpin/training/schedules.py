"""Courses of the learning rate: a factor for each step that rises in the warm-up and then follows its curve."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, cast

from kenpin.models._learning_rates import cosine_with_warmup, warmup_steps

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
