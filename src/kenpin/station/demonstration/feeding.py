"""The feeder: made parts written into the watched folder, some as fast as they are judged, then at a line's pace."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kenpin.station.demonstration.made_parts import DEFECTS, DISCS, FOREIGN, PLATES, MadePart

_SHARES = {PLATES: 0.5, DISCS: 0.44, FOREIGN: 0.06}
_DEFECTIVE = 0.15
"""Share of defective parts of the products."""
_LOT = 100  # parts
_AHEAD = 24  # parts that may wait in the folder
_KEPT = 400  # files that stay in the folder, for who wants to look at them
_LOOKS_S = 0.05


def part_named(name: str) -> MadePart:
    """The part in a file below the belt, drawn by its name: so everybody who is made up knows what it is."""
    draw = random.Random(name)
    product = draw.choices([*_SHARES], [*_SHARES.values()])[0]
    is_defective = product in DEFECTS and draw.random() < _DEFECTIVE
    defect = draw.choice(DEFECTS[product]) if is_defective else None
    return MadePart(product, defect, draw.randrange(2**31))


class Feeder:
    """Feeds a folder in a thread of its own, until it is closed."""

    def __init__(self, belt: Path, judged: Callable[[], int], *, at_once: int, pace_s: float) -> None:
        """judged: how many parts the station has recorded; at_once: parts that come as fast as they are judged; pace_s:
        seconds between those behind them."""
        self._belt, self._judged, self._at_once, self._pace_s = belt, judged, at_once, pace_s
        self._unfinished = belt.with_name(f"{belt.name}.unfinished")  # beside it: what is watched is whole
        begun = datetime.now(UTC)
        self._begun = begun.strftime("%Y%m%d-%H%M%S")
        self._written: deque[Path] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="feeder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        before = self._judged()
        number = 0
        while not self._stop.is_set():
            waits = number - (self._judged() - before)
            if waits >= _AHEAD:
                self._stop.wait(_LOOKS_S)
                continue
            self._write(number)
            number += 1
            if number >= self._at_once:
                self._stop.wait(self._pace_s)

    def _write(self, number: int) -> None:
        name = f"demo-{self._begun}-{number // _LOT + 1}/{number:06}.png"
        path = self._belt / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished.write_bytes(part_named(name).png)
        self._unfinished.replace(path)
        self._written.append(path)
        while len(self._written) > _KEPT:
            self._written.popleft().unlink(missing_ok=True)
