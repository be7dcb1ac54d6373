"""Work on several parts that no one of them can stop: together where that goes, else on each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kenpin.plural import counted

Part = TypeVar("Part")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Failed:
    """How the work failed on a part."""

    error: BaseException


def on_each(work: Callable[[Sequence[Part]], Sequence[Found]], parts: Sequence[Part]) -> list[Found | Failed]:
    """What the work finds of each part, or how it fails on that part alone. Raises nothing but what ends the process.

    >>> on_each(lambda some: [10 // part for part in some], [2, 5])
    [5, 2]
    >>> on_each(lambda some: [10 // part for part in some], [2, 0])
    [5, Failed(error=ZeroDivisionError('integer division or modulo by zero'))]
    """
    if not parts:
        return []
    try:
        found = [*work(parts)]
        if len(found) != len(parts):
            raise ValueError(f"{counted(len(parts), 'part')} got {counted(len(found), 'answer')}")
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 a panic of a library in Rust is not an Exception
        if len(parts) == 1:
            return [Failed(error)]
        return [of_part for part in parts for of_part in on_each(work, [part])]
    return [*found]


def attempt(work: Callable[[], Found]) -> Found | Failed:
    """What the work returns, or how it fails."""
    (found,) = on_each(lambda _: [work()], [None])
    return found
