"""The demonstration from start to end: prepared, fed, partly reviewed, and served until it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.runtime.engines import EngineName
from kenpin.station.demonstration.feeding import Feeder, part_named
from kenpin.station.demonstration.made_parts import DISCS, PLATES
from kenpin.station.demonstration.people import People
from kenpin.station.demonstration.preparing import BELT, SOURCE, Prepared, prepare
from kenpin.station.running import Station
from kenpin.station.service import serve

_REVIEWED_FROM = 0.75
"""Share of the parts that are recorded before the made people begin."""
_LEFT = 12
"""Parts of each product that the made people leave to the visitor."""
_REVIEWS = 14  # of each person, of each product: a sample of which the first block counts


def run_demonstration(
    folder: Path,
    say: Callable[[str], None],
    *,
    port: int | None = None,
    parts: int = 240,
    pace_s: float = 2.0,
    renew: bool = False,
    engine: EngineName = "auto",
) -> None:
    """Show a station on made parts until SIGTERM or Ctrl-C. It listens on its own machine alone.

    parts: that come as fast as they are judged; pace_s: seconds between those behind them; renew: learn anew. Raises
    OptionError, MissingExtraError, RunError, StoreError, OSError.
    """
    if parts < 1 or not pace_s > 0:
        raise OptionError("options `parts` and `pace`: take at least one part, and more than 0 seconds between two.")
    began_s = time.monotonic()
    prepared = prepare(folder, say, renew=renew)
    settings = prepared.settings.model_copy(
        update={"host": "127.0.0.1", "hosts": (), **({} if port is None else {"port": port})}
    )

    @contextmanager
    def beside(station: Station, address: str) -> Iterator[None]:
        visitor = prepared.visitor
        say(f"Account: {visitor.name}, password {visitor.password} (shown once; each start gives another)")
        say("Everything in it is made up. Ctrl-C ends it.")
        line = _line(station, address, prepared, parts, pace_s)
        with line as people, closing(_Telling(station, people, say, parts, began_s)):
            yield

    serve(folder, settings, say, engine=engine, beside=beside)


@contextmanager
def _line(station: Station, address: str, prepared: Prepared, parts: int, pace_s: float) -> Iterator[People]:
    """Parts come, and made people look at some of them."""

    def judged() -> int:
        return sum(state.parts.recorded for state in station.sources.states)

    feeder = Feeder(prepared.folder / BELT, judged, at_once=parts, pace_s=pace_s)
    people = People(
        address,
        prepared.people,
        lambda id: part_named(id.removeprefix(f"{SOURCE}/")),
        lambda: judged() >= _REVIEWED_FROM * parts,
        lambda product: station.reviewing.waiting(product) > _LEFT,
        (PLATES, DISCS),
        _REVIEWS,
    )
    with closing(feeder), closing(people):
        feeder.start()
        people.start()
        yield people


class _Telling:
    """Says when there is something to look at."""

    def __init__(
        self, station: Station, people: People, say: Callable[[str], None], parts: int, began_s: float
    ) -> None:
        self._station, self._people, self._say, self._parts, self._began_s = station, people, say, parts, began_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="telling", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(0.5):
            recorded = sum(state.parts.recorded for state in self._station.sources.states)
            if recorded >= self._parts and not self._people.is_busy:
                waiting = sum(self._station.reviewing.waiting(product) for product in self._station.products)
                self._say(
                    f"{counted(recorded, 'part')} judged and {counted(self._people.said, 'review')} made after "
                    f"{time.monotonic() - self._began_s:.0f} s; {counted(waiting, 'part')} wait for yours."
                )
                return
