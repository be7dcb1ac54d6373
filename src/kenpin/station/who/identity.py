"""Who asks: the session or machine token of a request becomes a person, and what changes something needs their page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from kenpin.errors import KenpinError
from kenpin.station.who.asgi import SAFE_METHODS, headers_of, only_header, refuse
from kenpin.station.who.cookies import session_of
from kenpin.station.who.origins import bearer_of
from kenpin.station.who.rights import NotSignedInError, Person, Right
from kenpin.station.who.secret import Secret, csrf_token, is_csrf_token

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kenpin.station.who.door import Door

CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf_token"
"""Where a page sends its token: a header, or a field of a plain form."""
_LARGEST_FORM = 64 * 1024
_MOST_FIELDS = 1000
_THREADS = 4
_FORM = "application/x-www-form-urlencoded"
Asked = TypeVar("Asked")
Result = TypeVar("Result")
IsOpen = Callable[[], Awaitable[bool]]
_log = logging.getLogger(__name__)


def person_of(scope: Scope) -> Person:
    """Who asks. Raises NotSignedInError."""
    person: Person | None = scope["state"]["person"]
    if person is None:
        raise NotSignedInError("nobody is signed in; sign in, or send a token as `Authorization: Bearer TOKEN`.")
    return person


def person_with(scope: Scope, right: Right) -> Person:
    """Who asks, who has this right. Raises NotSignedInError, NotAllowedError."""
    person = person_of(scope)
    person.check(right)
    return person


class Identity:
    """Puts `person`, `session` and `csrf_token` into `scope["state"]`, None where nobody is signed in.

    A wrong machine token is answered 401, and a change in a session without its page's token 403. A long answer, such
    as one of events, ends soon after the session has, or the token was revoked.
    """

    def __init__(self, app: ASGIApp, door: Door, look_again_s: float = 15.0) -> None:
        """look_again_s: how often a long answer looks whether its session or token has ended."""
        self._app, self._door, self._look_again_s = app, door, look_again_s
        # of its own: parts that wait for their verdicts may take all threads of the service
        self._threads = ThreadPoolExecutor(_THREADS, "identity")
        self._machines = _Together(self._machines_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state |= {"person": None, "session": None, "csrf_token": None}
        session, is_open = None, None
        try:
            if headers_of(scope, b"authorization"):
                token = bearer_of(scope)
                person = None if token is None else await self._machines.of(Secret(token))
                if token is None or person is None:
                    further = ((b"www-authenticate", b"Bearer"),)
                    await refuse(scope, send, 401, "this is no token, or it was revoked; ask for another.", further)
                    return
                state["person"] = person
                is_open = self._still(Secret(token), is_token=True)
            elif (session := session_of(scope)) is not None:
                state["person"] = await self._ask(self._door.who_has, session)
        except KenpinError as error:  # the store cannot be asked
            _log.warning("%s", error)
            await refuse(scope, send, 503, "the station cannot look up who you are now; its log says why.")
            return
        if session is not None and state["person"] is not None:
            state |= {"session": session, "csrf_token": csrf_token(session)}
            if scope["method"] not in SAFE_METHODS:
                sent, receive = await _sent_token(scope, receive)
                if not is_csrf_token(session, sent):
                    await refuse(scope, send, 403, "this page is older than your session; load it again.")
                    return
            is_open = self._still(session, is_token=False)
        if is_open is not None:
            send = _WhileOpen(send, is_open, self._look_again_s).send
        await self._app(scope, receive, send)

    def _still(self, secret: Secret, *, is_token: bool) -> IsOpen:
        """What tells whether a session has not ended, or a token was not revoked."""

        async def is_open() -> bool:
            question = self._door.is_token if is_token else self._door.is_open
            try:
                return await self._ask(question, secret)
            except KenpinError:  # it cannot be told; a browser asks again for events that end
                return False

        return is_open

    async def _machines_of(self, tokens: Collection[Secret]) -> Mapping[Secret, Person]:
        return await self._ask(self._door.which_machines, tokens)

    async def _ask(self, question: Callable[[Asked], Result], asked: Asked) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, question, asked)


class _Together:
    """Asks for machines, of those that come meanwhile for all together: cameras send in flocks. What is told was looked
    up after it was asked for, so that a revoked token opens nothing."""

    def __init__(self, look_up: Callable[[Collection[Secret]], Awaitable[Mapping[Secret, Person]]]) -> None:
        self._look_up = look_up
        self._coming: dict[Secret, asyncio.Future[Person | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def of(self, token: Secret) -> Person | None:
        """Whose token it is; None: nobody's. Raises StoreError."""
        waits = self._coming.get(token)
        if waits is None:
            waits = self._coming[token] = asyncio.get_running_loop().create_future()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(waits)  # who hangs up takes no answer from the others

    async def _run(self) -> None:
        while self._coming:
            asked, self._coming = self._coming, {}
            try:
                found = await self._look_up(asked)
            except Exception as error:  # noqa: BLE001 raised here, nobody who waits would hear of it
                for waits in asked.values():
                    waits.set_exception(error)
                    waits.exception()  # heard, also where all who waited have hung up
                continue
            for token, waits in asked.items():
                waits.set_result(found.get(token))


class _WhileOpen:
    """Sends a long answer as long as the session, or the token, is open."""

    def __init__(self, send: Send, is_open: IsOpen, look_again_s: float) -> None:
        self._send, self._is_open, self._look_again_s = send, is_open, look_again_s
        self._looked_s, self._has_ended = time.monotonic(), False

    async def send(self, message: Message) -> None:
        """Send a message of the app, or end the answer in its place."""
        if self._has_ended:
            return
        if message.get("more_body") and time.monotonic() - self._looked_s >= self._look_again_s:
            self._looked_s = time.monotonic()
            if not await self._is_open():
                self._has_ended = True  # the server tells the app that the client is gone
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)


async def _sent_token(scope: Scope, receive: Receive) -> tuple[str | None, Receive]:
    """The token that a page sent, and what gives the body from its beginning."""
    if (sent := only_header(scope, CSRF_HEADER.lower().encode())) is not None:
        return sent, receive
    kind = (only_header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM:
        return None, receive
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= _LARGEST_FORM:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    body = b"".join(message.get("body", b"") for message in messages)
    return None if more else _field(body), again


def _field(form: bytes) -> str | None:
    """The token's field in a form; None where it is absent or comes several times."""
    try:
        pairs = parse_qsl(form.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    values = [value for name, value in pairs if name == CSRF_FIELD]
    return values[0] if len(values) == 1 else None
