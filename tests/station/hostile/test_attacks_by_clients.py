"""Clients that are slow, many, silent or ambiguous: the line is served meanwhile, and nobody holds a place for ever."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from PIL import Image

from kenpin.station.clock import now_us
from kenpin.station.store.opening import open_store
from kenpin.station.who.console import console_trail
from kenpin.station.who.machines import revoke_token
from kenpin.station.who.rights import CONSOLE, Role
from tests.station.hostile.attacked import Hostile, is_refused, picture

_QUICK_S = 3.0
"""Within which the line answers, whatever others do."""


def _connected(station: Hostile) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", station.port), timeout=40))


def _raw(station: Hostile, data: bytes) -> bytes:
    """What comes back to these bytes until the connection ends, or nothing more comes."""
    with _connected(station) as connection:
        connection.settimeout(8)
        answer = b""
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                answer += piece
        except OSError:
            pass
        return answer


def _statuses(answer: bytes) -> list[int]:
    return [int(piece[:3]) for piece in answer.split(b"HTTP/1.1 ")[1:]]


def _takes_parts(station: Hostile, id: str) -> None:
    """The line judges a part, soon."""
    began_s = time.monotonic()
    answer = station.send(id, station.pictures[0])
    assert answer.status == 200, answer.text
    assert time.monotonic() - began_s < _QUICK_S


# ---- where a request ends ----


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 3\r\nContent-Length: 40\r\n",
        b"Content-Length: +3\r\n", b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: \x0bchunked\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n", b"X: a\r\n Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: a\0b\r\n", b"Host: evil.example\r\n", b"Content-Length: 10000000000\r\n",
    ],
    ids=lambda head: head.decode("latin-1")[:25].strip(),
)  # fmt: skip
def test_no_request_is_two(head: bytes, unharmed: Hostile) -> None:
    token = unharmed.token.encode()
    own = b"Host: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n" % (unharmed.port, token)
    hidden = b"POST /api/v1/parts?id=hidden HTTP/1.1\r\n" + own + b"Content-Length: 3\r\n\r\nabc"
    start = b"POST /api/v1/parts?id=first HTTP/1.1\r\n" + own + head
    answer = _raw(unharmed, start + b"\r\n0\r\n\r\n" + hidden)
    assert len(_statuses(answer)) == 1
    assert _statuses(answer)[0] in (400, 413, 501)


def test_a_body_of_pieces_without_end_is_cut_off(unharmed: Hostile) -> None:
    start = b"POST /api/v1/parts?id=endless HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % unharmed.port
    with _connected(unharmed) as connection:
        connection.sendall(start + b"Authorization: Bearer %s\r\n" % unharmed.token.encode())
        connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 500 * 1024**2:
                connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except OSError:
            pass
    assert sent < 300 * 1024**2, "what is read behind the answer, and what lies in the buffers between"


def test_a_part_that_breaks_off_is_no_part(unharmed: Hostile) -> None:
    start = b"POST /api/v1/parts?id=half HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % unharmed.port
    start += b"Authorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n" % unharmed.token.encode()
    for _ in range(5):
        with _connected(unharmed) as connection:
            connection.sendall(start + bytes(50_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.2)


# ---- many, and slow ----


def test_connections_that_say_nothing_leave_room(station: Hostile) -> None:
    with ExitStack() as opened:
        for _ in range(700):
            opened.enter_context(_connected(station))
        _takes_parts(station, "beside 700.png")
        is_refused(station.caller().ask("GET", "/api/v1/state"), 401, station=station)


def test_streams_of_events_are_counted_and_leave_room(station: Hostile) -> None:
    head = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n"
    with ExitStack() as opened:
        statuses = []
        for _ in range(70):
            connection = opened.enter_context(_connected(station))
            connection.sendall(head % (station.port, station.token.encode()))
            statuses += _statuses(connection.recv(400))
        assert statuses == [200] * 64 + [429] * 6
        _takes_parts(station, "beside streams.png")
        refused = station.machine().ask("GET", "/api/v1/events")
        is_refused(refused, 429, station=station)
        assert int(refused.headers["retry-after"]) > 0
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        with _connected(station) as connection:
            connection.sendall(head % (station.port, station.token.encode()))
            if _statuses(connection.recv(400)) == [200]:
                return
        _takes_parts(station, f"{time.monotonic()}.png")  # of which the others would be told, who are gone
    pytest.fail("streams that ended are still counted")


def test_whoever_looks_at_pictures_keeps_no_part_waiting(station: Hostile) -> None:
    """A page of large pictures that are no PNG and no JPEG, which are encoded anew for whoever looks."""
    large = picture((560, 560), "BMP")
    assert station.send("large.bmp", large).status == 200
    viewer = station.of(Role.VIEWER)
    key = viewer.ask("GET", "/parts").text.partition('href="/parts/')[2].partition('"')[0]
    statuses: list[int] = []

    def look() -> None:
        caller = station.caller(**viewer.headers)
        statuses.extend(caller.ask("GET", f"/parts/{key}/{what}").status for what in ("picture", "thumbnail") * 2)
        caller.close()

    threads = [threading.Thread(target=look) for _ in range(60)]
    for thread in threads:
        thread.start()
    _takes_parts(station, "beside those who look.png")
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


@pytest.mark.slow
def test_slow_heads_and_bodies_and_readers_end(unharmed: Hostile) -> None:
    """Each of them in time, by the times of the real service."""
    host = b"Host: 127.0.0.1:%d\r\n" % unharmed.port
    with ExitStack() as opened:
        heads, bodies, readers = ([opened.enter_context(_connected(unharmed)) for _ in range(40)] for _ in range(3))
        for connection in heads:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        for connection in bodies:
            connection.sendall(b"POST /sign-in HTTP/1.1\r\n" + host + b"Origin: " + unharmed.origin.encode())
            connection.sendall(b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\n")
        for connection in readers:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /static/vendor/openseadragon.min.js HTTP/1.1\r\n" + host + b"\r\n")
        began_s = time.monotonic()
        while time.monotonic() - began_s < 13:
            for connection in (*heads, *bodies):
                try:
                    connection.sendall(b"x" if connection in bodies else b"X: y\r\n")
                except OSError:
                    continue
            time.sleep(0.5)
        assert [_statuses(connection.recv(400)) for connection in heads] == [[408]] * len(heads)
        assert [_statuses(connection.recv(400)) for connection in bodies] == [[408]] * len(bodies)
        assert unharmed.caller().ask("GET", "/healthz").status == 200


@pytest.mark.slow
def test_a_stream_ends_with_its_token(station: Hostile) -> None:
    token = station.process.add_token("screen", "look")
    head = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n"
    with _connected(station) as connection:
        connection.sendall(head % (station.port, token.encode()))
        assert _statuses(connection.recv(2_000)) == [200]
        with open_store(station.folder, None) as store, console_trail(station.folder) as trail, store.writing() as rows:
            revoke_token(rows, trail, CONSOLE, "screen", now_us())
        began_s = time.monotonic()
        told = b""
        while not told.endswith(b"0\r\n\r\n"):  # as the last of its pieces does
            told += connection.recv(2_000)
            assert time.monotonic() - began_s < 39


# ---- parts that are no pictures ----


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    whole = picture()
    return whole[:33] + _chunk(kind, data) + whole[33:]


def _frames() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("P", (300, 300), number) for number in range(200)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


_BOMBS: dict[str, Callable[[], bytes]] = {
    "huge header": lambda: picture()[:16] + (60_000).to_bytes(4, "big") * 2 + picture()[24:],
    "text that grows": lambda: _with_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(300_000_000), 9)),
    "profile that grows": lambda: _with_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(300_000_000), 9)),
    "negative size": lambda: picture()[:16] + b"\xff" * 8 + picture()[24:],
    "frames": _frames,
    "nothing": lambda: b"",
    "noise": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 200,
    "page": lambda: b"<html><script>alert(1)</script></html>",
    "drawing": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "archive": lambda: b"PK\x03\x04" + bytes(1000),
    "cut": lambda: picture((200, 200))[:-500],
    "tiff of itself": lambda: b"II*\0\x08\0\0\0\x01\0\x00\x01\x03\0\xff\xff\xff\xff\x08\0\0\0\x08\0\0\0",
}


@pytest.mark.parametrize("what", _BOMBS)
def test_a_part_that_is_no_picture_is_for_a_person_and_harms_nothing(what: str, station: Hostile) -> None:
    before = {path for path in station.folder.path.parent.rglob("*") if "station" not in path.parts[-2:]}
    answer = station.send(f"bomb {what}", _BOMBS[what]())
    if answer.status == 413:
        is_refused(answer, 413, station=station)
        return
    assert answer.status == 200, answer.text
    assert answer.json["verdict"] in ("REVIEW", "PASS", "FAIL")
    assert (answer.json["size_wh"] is None) == (answer.json["verdict"] == "REVIEW")
    assert str(station.folder.path.parent) not in answer.text
    _takes_parts(station, f"after {what}.png")
    after = {path for path in Path(station.folder.path.parent).rglob("*") if "station" not in path.parts[-2:]}
    assert {path for path in after - before if station.folder.path not in path.parents} == set()
