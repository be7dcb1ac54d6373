"""The gate: all guards around the application, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kenpin.station.who.bodies import USUAL_PACE, Bodies, BodyPace
from kenpin.station.who.headers import SecurityHeaders
from kenpin.station.who.identity import Identity
from kenpin.station.who.origins import Hosts, Origins

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from kenpin.station.who.door import Door


def guarded(
    app: ASGIApp, door: Door, hosts: Hosts, limit_bytes: Callable[[Scope], int], pace: BodyPace = USUAL_PACE
) -> ASGIApp:
    """The application behind all guards. limit_bytes: the most bytes that the body of a request may have.

    From outside in: refusals have the headers too, and nobody is looked up for a request that is refused anyway.
    """
    return SecurityHeaders(Origins(Bodies(Identity(app, door), limit_bytes, pace), hosts))
