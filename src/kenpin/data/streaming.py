"""Work on many items with a few threads, results in the items' order, and only a few of them held at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 32  # results waiting for the consumer; `ThreadPoolExecutor.map` would hold all of them
_SHORT_S = 2e-4  # work that takes less is done sooner than two threads agree on who does it
_LONG_IN_A_ROW = 4  # the first item alone may be long, because of what is loaded for it


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
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in rest:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
