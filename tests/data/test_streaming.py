"""Streamed work keeps its order, holds little at a time and raises at the right turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kenpin.data.streaming import stream

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_order() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.01 if number < 3 else 0)
        return -number

    assert list(stream(slow_at_first, range(200))) == [-number for number in range(200)]
    assert list(stream(slow_at_first, [])) == []


def test_only_some_items_are_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    results = stream(lambda number: number, items())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert taken < 100


def test_an_error_is_raised_at_its_turn() -> None:
    results = stream(lambda number: 1 // number, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
