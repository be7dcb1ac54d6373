"""All sinks of a node: a delivery for each, by the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.station.sinks.contract import SinkPlace, read_sink
from kenpin.station.sinks.delivery import Delivery, SinkState
from kenpin.station.store.sink_tables import SinkMarks
from kenpin.station.store.transactions import Transactions
from kenpin.station.told import Events


class Deliveries:
    """All sinks of a node."""

    def __init__(
        self, sinks: Mapping[str, Mapping[str, Any]], events: Events, transactions: Transactions, place: SinkPlace
    ) -> None:
        """sinks: settings by name; place: that of each, but for its name. Raises OptionError."""
        self._by_name: dict[str, Delivery] = {}
        for name, values in sinks.items():
            kind_name, kind, options = read_sink(name, values)
            own = SinkPlace(name, place.node, place.folder, place.picture)
            marks = SinkMarks(transactions, name, place.node)
            self._by_name[name] = Delivery(kind_name, kind, options, own, events, marks)

    def start(self) -> None:
        """Deliver from now on."""
        for delivery in self._by_name.values():
            delivery.start()

    def wake(self) -> None:
        """Look for events at once: there are new ones."""
        for delivery in self._by_name.values():
            delivery.wake()

    @property
    def states(self) -> tuple[SinkState, ...]:
        """What each sink is doing."""
        return tuple(delivery.state for delivery in self._by_name.values())

    def of(self, name: str) -> Delivery:
        """The delivery to a sink. Raises OptionError."""
        if name not in self._by_name:
            raise OptionError(f"sink {name!r} is not in the settings; {did_you_mean(name, self._by_name)}")
        return self._by_name[name]

    def close(self) -> None:
        """End all, as long as the slowest takes."""
        for delivery in self._by_name.values():
            delivery.stop()
        for delivery in self._by_name.values():
            delivery.close()
