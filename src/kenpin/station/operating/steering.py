"""Steering of sources and sinks by people: try again at once, send refused messages again, or give one up."""

from __future__ import annotations

from kenpin.errors import OptionError
from kenpin.station.operating.applied import GIVEN_UP, SENT_AGAIN, SINK_TRIED, SOURCE_TRIED
from kenpin.station.sinks.deliveries import Deliveries
from kenpin.station.sources.running import RunningSources
from kenpin.station.store.entering import Entering
from kenpin.station.store.sink_tables import PutAside
from kenpin.station.who.rights import Person, Right


class Operating:
    """What people do about the sources and sinks of a node; an entry of the trail stands before each deed."""

    def __init__(self, entering: Entering, sources: RunningSources, sinks: Deliveries) -> None:
        self._entering, self._sources, self._sinks = entering, sources, sinks

    def try_source(self, who: Person, name: str) -> None:
        """Open a source that is away at once. Raises NotAllowedError, OptionError, StoreError, OSError."""
        who.check(Right.OPERATE)
        source = self._sources.of(name)
        self._entering.enter(who.name, SOURCE_TRIED, {"source": name})
        source.try_now()

    def try_sink(self, who: Person, name: str) -> None:
        """Tell a sink that is away at once what waits. Raises as `try_source` does."""
        who.check(Right.OPERATE)
        sink = self._sinks.of(name)
        self._entering.enter(who.name, SINK_TRIED, {"sink": name})
        sink.try_now()

    def send_again(self, who: Person, name: str, position: int | None = None) -> None:
        """Send a refused message again with those that wait behind it, or all. Raises as `try_source` does."""
        who.check(Right.OPERATE)
        sink = self._sinks.of(name)
        about = {"sink": name} if position is None else {"sink": name, **_about(self._aside(name, position))}
        self._entering.enter(who.name, SENT_AGAIN, about)
        sink.send_again(None if position is None else [position])

    def give_up(self, who: Person, name: str, position: int, reason: str) -> None:
        """Never send a refused message; those that wait behind it are sent. Raises as `try_source` does."""
        who.check(Right.OPERATE)
        sink, aside = self._sinks.of(name), self._aside(name, position)
        if not reason.strip():
            raise OptionError("a message is given up for a reason; write one.")
        self._entering.enter(who.name, GIVEN_UP, {"sink": name, **_about(aside), "reason": reason.strip()})
        sink.give_up(position)

    def _aside(self, name: str, position: int) -> PutAside:
        found = self._sinks.of(name).asides(1, behind=position - 1)
        if not found or found[0].told.position != position:
            raise OptionError(f"sink {name}: message {position} is put aside no more; look at those that are.")
        return found[0]


def _about(aside: PutAside) -> dict[str, object]:
    """What the trail holds of a message."""
    told = aside.told
    return {"position": told.position, "event": told.kind, "product": told.product, "part": told.id}
