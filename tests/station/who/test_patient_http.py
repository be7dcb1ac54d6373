"""Connections to a real server, byte by byte: slow clients, and requests that a proxy may take for two."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from kenpin.station.who.bodies import Bodies, BodyPace
from kenpin.station.who.headers import SecurityHeaders
from kenpin.station.who.origins import Hosts, Origins
from kenpin.station.who.patient_http import PatientHttp

HEAD_S = READING_S = REST_S = 0.4
HOST = b"Host: localhost\r\n"
OWN = HOST + b"Origin: http://localhost\r\n"
LARGE = 8 * 1024**2


class QuickHttp(PatientHttp):
    """With times that a test can wait for."""

    head_s = HEAD_S
    reading_s = READING_S
    rest_s = REST_S
    rest_bytes = LARGE


@dataclass
class Reached:
    """An application that notes what reaches it."""

    requests: list[tuple[str, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/refused":  # without a look at the body
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.requests.append((f"{scope['method']} {scope['path']}", body))
        answer = b"x" * LARGE if scope["path"] == "/large" else b"ok"
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@dataclass
class Served:
    """A server that runs, and what reached its application."""

    port: int
    reached: Reached
    server: uvicorn.Server

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    reached = Reached()
    guarded = SecurityHeaders(
        Origins(Bodies(reached, lambda _: 1_000_000, BodyPace(0.4, 10_000.0)), Hosts.of("127.0.0.1", ()))
    )
    config = uvicorn.Config(
        guarded,
        port=0,
        http=QuickHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Served(server.servers[0].sockets[0].getsockname()[1], reached, server)
    server.should_exit = True
    thread.join(10)


@pytest.fixture(autouse=True)
def _clean(served: Served) -> None:
    served.reached.requests.clear()


def _connected(served: Served) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", served.port), timeout=5))


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def _sent(served: Served, data: bytes) -> bytes:
    """What comes back to these bytes until the connection ends."""
    with _connected(served) as connection:
        connection.sendall(data)
        return _rest(connection)


def _statuses(answer: bytes) -> list[int]:
    return [int(piece[:3]) for piece in answer.split(b"HTTP/1.1 ")[1:]]


# ---- where a request ends ----


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n",
        b"Content-Length: 3\r\nContent-Length: 40\r\n",
        b"Content-Length: 3, 40\r\n",
        b"Content-Length: -3\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 0x3\r\n",
        b"Content-Length: 3_0\r\n",
        b"Content-Length: 99999999999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"X: a\r\n Transfer-Encoding: chunked\r\n",
        b"X: a\r\n\tTransfer-Encoding: chunked\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n",
        b"X: a\n",
        b"Transfer-Encoding\r\n",
        b"Content-Length : 3\r\n",
        b"Content\rLength: 3\r\n",
        b"X: a\0b\r\n",
    ],
)
def test_a_request_that_a_proxy_may_take_for_two_is_refused_and_none_follows(served: Served, head: bytes) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = _sent(served, b"POST /first HTTP/1.1\r\n" + OWN + head + b"\r\n0\r\n\r\n" + hidden)
    assert len(_statuses(answer)) == 1
    assert _statuses(answer)[0] in (400, 501)
    assert not served.reached.requests


@pytest.mark.parametrize(
    "start",
    [
        b"POST / HTTP/1.1\r\n",  # no host
        b"POST / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n",
        b"POST / HTTP/1.1\r\nHost: evil.example\r\n",
        b"POST http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n",
        b"POST /\r\n" + HOST,
        b"POST / HTTP/9.9\r\n" + HOST,
        b"POST / HTTP/0.9\r\n" + HOST,
        b"PO ST / HTTP/1.1\r\n" + HOST,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_request_to_this_host_is_refused(served: Served, start: bytes) -> None:
    answer = _sent(served, start + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert _statuses(answer)[0] in (400, 421)
    assert len(_statuses(answer)) == 1
    assert not served.reached.requests


@pytest.mark.parametrize("size", [b"-1", b"0x3", b"zz", b" 3", b"3_0", b"f" * 40])
def test_a_chunk_says_how_long_it_is(served: Served, size: bytes) -> None:
    head = b"POST / HTTP/1.1\r\n" + OWN + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = _sent(served, head + size + b"\r\nabc\r\n0\r\n\r\n")
    assert 200 not in _statuses(answer)
    assert not served.reached.requests


def test_a_head_without_end_is_cut_off(served: Served) -> None:
    with _connected(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST)
        sent = 0
        try:
            while sent < 10 * 1024**2:
                connection.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")
                sent += 1012
        except OSError:
            pass
        assert sent < 5 * 1024**2
        assert _statuses(_rest(connection)) in ([400], [])
    assert not served.reached.requests


def test_good_requests_follow_one_another(served: Served) -> None:
    chunked = b"POST /a HTTP/1.1\r\n" + OWN + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    sized = b"POST /b HTTP/1.1\r\n" + OWN + b"Content-Length: 3\r\n\r\nabc"
    last = b"GET /c HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert _statuses(_sent(served, chunked + sized + last)) == [200, 200, 200]
    assert served.reached.requests == [("POST /a", b"abcde"), ("POST /b", b"abc"), ("GET /c", b"")]


# ---- bodies ----


def test_a_body_that_says_to_be_10_gigabytes_is_refused_at_once(served: Served) -> None:
    head = b"POST / HTTP/1.1\r\n" + OWN + b"Content-Length: 10000000000\r\nExpect: 100-continue\r\n\r\n"
    began_s = time.monotonic()
    assert _statuses(_sent(served, head)) == [413]
    assert time.monotonic() - began_s < HEAD_S
    assert not served.reached.requests


def test_a_body_that_does_not_say_so_is_cut_off(served: Served) -> None:
    with _connected(served) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + OWN + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 100 * 1024**2:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        except OSError:
            pass
        assert sent < 50 * 1024**2, "a million bytes, and what lies in the buffers between"
    assert not served.reached.requests


# ---- slow clients ----


def _ends_within(connection: socket.socket, least_s: float, most_s: float) -> bytes:
    began_s = time.monotonic()
    answer = _rest(connection)
    assert least_s <= time.monotonic() - began_s <= most_s
    return answer


def test_who_says_nothing_is_asked_to_go(served: Served) -> None:
    with _connected(served) as connection:
        assert _statuses(_ends_within(connection, HEAD_S / 2, 5 * HEAD_S)) == [408]


@pytest.mark.parametrize("before", [0, 2], ids=["first", "third"])
def test_a_head_that_drips_is_refused(served: Served, before: int) -> None:
    """Slowloris: a header at a time, each in time; also behind requests that were answered."""
    with _connected(served) as connection:
        connection.sendall((b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * before)
        answered = b""
        while answered.count(b"ok") < before:
            answered += connection.recv(65536)
        began_s = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\n")
        try:
            while time.monotonic() - began_s < 5:
                connection.sendall(b"X: y\r\n")
                time.sleep(HEAD_S / 8)
        except OSError:
            pass
        assert time.monotonic() - began_s < 5 * HEAD_S
    assert len(served.reached.requests) == before


def test_a_body_that_drips_is_refused(served: Served) -> None:
    with _connected(served) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + OWN + b"Content-Length: 1000\r\n\r\n")
        connection.settimeout(0.01)
        began_s, answer = time.monotonic(), b""
        while time.monotonic() - began_s < 5 and b"408" not in answer:
            try:
                connection.sendall(b"x")
                answer += connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
        assert _statuses(answer) == [408]
        assert time.monotonic() - began_s < 3
    assert not served.reached.requests


def test_a_body_that_nobody_wants_holds_no_connection(served: Served) -> None:
    with _connected(served) as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\n" + OWN + b"Content-Length: 1000\r\n\r\n")
        assert b"403" in connection.recv(65536)
        began_s = time.monotonic()
        try:
            while time.monotonic() - began_s < 5:
                connection.sendall(b"x")
                time.sleep(REST_S / 8)
        except OSError:
            pass
        assert time.monotonic() - began_s < 5 * REST_S


def test_who_does_not_read_what_they_asked_for_is_left(served: Served) -> None:
    before = served.connections
    with _connected(served) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.recv(1000)
        assert served.connections == before + 1
        began_s = time.monotonic()
        while served.connections > before and time.monotonic() - began_s < 5:
            time.sleep(0.02)
        assert served.connections == before


def test_who_reads_slowly_but_reads_has_all(served: Served) -> None:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)  # else all of it lies there at once
        connection.settimeout(5)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        read, began_s = 0, time.monotonic()
        while piece := connection.recv(LARGE // 64):
            read += len(piece)
            time.sleep(0.05 if time.monotonic() - began_s < 3 * READING_S else 0)
        assert read > LARGE
        assert time.monotonic() - began_s > 3 * READING_S


def test_a_slow_client_keeps_nobody_else_waiting(served: Served) -> None:
    slow = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    began_s = time.monotonic()
    assert _statuses(_sent(served, b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")) == [200]
    assert time.monotonic() - began_s < HEAD_S
    for connection in slow:
        assert _statuses(_rest(connection)) == [408]
        connection.close()


def test_a_request_that_takes_the_station_long_is_not_a_slow_client() -> None:
    """The time for a head ends with the head."""

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(2 * HEAD_S)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    config = uvicorn.Config(slow, port=0, http=QuickHttp, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        answer = _rest(connection)
    server.should_exit = True
    thread.join(10)
    assert _statuses(answer) == [200]
    assert b"late" in answer


def test_connections_that_ask_nothing_make_room_for_one_that_asks() -> None:
    """The one that has been idle longest ends; one on which something is asked stays."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(3 * HEAD_S)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    class Slower(PatientHttp):
        head_s = 10.0

    most = 32
    config = uvicorn.Config(
        app, port=0, http=Slower, ws="none", lifespan="off", log_config=None, limit_concurrency=most
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    opened = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(most // 2)]
    opened[0].sendall(b"GET /slow HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    opened[1].sendall(b"GET / HTTP/1.1\r\n")  # never ends
    time.sleep(0.1)
    opened += [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2 * most)]
    for connection in (opened[-1], opened[-2]):
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert _statuses(_rest(connection)) == [200]
    assert _statuses(_rest(opened[0])) == [200]
    assert _rest(opened[1]) == b""
    for connection in opened:
        connection.close()
    server.should_exit = True
    thread.join(10)
