"""Asking an application as a server does, without one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from kenpin.station.who.cookies import cookies_of
from kenpin.station.who.door import SignedIn
from kenpin.station.who.origins import Hosts

Headers = Mapping[str, str] | list[tuple[str, str]]
HOST = "127.0.0.1:8470"
OWN = {"origin": f"http://{HOST}"}
LOCAL = Hosts.of("127.0.0.1", ())


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    pieces: int = 0
    starts: int = 0

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class Seen:
    """An application that notes what reaches it."""

    scopes: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"hello"})


def ask(
    app: Any,
    method: str = "GET",
    path: str = "/",
    headers: Headers = (),  # type: ignore[assignment]
    body: bytes | list[bytes] = b"",
    *,
    host: str | None = HOST,
    scheme: str = "http",
) -> Answer:
    """Ask as a server does; the body comes in these pieces."""
    return asyncio.run(ask_soon(app, scope_of(method, path, headers, host=host, scheme=scheme), body))


def scope_of(
    method: str = "GET",
    path: str = "/",
    headers: Headers = (),  # type: ignore[assignment]
    *,
    host: str | None = HOST,
    scheme: str = "http",
) -> dict[str, Any]:
    given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if host is not None:
        given.insert(0, ("host", host))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "scheme": scheme,
        "server": ("127.0.0.1", 8470),
        "client": ("127.0.0.1", 50_000),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given],
        "state": {},
    }


async def ask_soon(app: Any, scope: dict[str, Any], body: bytes | list[bytes]) -> Answer:
    pieces = [body] if isinstance(body, bytes) else list(body)
    answer = Answer()

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.starts += 1
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")
            answer.pieces += 1

    await app(scope, receive, send)
    assert answer.starts == 1, "a request has one answer"
    return answer


def sent_back(signed_in: SignedIn, **scope: Any) -> dict[str, str]:
    """The header with which a browser sends the cookies back."""
    jar = SimpleCookie()
    for value in cookies_of(scope_of(**scope), signed_in):
        jar.load(value)
    return {"cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())}
