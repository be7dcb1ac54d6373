"""The reference's learning rate: a warm-up and a cosine, exactly as big_vision computes them."""

from __future__ import annotations

import math

from kenpin.errors import OptionError
from kenpin.plural import counted


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
    # big_vision/utils.py, steps and create_learning_rate_schedule
    """
    warmup = warmup_steps(total, warmup_percent)
    # a single step is all warm-up: the reference divides by zero there, this gives the base rate
    progress = min(max((step - warmup) / max(total - warmup, 1), 0.0), 1.0)
    return base * 0.5 * (1 + math.cos(math.pi * progress)) * (min(1.0, step / warmup) if warmup else 1.0)
