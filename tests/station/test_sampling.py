"""What a random sample of reviewed parts tells: bounds that hold, whatever was reviewed first."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import ShapeError
from kenpin.quality.lot_bounds import defective_in_lot
from kenpin.station.reviewing.sampling import SampledPart, estimate, number_of


def _chance(found: int, sampled: int, lot: int, defective: int) -> float:
    return comb(defective, found) * comb(lot - defective, sampled - found) / comb(lot, sampled)


@given(data=st.data(), lot=st.integers(1, 25))
def test_the_bounds_are_all_numbers_that_the_sample_does_not_contradict(data: st.DataObject, lot: int) -> None:
    sampled = data.draw(st.integers(0, lot))
    found = data.draw(st.integers(0, sampled))
    low, high = defective_in_lot(found, sampled, lot, 0.9)
    for defective in range(lot + 1):
        at_least = sum(_chance(x, sampled, lot, defective) for x in range(found, sampled + 1))
        at_most = sum(_chance(x, sampled, lot, defective) for x in range(found + 1))
        if min(abs(at_least - 0.05), abs(at_most - 0.05)) > 1e-9:  # no tie, which rounding decides
            assert (low <= defective <= high) == (at_least > 0.05 and at_most > 0.05)


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(ShapeError, match="3 defective of 2 sampled parts"):
        defective_in_lot(3, 2, 9)


@pytest.mark.parametrize("haste", [0.0, 0.5, 2.0])
def test_the_estimate_is_right_on_average_whatever_is_reviewed_first(haste: float) -> None:
    """Reviewers that hasten to the parts which look worst must not move it."""
    draw = np.random.default_rng(5)
    held, lots, rates = 0, 400, []
    for _ in range(lots):
        defective = draw.random(400) < 0.1
        numbers = draw.random(400)
        looks_bad = defective + draw.normal(size=400) / 2
        sampled = numbers < 0.3
        # the sample by rising numbers for a while, and the worst-looking ones beside it
        reviewed = (numbers < draw.uniform(0.1, 0.3)) | (looks_bad > 2.5 - haste)
        sample = [
            SampledPart(number, bool(bad) if seen else None)
            for number, bad, seen in zip(numbers[sampled], defective[sampled], reviewed[sampled], strict=True)
        ]
        found = estimate(400, 0.3, sample)
        if found.low is None or found.high is None:
            continue
        assert found.rate is not None
        rates.append(found.rate)
        held += found.low <= defective.sum() <= found.high
    assert len(rates) > 0.9 * lots
    assert held >= 0.94 * len(rates)
    assert abs(np.mean(rates) - 0.1) < 0.005


def test_the_sample_counts_in_blocks_up_to_the_first_part_that_waits() -> None:
    sample = [SampledPart(number / 100, number in (3, 15)) for number in range(25)]
    whole = estimate(1_000, 0.5, sample[::-1])
    assert (whole.sampled, whole.defective, whole.waiting) == (25, 2, 0)
    sample[22] = SampledPart(0.22, None)
    assert (found := estimate(1_000, 0.5, sample)).sampled == 20
    assert (found.defective, found.waiting) == (2, 1)
    sample[12] = SampledPart(0.12, None)
    assert (found := estimate(1_000, 0.5, sample)).sampled == 10
    assert (found.defective, found.rate, found.waiting) == (1, 0.1, 2)
    assert (found.low, found.high) == defective_in_lot(1, 10, 1_000)
    sample[0] = SampledPart(0.0, None)
    assert (found := estimate(1_000, 0.5, sample)).rate_interval is None
    assert found.sampled == 0
    assert estimate(1_000, 0.10, sample[1:]).sampled == 9  # numbers from the chance on are no part of it


def test_numbers_are_even_and_depend_on_key_and_secret() -> None:
    numbers = [number_of(b"s", f"{i:032x}") for i in range(2_000)]
    assert abs(np.mean(numbers) - 0.5) < 0.03
    assert len({number_of(b"s", "a"), number_of(b"t", "a"), number_of(b"s", "b")}) == 3
