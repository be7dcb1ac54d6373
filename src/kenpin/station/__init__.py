"""The station: the service beside a line that judges parts, lets people review them, and learns from what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.station.arrival import Arrival
    from kenpin.station.running import Station
    from kenpin.station.settings import StationSettings, read_settings

__all__ = ["Arrival", "Station", "StationSettings", "read_settings"]

__getattr__ = on_first_use(
    __name__,
    {"Arrival": "arrival", "Station": "running", "StationSettings": "settings", "read_settings": "settings"},
)
