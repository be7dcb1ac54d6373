"""Whether a request is meant for this station and comes from its own pages: host, origin, and one way to end a body."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kenpin.station.who.asgi import SAFE_METHODS, headers_of, only_header, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_VERSIONS = frozenset({"1.0", "1.1", "2"})
_BEARER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hosts:
    """By which names browsers may reach the station."""

    names: frozenset[str]
    """In small letters, without a port; an IPv6 address in brackets."""
    any_address: bool = False
    """Whether any IP address will do: a page of another site has a name of its own in the Host header."""

    @staticmethod
    def of(listening: str, named: Iterable[str]) -> Hosts:
        """listening: the address at which the station listens; named: further names, by the operator."""
        names = {*_LOCAL, *map(_bare, named)}
        ip = _address(listening)
        if ip is None:
            return Hosts(frozenset({*names, _bare(listening)}))
        return Hosts(frozenset({*names, f"[{ip}]" if ip.version == 6 else f"{ip}"}), any_address=ip.is_unspecified)

    def know(self, name: str) -> bool:
        """Whether the station is reached by this name, which is in small letters and has no port."""
        return name in self.names or (self.any_address and _address(name.strip("[]")) is not None)


def is_loopback(host: str) -> bool:
    """Whether a Host header names the machine itself. host: with or without a port."""
    found = _HOST.fullmatch(host.lower())
    return found is not None and found[1] in _LOCAL


def bearer_of(scope: Scope) -> str | None:
    """The machine token that a request brings, as it was sent; None where it brings none."""
    value = only_header(scope, b"authorization")
    found = None if value is None else _BEARER.fullmatch(value)
    return None if found is None else found[1]


class Origins:
    """Refuses requests for other hosts (DNS rebinding), changes asked for by other sites, and bodies whose end is told
    in two ways, which a proxy before the station may take for two requests."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            if (why := badly_framed(scope)) is not None:
                await refuse(scope, send, 400, why, end=True)
                return
            if (refusal := self._refusal(scope)) is not None:
                await refuse(scope, send, *refusal)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        host = only_header(scope, b"host")
        found = None if host is None else _HOST.fullmatch(host.lower())
        if host is None or found is None:
            return 400, "the request has no Host header, or several, or one that is not a host; send one."
        if not self._hosts.know(found[1]):
            return 421, (
                "the station is not reached by this name; take another, or add it to `hosts` in its station.yaml."
            )
        if scope["method"] in SAFE_METHODS or (bearer_of(scope) is not None and not headers_of(scope, b"origin")):
            return None
        if not _comes_from(scope, host.lower()):
            return 403, "this was sent by another site; open the station's own page and do it there."
        return None


def badly_framed(scope: Scope) -> str | None:
    """Why it cannot be told for sure where a request ends; None where it can (RFC 9112, 6.1 to 6.3)."""
    if scope["http_version"] not in _VERSIONS:
        return "the request is of no version of HTTP that the station speaks; send one of HTTP/1.1."
    lengths, codings = headers_of(scope, b"content-length"), headers_of(scope, b"transfer-encoding")
    if lengths and codings:
        return "the request has both Content-Length and Transfer-Encoding; send one of them."
    if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]{1,18}", length) for length in lengths):
        return "the request has no single Content-Length that is a number; send one."
    if codings and ([coding.lower() for coding in codings] != [b"chunked"] or scope["http_version"] == "1.0"):
        return "the request has a Transfer-Encoding other than chunked; send it chunked or with its length."
    return None


def _comes_from(scope: Scope, host: str) -> bool:
    """Whether a browser says that one of our own pages sent it."""
    origins = headers_of(scope, b"origin")
    if not origins and (referrer := only_header(scope, b"referer")) is not None:
        origins = [referrer.encode("latin-1")]
    if not origins:
        return only_header(scope, b"sec-fetch-site") == "same-origin"
    if len(origins) != 1:
        return False
    try:
        origin = urlsplit(origins[0].decode("latin-1").lower())
    except ValueError:
        return False
    # beyond the machine itself cookies need https, and so does a page that sends them
    return origin.netloc == host and (origin.scheme == "https" or (origin.scheme == "http" and is_loopback(host)))


def _bare(name: str) -> str:
    """A host name as it stands in a Host header, without a port."""
    found = _HOST.fullmatch(name.lower())
    return name.lower() if found is None else found[1]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
