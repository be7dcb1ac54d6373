"""A small RTSP server: a video of its own by RTP within the connection, with a login where that is asked for."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PACKET = 188  # of MPEG-TS
_TOGETHER = 7 * _PACKET
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 33\r\na=control:track1\r\n"
)


class RtspServer:
    """A camera of the network. # RFC 2326, RFC 2250"""

    def __init__(self, transport_stream: Path, login: str | None = None, port: int = 0) -> None:
        """login: `user:password` that is asked for."""
        self._data = transport_stream.read_bytes()
        self._login = login
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.settimeout(0.05)
        self.port: int = self._server.getsockname()[1]
        self.plays = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End all connections."""
        self._over.set()
        self._server.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                connection, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        heard = b""
        with connection, suppress(OSError):
            while not self._over.is_set():
                try:
                    came = connection.recv(65536)
                except TimeoutError:
                    continue
                if not came:
                    return
                heard += came
                while b"\r\n\r\n" in heard:
                    request, _, heard = heard.partition(b"\r\n\r\n")
                    if self._answer(connection, request.decode()):
                        self._play(connection)
                        return

    def _answer(self, connection: socket.socket, request: str) -> bool:
        """Answer a request; whether it was PLAY."""
        first, *lines = request.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        verb, status, body, more = first.split()[0], "200 OK", "", ""
        wanted = None if self._login is None else "Basic " + base64.b64encode(self._login.encode()).decode()
        if verb == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif wanted is not None and headers.get("authorization") != wanted:
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif verb == "DESCRIBE":
            body, more = _SDP, "Content-Type: application/sdp\r\n"
        elif verb == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n"
        elif verb == "PLAY":
            more = "Session: 7\r\n"
        answer = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        connection.sendall(answer.encode())
        return verb == "PLAY" and status == "200 OK"

    def _play(self, connection: socket.socket) -> None:
        """Send the video once, as fast as it is taken, and hang up."""
        self.plays += 1
        connection.settimeout(2)
        for number, start in enumerate(range(0, len(self._data), _TOGETHER)):
            payload = self._data[start : start + _TOGETHER]
            head = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, number * 3000, 7)
            connection.sendall(struct.pack(">BBH", 0x24, 0, len(head) + len(payload)) + head + payload)
            if self._over.is_set():
                return
            time.sleep(0.0005)
        time.sleep(0.05)


@contextmanager
def rtsp_server(transport_stream: Path, login: str | None = None, port: int = 0) -> Iterator[RtspServer]:
    server = RtspServer(transport_stream, login, port)
    try:
        yield server
    finally:
        server.close()
