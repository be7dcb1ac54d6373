"""What an answer of the interface needs: the station, and a person with a right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from kenpin.station.running import Station
from kenpin.station.who.identity import person_with
from kenpin.station.who.rights import Person, Right


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and of which station."""

    station: Station
    person: Person


def asking(right: Right) -> Callable[[Request], Awaitable[Asking]]:
    """A dependency of a route: whoever asks must have this right."""

    async def ask(request: Request) -> Asking:  # else it waited for a thread, which people who look may hold
        return Asking(request.app.state.station, person_with(request.scope, right))

    return ask
