"""Proxies before the station: the address from which a request came to one that the operator believes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kenpin.errors import OptionError
from kenpin.station.who.asgi import headers_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """Puts the address that a believed proxy names in place of the proxy's own, before anybody looks at it."""

    def __init__(self, app: ASGIApp, believed: Iterable[str]) -> None:
        """believed: addresses or networks of proxies that set `X-Forwarded-For`."""
        self._app, self._believed = app, tuple(map(check_proxy, believed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        client = scope.get("client")
        if scope["type"] == "http" and client is not None and self._believes(client[0]):
            scope = {**scope, "client": (self._first_unknown(scope, client[0]), 0)}
        await self._app(scope, receive, send)

    def _first_unknown(self, scope: Scope, proxy: str) -> str:
        """The last address that is none of a believed proxy: what stands before it, anybody may have written."""
        named = b",".join(headers_of(scope, b"x-forwarded-for")).decode("latin-1").split(",")
        found = proxy
        for text in reversed(named):
            address = _address(text.strip())
            if address is None:
                return found  # nobody knows what was meant
            found = f"{address}"
            if not self._believes(found):
                return found
        return found

    def _believes(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._believed)


def check_proxy(text: str) -> Network:
    """The address of a proxy, or a network of them. Raises OptionError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise OptionError(f"proxy {text!r:.60} is no IP address, and no network such as 10.0.0.0/24.") from error


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, as `10.0.0.7`, `10.0.0.7:443` or `[2001:db8::7]:443` name it; None for another text."""
    bare, _, port = text.rpartition(":")
    if bare.startswith("[") or (port.isdecimal() and "." in bare):
        text = bare
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
