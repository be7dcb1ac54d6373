"""Handshake: a controller that reads values when it pleases says that it has read them.

The four steps that controllers know: the values, then the request is set; the controller reads, and sets its
acknowledgement; the request is cleared; the controller clears the acknowledgement. A station that is killed at any step
begins again with the first one, and the controller knows the part by its sequence number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from kenpin.station.told import Told

VERDICT_CODES = {"PASS": 1, "FAIL": 2, "REVIEW": 3}
"""The verdicts as numbers; 0: none, as where an event is about a version."""
EVENT_CODES = {"judged": 1, "reviewed": 2, "switched": 3}
"""The kinds of events as numbers."""

_LONGEST_CYCLE_S = 0.1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05


class Controller(Protocol):
    """The bits of a controller."""

    def set_request(self, value: bool) -> None:
        """Set or clear the request."""

    def is_acknowledged(self) -> bool:
        """Whether the controller's acknowledgement is set."""


def begin(controller: Controller, pause: Callable[[float], object] = time.sleep) -> None:
    """Clear a request that was left, when a connection begins; a controller whose cycle has seen it is waited for."""
    controller.set_request(False)
    pause(_LONGEST_CYCLE_S)


def hand_over(
    controller: Controller,
    write: Callable[[], None],
    *,
    timeout_s: float,
    late: Callable[[str], Exception],
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Write values, and wait until the controller has read them. late: makes the error to raise of what is missing."""
    ends_s = time.monotonic() + timeout_s
    controller.set_request(False)
    _wait_for(controller, False, ends_s, pause, late, "it does not clear its acknowledgement")
    write()
    controller.set_request(True)
    _wait_for(controller, True, ends_s, pause, late, "it does not acknowledge the part")
    controller.set_request(False)


def _wait_for(
    controller: Controller,
    wanted: bool,
    ends_s: float,
    pause: Callable[[float], object],
    late: Callable[[str], Exception],
    otherwise: str,
) -> None:
    pause_s = _FIRST_PAUSE_S
    while controller.is_acknowledged() is not wanted:
        if time.monotonic() >= ends_s:
            raise late(otherwise)
        pause(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def class_code(told: Told, classes: dict[str, int], other: int) -> int:
    """The number of the part's class; 0 where it has none."""
    return 0 if told.label is None else classes.get(told.label, other)
