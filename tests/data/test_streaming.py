"""Streamed work keeps its order, holds little at a time and raises at the right turn."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kenpin.data import streaming
from kenpin.data.streaming import hold, in_batches, stream

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


@pytest.mark.parametrize(
    "sizes", [[30] * 60, [5, 95, 400, 5] * 15, [1] * 60, random.Random(0).choices(range(300), k=60)]
)
def test_what_is_in_flight_is_bounded_by_bytes(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "IN_FLIGHT_BYTES", 100)
    held: dict[int, int] = {}
    beyond: list[dict[int, int]] = []
    lock = threading.Lock()
    turn = 0

    def decode(number: int) -> int:
        time.sleep(0.0005)
        hold(sizes[number])
        with lock:
            held[number] = sizes[number]
            others = sum(size for one, size in held.items() if one != turn)
            if others > 100:
                beyond.append(dict(held))
        return number

    results = []
    for number in stream(decode, range(len(sizes)), workers=3):
        with lock:
            held.pop(number)
            turn = number + 1
        results.append(number)
        time.sleep(0.0005)
    assert results == list(range(len(sizes)))
    assert beyond == []


def test_a_stream_that_is_left_leaves_no_thread_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "IN_FLIGHT_BYTES", 10)

    def decode(number: int) -> int:
        time.sleep(0.0005)
        hold(10)
        return number

    results = stream(decode, range(100))
    assert [next(results) for _ in range(8)] == list(range(8))
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2


def test_batches_end_by_number_and_by_bytes() -> None:
    assert list(in_batches([1, 1, 1, 9, 1, 20, 20], 3, int, 10)) == [[1, 1, 1], [9, 1], [20], [20]]
    assert list(in_batches([], 3, int)) == []
