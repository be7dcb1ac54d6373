"""uvicorn's HTTP connections: no client holds them by being slow or many, and headers can be read in one way."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any, ClassVar

import h11
from h11 import NEED_DATA, PAUSED, Event
from uvicorn.protocols.http.h11_impl import H11Protocol

from kenpin.station.who.asgi import REST_BYTES

_SYSTEM_BYTES = 128 * 1024
_KEPT_FREE = 8
"""One of so many connections is kept for whoever comes next."""
_ODD_LINE = re.compile(rb"(?<!\r)\n|\n[ \t]")


class OneWay(h11.Connection):
    """h11's connection, refusing two forms that it takes and that a proxy may read otherwise: a header that goes on in
    the next line, and a line that ends with LF alone (RFC 9112, 2.2 and 5.2)."""

    def next_event(self) -> Event | type[NEED_DATA] | type[PAUSED]:
        """The next event. Raises RemoteProtocolError."""
        if self.their_state is h11.IDLE:
            head, _, _ = self.trailing_data[0].partition(b"\r\n\r\n")
            if _ODD_LINE.search(head):
                raise h11.RemoteProtocolError("a header line does not end with CRLF, or goes on in the next one")
        return super().next_event()


class PatientHttp(H11Protocol):
    """uvicorn's protocol on h11, which has a time-out for a connection kept alive and for nothing else.

    To be given as `http` to `uvicorn.Config`. How slowly a body may come, `Bodies` sees to.
    """

    head_s: ClassVar[float] = 10.0
    """Time from the first byte of a request, or from the connection, to the end of its headers."""
    reading_s: ClassVar[float] = 30.0
    """How often it is looked whether the client reads what was sent."""
    reading_bytes: ClassVar[int] = 64 * 1024
    """What it must have read in this time, where there is so much."""
    rest_s: ClassVar[float] = 5.0
    """Time for the rest of a body that nobody reads, behind an answer."""
    rest_bytes: ClassVar[int] = REST_BYTES

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        most = self.config.h11_max_incomplete_event_size
        self.conn = OneWay(h11.SERVER) if most is None else OneWay(h11.SERVER, most)
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._rest_timer: asyncio.TimerHandle | None = None
        self._rest_bytes = 0
        self._idle_since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head; where nearly as many are open as may, the one that has been idle longest ends."""
        self._make_room()
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # else a little that nobody reads is waited for without end
        # the system would take megabytes for each, in which it is not seen whether anybody reads
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BYTES)
        self._idle_since_s = self.loop.time()
        self._mind_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for timer in (self._head_timer, self._reading_timer, self._rest_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take up what has come; of a body that nobody reads only so much."""
        if self._rest_timer is not None:
            self._rest_bytes += len(data)
            if self._rest_bytes > self.rest_bytes:
                self.transport.abort()
                return
        super().data_received(data)

    def handle_events(self) -> None:
        """Take up what has come; there may be a whole head among it, or the beginning of one."""
        super().handle_events()
        self._mind_head()

    def pause_writing(self) -> None:
        """The other end has not read all; it is looked at from time to time."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """The other end has read all."""
        super().resume_writing()
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def on_response_complete(self) -> None:
        """Answer the next request, but not behind a body that never ends."""
        if self.conn.their_state is h11.SEND_BODY and self._rest_timer is None:
            self._rest_timer, self._rest_bytes = self.loop.call_later(self.rest_s, self.transport.abort), 0
        self._idle_since_s = self.loop.time()
        super().on_response_complete()

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is asked on it at this moment: also where a head is not complete."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered and self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _make_room(self) -> None:
        most = self.limit_concurrency
        if most is None or len(self.connections) < most - max(most // _KEPT_FREE, 1):
            return
        idle = [one for one in self.connections if isinstance(one, PatientHttp) and one._is_idle]
        if idle:
            min(idle, key=lambda one: one._idle_since_s).transport.abort()

    def _look_later(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._reading_timer = self.loop.call_later(self.reading_s, self._look_whether_it_reads, unread)

    def _look_whether_it_reads(self, unread: int) -> None:
        if self.transport.get_write_buffer_size() > max(unread - self.reading_bytes, 0):
            self.transport.abort()
        else:
            self._look_later()

    def _mind_head(self) -> None:
        idle = self.conn.their_state is h11.IDLE
        # a connection that is kept alive has uvicorn's time-out until the first byte
        waits = idle and (self.cycle is None or bool(self.conn.trailing_data[0]))
        if waits and self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s, self._head_is_late)
        elif not waits and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if idle and self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        answer = h11.Response(status_code=408, headers=[("connection", "close"), ("content-length", "0")])
        self.transport.write(self.conn.send(answer) or b"")
        self.transport.write(self.conn.send(h11.EndOfMessage()) or b"")
        self.transport.close()
