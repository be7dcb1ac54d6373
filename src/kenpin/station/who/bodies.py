"""Bodies of requests: how many bytes may come, counted as they come, and how slowly."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from kenpin.errors import KenpinError
from kenpin.station.who.asgi import REST_BYTES, headers_of, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class BodyPace:
    """How slowly a body may come."""

    grace_s: float = 10.0
    """Time that the client may take whatever comes."""
    bytes_per_s: float = 4096.0
    """What must come on average beyond it. Only time in which the station waited counts."""


USUAL_PACE = BodyPace()
_UTF_8 = re.compile(rb'\bcharset="?utf-?8"?(?=\s*(?:;|$))')


class BodyRefusedError(KenpinError, RuntimeError):
    """The body of a request was too large or too slow; the client has its answer already."""


class Bodies:
    """Answers 413 where a body has too many bytes, 408 where it comes too slowly, and 415 where it is no UTF-8."""

    def __init__(self, app: ASGIApp, limit_bytes: Callable[[Scope], int], pace: BodyPace = USUAL_PACE) -> None:
        """limit_bytes: the most bytes that the body of this request may have."""
        self._app, self._limit_bytes, self._pace = app, limit_bytes, pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not all(map(_is_plain, headers_of(scope, b"content-type"))):
            await refuse(scope, send, 415, "the request's text is in another encoding than UTF-8; send it in that.")
            return
        limit = self._limit_bytes(scope)
        length = max((int(one) for one in headers_of(scope, b"content-length") if one.isdigit()), default=0)
        if length > limit:
            await refuse(scope, send, 413, _too_large(limit), end=length > REST_BYTES)
            return
        body = _Body(scope, receive, send, limit, self._pace)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.is_refused:  # else it is the refusal itself, or what the app made of it
                raise


class _Body:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, pace: BodyPace) -> None:
        self._scope, self._receive, self._send, self._limit, self._pace = scope, receive, send, limit, pace
        self._bytes, self._waited_s = 0, 0.0
        self._is_complete = self._has_answered = False
        self.is_refused = False

    async def receive(self) -> Message:
        """The next piece. Raises BodyRefusedError."""
        if self.is_refused:
            raise BodyRefusedError("the body of this request was refused.")
        if self._is_complete:
            return await self._receive()
        left_s = self._pace.grace_s + self._bytes / self._pace.bytes_per_s - self._waited_s
        began_s = time.monotonic()
        try:
            # a deadline, and no task of its own for each piece
            async with asyncio.timeout(max(left_s, 0.0)):
                message = await self._receive()
        except TimeoutError:
            await self._refuse(408, "the request came too slowly; send it again over a better connection.")
        self._waited_s += time.monotonic() - began_s
        if message["type"] != "http.request":
            return message
        self._bytes += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._bytes > self._limit:
            await self._refuse(413, _too_large(self._limit))
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the app; nothing more where the client has its refusal."""
        if not self.is_refused:
            self._has_answered = True
            await self._send(message)

    async def _refuse(self, status: int, sentence: str) -> NoReturn:
        self.is_refused = not self._has_answered
        if self.is_refused:
            await refuse(self._scope, self._send, status, sentence, end=status == 408)
        raise BodyRefusedError(sentence)


def _is_plain(kind: bytes) -> bool:
    """Whether a Content-Type names no encoding but UTF-8: the form's parser takes any of Python's, some of which take
    minutes for a megabyte, or give what is no text."""
    return b"charset" not in _UTF_8.sub(b"", kind.lower())


def _too_large(limit: int) -> str:
    return f"the request has more than {limit:,} bytes; send less at a time."
