"""Work on several parts that no single part can stop: together where that succeeds, else on each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kenpin.plural import counted

Part = TypeVar("Part")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Failed:
    """The error of the work on a part."""

    error: BaseException


def on_each(work: Callable[[Sequence[Part]], Sequence[Found]], parts: Sequence[Part]) -> list[Found | Failed]:
    """The result for each part, or the error on that part alone. Raises only what ends the process.

    >>> on_each(lambda some: [10 // part for part in some], [2, 5])
    [5, 2]
    >>> on_each(lambda some: [10 // part for part in some], [2, 0])
    [5, Failed(error=ZeroDivisionError('integer division or modulo by zero'))]
    """
    if not parts:
        return []
    try:
        results = [*work(parts)]
        if len(results) != len(parts):
            raise ValueError(f"{counted(len(parts), 'part')} got {counted(len(results), 'answer')}")
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 a panic of a library in Rust is not an Exception
        if len(parts) == 1:
            return [Failed(error)]
        return [of_part for part in parts for of_part in on_each(work, [part])]
    return [*results]


def attempt(work: Callable[[], Found]) -> Found | Failed:
    """The result of the work, or its error."""
    (result,) = on_each(lambda _: [work()], [None])
    return result
