"""Work on many items with a few threads, results in the items' order, and only a few of them held at a time.

What is held is bounded by bytes: a picture's size is known from its header, and its thread waits before it decodes,
until there is room. The item whose turn it is never waits, so that a picture of any size is worked on.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 32  # results waiting for the consumer; `ThreadPoolExecutor.map` would hold all of them
IN_FLIGHT_BYTES = 512 * 1024**2
"""Bytes of decoded pictures that wait for their turn, and of those in a batch; the last one of each may exceed them."""
_SHORT_S = 2e-4  # work that takes less is done sooner than two threads agree on who does it
_LONG_IN_A_ROW = 4  # the first item alone may be long, because of what is loaded for it
_thread = threading.local()


def stream(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 2) -> Iterator[Result]:
    """`function` of each item, in order. An exception is raised at its item's turn."""
    rest = iter(items)
    long = 0
    for item in rest:
        started = perf_counter()
        result = function(item)
        long = long + 1 if perf_counter() - started > _SHORT_S else 0
        yield result
        if long == _LONG_IN_A_ROW:
            break
    yield from in_threads(function, rest, workers=workers)


def in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int = AHEAD,
    begin: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """The same where threads are known to pay from the first item on. ahead: results at most that wait for the
    consumer; begin: what each thread does first."""
    waiting: deque[Pending[Result]] = deque()
    with ThreadPoolExecutor(workers, initializer=begin) as pool, Ahead(pool) as work:
        for item in items:
            waiting.append(work.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def in_batches(
    items: Iterable[Item], most: int, bytes_of: Callable[[Item], int], limit_bytes: int | None = None
) -> Iterator[list[Item]]:
    """Items in lists of at most `most`; a list ends with the item by which its bytes reach the limit, by default
    `IN_FLIGHT_BYTES`."""
    limit = IN_FLIGHT_BYTES if limit_bytes is None else limit_bytes
    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += bytes_of(item)
        del item  # else it was held while the next one is made
        if len(batch) == most or held >= limit:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def shared_out(most: int, count: int, workers: int) -> int:
    """Items a batch, at most `most`, so that also a few items are work for all workers.

    >>> shared_out(8, 4, workers=2), shared_out(8, 100, workers=2), shared_out(8, 1, workers=2)
    (2, 8, 1)
    """
    return max(1, min(most, -(-count // max(workers, 1))))


def pipelined(items: Iterable[Item], begin: Callable[[Item], Callable[[], Result]], depth: int) -> Iterator[Result]:
    """Begin with each item, and give the results in their order while at most `depth` later ones are begun. begin:
    returns what waits for the result."""
    waiting: deque[Callable[[], Result]] = deque()
    for item in items:
        waiting.append(begin(item))
        del item  # else it were held while the next one is made
        while len(waiting) > depth:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def hold(size_bytes: int) -> None:
    """Wait until so many bytes have room beside what waits for its turn, where the caller is such work ahead."""
    ahead: Ahead | _Elsewhere | None = getattr(_thread, "ahead", None)
    if ahead is not None:
        ahead.hold(_thread.turn, size_bytes)


@contextmanager
def room_asked_of(ask: Callable[[int], None]) -> Iterator[None]:
    """In this thread, let what opens a picture ask for room elsewhere. ask: called with bytes, returns when there is
    room."""
    before = getattr(_thread, "ahead", None)
    _thread.ahead, _thread.turn = _Elsewhere(ask), 0
    try:
        yield
    finally:
        _thread.ahead = before


@dataclass(frozen=True)
class _Elsewhere:
    """Room that another process gives."""

    ask: Callable[[int], None]

    def hold(self, _: int, size_bytes: int) -> None:
        """Wait until so many bytes have room."""
        self.ask(size_bytes)


@dataclass(frozen=True)
class Pending(Generic[Result]):
    """A result of work that runs ahead of its turn."""

    _ahead: Ahead
    _turn: int
    _future: Future[Result]

    def result(self) -> Result:
        """Wait for it; its bytes are then the caller's. Raises what the work raised."""
        try:
            return self._future.result()
        finally:
            self._ahead.taken(self._turn)


@dataclass
class Ahead:
    """Work that threads do ahead of its turn, what it holds bounded by bytes. Results are taken in the order of the
    work. On leaving it as a context nothing waits any more."""

    _pool: ThreadPoolExecutor
    _held: dict[int, int] = field(default_factory=dict)
    _first: int = 0
    """Turn of the oldest result that is not taken yet."""
    _closed: bool = False
    _turns: Iterator[int] = field(default_factory=count)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def submit(self, function: Callable[[Item], Result], item: Item) -> Pending[Result]:
        """Begin with an item."""
        turn = next(self._turns)

        def work() -> Result:
            _thread.ahead, _thread.turn = self, turn
            try:
                return function(item)
            finally:
                _thread.ahead = None

        return Pending(self, turn, self._pool.submit(work))

    def hold(self, turn: int, size_bytes: int) -> None:
        """Wait until so many bytes of this turn have room."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or turn <= self._first or self._fits(size_bytes))
            self._held[turn] = self._held.get(turn, 0) + size_bytes

    def taken(self, turn: int) -> None:
        """Give the bytes of this turn free."""
        with self._changed:
            self._held.pop(turn, None)
            self._first = turn + 1
            self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        return sum(self._held.values()) + size_bytes <= IN_FLIGHT_BYTES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
