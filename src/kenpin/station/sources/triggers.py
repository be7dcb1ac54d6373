"""Triggers: which frames of a stream become parts, by time or by what is to be seen in a region."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kenpin.station.sources.naming import RegionPx

Trigger = Callable[[float, Callable[[], NDArray[np.uint8]]], bool]
"""Whether to take the frame at a time in seconds; its grey values, (h, w), are asked for where they are needed."""

_SHORTEST_S = 1e-6


class EveryTrigger:
    """The first frame, and then the first one at or after each multiple of a time.

    >>> takes = EveryTrigger(0.5)
    >>> [second / 10 for second in range(0, 12, 2) if takes(second / 10)]
    [0.0, 0.6, 1.0]
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._first_s: float | None = None
        self._due = 0

    def __call__(self, time_s: float, grey: Any = None) -> bool:
        if self._first_s is None or time_s < self._first_s:  # a stream whose times began again
            self._first_s, self._due = time_s, 0
        since_s = time_s - self._first_s + _SHORTEST_S
        if since_s < self._due * self._every_s:
            return False
        self._due = math.floor(since_s / self._every_s) + 1
        return True


class DebouncedEdge:
    """Whether a signal has crossed a level, and kept to the other side of it for a time."""

    def __init__(self, level: float, edge: Literal["rises", "falls"], debounce_s: float) -> None:
        self._level, self._edge, self._debounce_s = level, edge, debounce_s
        self._is_high: bool | None = None
        """Where the signal is known to be; None before it has kept to a side."""
        self._other_since_s: float | None = None
        self._is_other = False
        """The side to which it keeps since then."""

    def step(self, time_s: float, value: float) -> bool:
        """Take the next value, and tell whether this is the edge that is waited for. Once after each crossing."""
        is_high = value >= self._level
        if is_high is self._is_high:
            self._other_since_s = None
            return False
        if self._other_since_s is None or time_s < self._other_since_s or self._is_other is not is_high:
            self._other_since_s, self._is_other = time_s, is_high
        if time_s - self._other_since_s < self._debounce_s - _SHORTEST_S:
            return False
        was_known, self._is_high, self._other_since_s = self._is_high is not None, is_high, None
        return was_known and is_high is (self._edge == "rises")


class BrightnessTrigger:
    """The mean grey value of a region, 0 to 255, crosses a level."""

    def __init__(self, edge: DebouncedEdge, region: RegionPx | None) -> None:
        self._edge, self._region = edge, region

    def __call__(self, time_s: float, grey: Callable[[], NDArray[np.uint8]]) -> bool:
        return self._edge.step(time_s, float(cut(grey(), self._region).mean()))


class ChangeTrigger:
    """The mean difference of a region from the last frame, in grey values, crosses a level: something moves in, or has
    come to rest."""

    def __init__(self, edge: DebouncedEdge, region: RegionPx | None) -> None:
        self._edge, self._region = edge, region
        self._last: NDArray[np.int16] | None = None

    def __call__(self, time_s: float, grey: Callable[[], NDArray[np.uint8]]) -> bool:
        pixels = cut(grey(), self._region).astype(np.int16)
        last, self._last = self._last, pixels
        if last is None or last.shape != pixels.shape:
            return False
        return self._edge.step(time_s, float(np.abs(pixels - last).mean()))


def cut(grey: NDArray[np.uint8], region: RegionPx | None) -> NDArray[np.uint8]:
    """The pixels of a region; all of them where it lies outside of the frame, or none is named."""
    if region is None:
        return grey
    x1, y1, x2, y2 = region
    part = grey[y1:y2, x1:x2]
    return part if part.size else grey
