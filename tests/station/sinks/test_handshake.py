"""The handshake with a controller: four steps, in this order, whatever state it was left in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.station.sinks.handshake import class_code, hand_over
from tests.station.sinks.told_events import told


class Plc:
    """A controller that looks at its bits every few steps, and notes the value that it read."""

    def __init__(self, delays: Iterator[int], *, request: bool = False, acknowledged: bool = False) -> None:
        self.request, self.acknowledged, self.value = request, acknowledged, 0
        self.read: list[int] = []
        self._delays = delays
        self._left = next(delays)

    def scan(self) -> None:
        self._left -= 1
        if self._left > 0:
            return
        self._left = next(self._delays)
        if self.request and not self.acknowledged:
            self.read.append(self.value)
            self.acknowledged = True
        elif not self.request and self.acknowledged:
            self.acknowledged = False

    def set_request(self, value: bool) -> None:
        self.scan()
        self.request = value
        self.scan()

    def is_acknowledged(self) -> bool:
        self.scan()
        return self.acknowledged

    def write(self, value: int) -> None:
        self.scan()
        assert not self.request, "the values change while the controller may read them"
        self.value = value
        self.scan()


class Killed(BaseException):
    """The station is killed here."""


def _late(why: str) -> Exception:
    return TimeoutError(why)


@given(st.lists(st.integers(1, 5), min_size=1), st.booleans(), st.booleans(), st.lists(st.integers(1, 12), max_size=5))
def test_each_value_is_read_at_least_once_and_in_order_however_it_was_left(
    delays: list[int], request: bool, acknowledged: bool, kills: list[int]
) -> None:
    def endless() -> Iterator[int]:
        while True:
            yield from delays

    plc = Plc(endless(), request=request, acknowledged=acknowledged)
    values, told_so_far = [1, 2, 3, 4, 5, 6], 0
    for steps in [*kills, 10**9]:
        left = [steps]

        class Dying:
            def set_request(self, value: bool, left: list[int] = left) -> None:
                self.step(left)
                plc.set_request(value)

            def is_acknowledged(self, left: list[int] = left) -> bool:
                self.step(left)
                return plc.is_acknowledged()

            def step(self, left: list[int]) -> None:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        try:
            while told_so_far < len(values):
                value = values[told_so_far]
                hand_over(Dying(), lambda value=value: plc.write(value), timeout_s=5, late=_late, pause=lambda _: None)  # type: ignore[misc]
                told_so_far += 1
        except Killed:
            continue
    seen = [value for value in plc.read if value]  # before the first one it may have read what stood there
    assert set(seen) == set(values)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("request_", "acknowledged", "why"),
    [(False, True, "does not clear its acknowledgement"), (False, False, "does not acknowledge the part")],
)
def test_a_controller_that_stands_still_is_late(request_: bool, acknowledged: bool, why: str) -> None:
    plc = Plc(iter([10**9]), request=request_, acknowledged=acknowledged)
    with pytest.raises(TimeoutError, match=why):
        hand_over(plc, lambda: None, timeout_s=0.01, late=_late)


def test_a_class_has_its_number_or_that_of_the_others() -> None:
    assert [class_code(told(1, label=label), {"scratch": 4}, 255) for label in ("scratch", "void", None)] == [4, 255, 0]
