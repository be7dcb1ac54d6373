"""What the guards before every request share: headers of a request, and a refusal in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
REST_BYTES = 128 * 1024**2
"""Of a body that nobody wants, so much is read behind the answer."""


def headers_of(scope: Scope, name: bytes) -> list[bytes]:
    """All values of a header, in their order. name: in small letters."""
    return [value for key, value in scope["headers"] if key.lower() == name]


def only_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header; None where it is absent or comes several times."""
    values = headers_of(scope, name)
    return values[0].decode("latin-1").strip() if len(values) == 1 else None


async def refuse(
    scope: Scope,
    send: Send,
    status: int,
    sentence: str,
    further: Iterable[tuple[bytes, bytes]] = (),
    *,
    end: bool = False,
) -> None:
    """Answer in one sentence: as JSON below `/api/`, as text elsewhere. end: whether the connection is closed at once,
    as it must be where nobody can tell where the request ends; else what still comes of its body is read for a while
    and thrown away, for a client that is cut off while it sends does not read the answer."""
    is_api = scope["path"].startswith("/api/")
    body = (json.dumps({"error": sentence}) if is_api else sentence + "\n").encode()
    kind = b"application/json" if is_api else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *further]
    if end:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
