"""The gate: all guards around the application, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kenpin.station.who.bodies import USUAL_PACE, Bodies, BodyPace
from kenpin.station.who.headers import SecurityHeaders
from kenpin.station.who.identity import Identity
from kenpin.station.who.origins import Hosts, Origins
from kenpin.station.who.proxies import Proxies

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from kenpin.station.who.door import Door


def guarded(
    app: ASGIApp,
    door: Door,
    hosts: Hosts,
    limit_bytes: Callable[[Scope], int],
    pace: BodyPace = USUAL_PACE,
    proxies: Sequence[str] = (),
) -> ASGIApp:
    """The application behind all guards. limit_bytes: the most bytes that the body of a request may have; proxies:
    addresses of those that are believed where a request comes from. Raises OptionError for one that is none.

    From outside in: refusals have the headers too, and nobody is looked up for a request that is refused anyway.
    """
    guards = SecurityHeaders(Origins(Bodies(Identity(app, door), limit_bytes, pace), hosts))
    return Proxies(guards, proxies) if proxies else guards
