"""The webhook, against a real server that is slow, dead for a while, refuses, redirects or lies."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kenpin.errors import OptionError
from kenpin.station.sinks.contract import MessageRefusedError, SinkAwayError
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.sinks.kinds import webhook
from kenpin.station.sinks.kinds.webhook import SIGNATURE, Webhook, WebhookOptions, signature
from kenpin.station.sinks.message import key_of, message_of
from kenpin.station.store.sink_tables import SinkMarks
from tests.station.sinks.certificates import made_certificates
from tests.station.sinks.told_events import QUICK, MemoryEvents, file_store, place, told, until


@dataclass
class Receiver:
    """A server, and what it got. `answers`: called for each request, writes the answer."""

    answers: Callable[[BaseHTTPRequestHandler], None] = lambda handler: answer(handler, 204)
    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/parts?line=1"


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            receiver.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.bodies.append(body)
            receiver.got.append(json.loads(body))
            receiver.headers.append(dict(self.headers) | {"path": self.path})
            receiver.answers(self)

        def do_GET(self) -> None:
            raise AssertionError("nothing asks")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the client has hung up, which some tests want

    server = Server(("127.0.0.1", receiver.port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(0.01))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as one:
        yield one


def opened(url: str, folder: Path = Path(), **options: Any) -> Webhook:
    return webhook.open(WebhookOptions(url=url, **options), place(folder))


def test_it_posts_the_message_with_key_and_signature_on_one_connection(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "token").write_text("t0ken")
    options: dict[str, Any] = {"secret_file": Path("secret"), "token_file": Path("token"), "headers": {"X-Line": "7"}}
    events = [told(1, "不良"), told(2, None, "switched")]
    with closing(opened(receiver.url, tmp_path, **options)) as sink:
        for one in events:
            sink.send(one)
    assert receiver.got == [message_of(one, "node-1") for one in events]
    assert receiver.connections == 1
    for one, headers, body in zip(events, receiver.headers, receiver.bodies, strict=True):
        assert headers["Idempotency-Key"] == key_of(one)
        assert headers["Content-Type"] == "application/json"
        assert (headers["Authorization"], headers["X-Line"]) == ("Bearer t0ken", "7")
        assert headers["path"] == "/parts?line=1"
        # as a receiver checks it, by its own reading of the header
        at, digest = (piece.split("=")[1] for piece in headers[SIGNATURE].split(","))
        assert abs(int(at) - time.time()) < 60
        assert hmac.compare_digest(digest, hmac.digest(b"s3cret", f"{at}.".encode() + body, hashlib.sha256).hex())


def test_another_secret_body_or_time_is_another_signature() -> None:
    assert len({signature(*one) for one in [(b"a", b"x", 1), (b"b", b"x", 1), (b"a", b"y", 1), (b"a", b"x", 2)]}) == 4


def test_the_secret_may_be_a_variable_and_a_missing_one_is_told(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MES_SECRET", "from-there")
    with closing(opened(receiver.url, secret_variable="MES_SECRET")) as sink:
        sink.send(told(1))
    at = receiver.headers[0][SIGNATURE].partition(",")[0][2:]
    assert receiver.headers[0][SIGNATURE] == signature(b"from-there", receiver.bodies[0], int(at))
    for options, sentence in [
        ({"secret_variable": "NOT_SET"}, "the variable NOT_SET: the secret of the webhook is empty or missing"),
        ({"secret_file": Path("none")}, "the secret of the webhook cannot be read (No such file or directory)"),
        ({"secret_file": Path("none"), "secret_variable": "MES_SECRET"}, "is named twice"),
    ]:
        with pytest.raises(OptionError, match=r".") as refused:
            opened(receiver.url, tmp_path, **options)  # type: ignore[arg-type]
        assert sentence in str(refused.value)
        assert "from-there" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422, 451])
def test_what_is_refused_for_what_it_is_says_why(receiver: Receiver, status: int) -> None:
    receiver.answers = lambda handler: answer(handler, status, b'{"detail":\n "no such \x1b[31mlot"}')
    with closing(opened(receiver.url)) as sink:
        with pytest.raises(
            MessageRefusedError, match=rf'/parts: answers {status} \(\{{"detail": "no such \[31mlot"\}}\)'
        ):
            sink.send(told(1))
        receiver.answers = lambda handler: answer(handler, 200)
        sink.send(told(2))
    assert receiver.connections == 1


@pytest.mark.parametrize("status", [401, 403, 404, 407, 408, 410, 425, 429, 500, 502, 503])
def test_what_is_not_about_the_message_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answers = lambda handler: answer(handler, status)
    with closing(opened(receiver.url)) as sink, pytest.raises(SinkAwayError, match=f"answers {status}"):
        sink.send(told(1))


@pytest.mark.parametrize(
    ("header", "lowest_s", "highest_s"),
    [
        ("7", 7, 7),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1e8, 1e10),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0, 0),
        ("soon", 0, 0),
    ],
)
def test_it_waits_as_long_as_the_receiver_asks(
    receiver: Receiver, header: str, lowest_s: float, highest_s: float
) -> None:
    receiver.answers = lambda handler: answer(handler, 503, Retry_After=header)
    with closing(opened(receiver.url)) as sink, pytest.raises(SinkAwayError) as away:
        sink.send(told(1))
    assert lowest_s <= away.value.retry_after_s <= highest_s


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with serving(Receiver()) as inner:
        receiver.answers = lambda handler: answer(handler, status, Location=inner.url)
        with closing(opened(receiver.url)) as sink, pytest.raises(SinkAwayError, match="no redirect is followed"):
            sink.send(told(1))
        assert inner.got == []


def _drip_headers(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(200):
        handler.wfile.write(b"H")
        time.sleep(0.02)


def _drip_body(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("slow", [lambda handler: time.sleep(0.6), _drip_headers, _drip_body])
def test_who_is_slow_in_any_way_is_late(receiver: Receiver, slow: Callable[[BaseHTTPRequestHandler], None]) -> None:
    receiver.answers = slow
    began_s = time.monotonic()
    with closing(opened(receiver.url, timeout_s=0.2)) as sink:
        with pytest.raises(SinkAwayError, match=r"does not answer within 0.2 s"):
            sink.send(told(1))
        assert time.monotonic() - began_s < 0.5
        receiver.answers = lambda handler: answer(handler, 200)
        sink.send(told(2))


def test_an_endless_answer_is_cut_off(receiver: Receiver) -> None:
    receiver.answers = lambda handler: answer(handler, 200, b"x" * 1_000_000)
    with closing(opened(receiver.url)) as sink:
        sink.send(told(1))
        sink.send(told(2))
    assert receiver.connections == 2


def test_a_connection_that_was_closed_while_idle_is_opened_again(receiver: Receiver) -> None:
    def closes_after(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 200)  # without a word that it will close
        handler.close_connection = True

    receiver.answers = closes_after
    with closing(opened(receiver.url)) as sink:
        for position in (1, 2, 3):
            sink.send(told(position))
            time.sleep(0.02)
    assert [one["position"] for one in receiver.got] == [1, 2, 3]


def test_one_that_is_not_there_is_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    sink = opened(f"http://127.0.0.1:{port}/x?token=abc")
    with pytest.raises(SinkAwayError, match=r"/x: cannot be reached \(Connection refused\)") as away:
        sink.send(told(1))
    assert "abc" not in str(away.value)  # what stands behind the question mark is often a secret


def test_one_that_speaks_no_http_is_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def chatter() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 smtp ready\r\n")

        thread = threading.Thread(target=chatter)
        thread.start()
        sink = opened(f"http://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(SinkAwayError, match="cannot be reached"):
            sink.send(told(1))
        thread.join()


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    files = made_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.server)
    with serving(Receiver(), tls) as receiver:
        url = f"https://127.0.0.1:{receiver.port}/"
        with closing(opened(url)) as sink, pytest.raises(SinkAwayError, match=r"not trusted.*`ca_file`"):
            sink.send(told(1))
        with closing(opened(url, tmp_path, ca_file=Path("ca.pem"))) as sink:
            sink.send(told(1))
        assert len(receiver.got) == 1
    (tmp_path / "bad.pem").write_text("no certificate")
    for name, why in (("none.pem", "No such file"), ("bad.pem", "it is not PEM")):
        with pytest.raises(OptionError, match=why):
            opened(url, tmp_path, ca_file=Path(name))


def test_five_hundred_events_reach_a_server_that_fails_and_is_away_for_a_while(tmp_path: Path) -> None:
    engine, events, count = file_store(tmp_path), MemoryEvents(), 0

    def fails_at_times(handler: BaseHTTPRequestHandler) -> None:
        nonlocal count
        count += 1
        if count % 50 == 7:
            answer(handler, 500)
        elif count % 50 == 8:
            handler.close_connection = True  # without an answer: whether it was taken, nobody knows
        else:
            answer(handler, 200)

    receiver = Receiver(fails_at_times)
    with serving(receiver):
        options = WebhookOptions(url=receiver.url, timeout_s=1, **(QUICK | {"first_wait_s": 0.002}))
        marks = SinkMarks(engine, "mes", "node-1")
        delivery = Delivery("webhook", webhook, options, place(), events, marks)  # type: ignore[arg-type]
        delivery.start()
        for position in range(1, 301):
            events.add(told(position, f"part-{position % 40}"))
        delivery.wake()
        until(lambda: len(receiver.got) > 100)
    for position in range(301, 501):  # while it is away
        events.add(told(position, f"part-{position % 40}"))
    until(lambda: delivery.state.standing == "away")
    with serving(receiver):
        until(lambda: delivery.state.waiting == 0)
        delivery.close()
    engine.dispose()
    assert {one["position"] for one in receiver.got} == set(range(1, 501))
    last: dict[str, int] = {}
    for one in receiver.got:
        assert one["position"] >= last.get(one["id"], 0)
        last[one["id"]] = one["position"]
