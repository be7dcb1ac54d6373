"""A station's load: clients that send each part until it is answered, a person who reviews, and a sink that notes."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kenpin.data.picture_files import hash_of
from tests.station.station_process import Caller, free_port

BROKEN = (OSError, HTTPException)
_AGAIN_S = 0.05
_SENT_AGAIN = 0.05  # share of parts that are sent once more though they were answered
_LATER = frozenset({429, 503, 507})
_REVIEWS_S = 0.05

Part = tuple[str, str]
"""Id and hash of the picture's content."""


@dataclass(eq=False)
class Client(threading.Thread):
    """Sends parts one after the other, each until it is answered, and some of them again."""

    called: str
    port: int
    token: str
    pictures: Sequence[bytes]
    content: Callable[[bytes, str], bytes] = lambda data, id: data
    """Gives a picture's file a content of its own, by the part's id."""
    answered: dict[Part, str] = field(default_factory=dict)
    """When each answered part was judged."""
    seconds: list[float] = field(default_factory=list)
    """From the last sending to the answer of each part."""
    broken: int = 0
    """Sendings that broke off."""
    later: int = 0
    """Sendings that were answered: later."""
    again: int = 0
    """Parts that were sent though they were answered."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(name=self.called, daemon=True)
        self.halt = threading.Event()

    def run(self) -> None:
        chance = random.Random(self.called)
        caller = Caller(self.port, {"Authorization": f"Bearer {self.token}"})
        sent: list[tuple[str, int]] = []
        while not self.halt.is_set():
            sent.append((f"{self.called}-{len(sent)}.png", chance.randrange(len(self.pictures))))
            self._send(caller, *sent[-1])
            if chance.random() < _SENT_AGAIN:
                self.again += 1
                self._send(caller, *chance.choice(sent))
        caller.close()

    def asked(self, id: str, picture: int) -> tuple[Part, str, bytes, str]:
        """The part, and address, body and kind of the request that hands it in."""
        data = self.content(self.pictures[picture], id)
        return (id, hash_of(data)), "/api/v1/parts", data, "application/octet-stream"

    def _send(self, caller: Caller, id: str, picture: int) -> None:
        part, path, body, kind = self.asked(id, picture)
        while True:
            began_s = time.perf_counter()
            try:
                answer = caller.ask("POST", path, body, {"Content-Type": kind}, {"id": id, "lot": "L-1"})
            except BROKEN:
                self.broken += 1
                time.sleep(_AGAIN_S)
                continue
            if answer.status in _LATER:
                self.later += 1
                if answer.status == 429 and not int(answer.headers.get("retry-after", "0")):
                    self.faults.append(f"{id}: 429 without a time")
                time.sleep(_AGAIN_S)
                continue
            self.seconds.append(time.perf_counter() - began_s)
            if answer.status != 200:
                self.faults.append(f"{id}: {answer.status} {answer.text:.200}")
                return
            record = answer.json
            if (record["id"], record["picture_hash"]) != part:
                self.faults.append(f"{id}: the answer is about {record['id']}")
            if self.answered.setdefault(part, record["judged_at"]) != record["judged_at"]:
                self.faults.append(f"{id}: was judged twice")
            return


@dataclass(eq=False)
class ViewsClient(Client):
    """Sends parts by two pictures each, in any order."""

    views: tuple[str, str] = ("side", "top")

    def asked(self, id: str, picture: int) -> tuple[Part, str, bytes, str]:
        files = {name: self.pictures[(picture + number) % len(self.pictures)] for number, name in enumerate(self.views)}
        hashes = json.dumps([(name, hash_of(files[name])) for name in sorted(files)], ensure_ascii=False)
        shuffled = [*files.items()] if picture % 2 else [*files.items()][::-1]
        body = b"".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'.encode() + data + b"\r\n"
            for name, data in shuffled
        )
        kind = "multipart/form-data; boundary=x"
        return (id, hash_of(hashes.encode())), "/api/v1/parts/views", body + b"--x--\r\n", kind


@dataclass(eq=False)
class Reviewer(threading.Thread):
    """A person who says of each part what it is."""

    called: str
    port: int
    said: dict[str, str] = field(default_factory=dict)
    """What was answered, by the keys of parts."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(name=self.called, daemon=True)
        self.halt = threading.Event()

    def run(self) -> None:
        caller = Caller(self.port)
        while not self.halt.wait(_REVIEWS_S):
            with suppress(*BROKEN):
                if "Cookie" not in caller.headers and caller.sign_in(self.called).status != 303:
                    continue
                self._review(caller)
        caller.close()

    def _review(self, caller: Caller) -> None:
        page = caller.ask("GET", "/review")
        if page.status == 303:  # to sign in: the session has ended
            del caller.headers["Cookie"]
            return
        found = re.search(r'data-review="([0-9a-f]{32})"', page.text)
        if page.status == 200 and found is not None:
            say = "pass" if int(found[1][0], 16) % 2 else "fail"
            answer = caller.post(f"/review/{found[1]}", say=say)
            if answer.status == 303:
                self.said[found[1]] = say
            elif answer.status == 401:
                del caller.headers["Cookie"]
            elif answer.status not in _LATER:
                self.faults.append(f"review: {answer.status} {answer.text:.200}")
        elif page.status not in (200, *_LATER):
            self.faults.append(f"review: {page.status} {page.text:.200}")


@dataclass
class Receiver:
    """A webhook's server: all that it was told, in its order. It can be switched off."""

    port: int = field(default_factory=free_port)
    told: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self._noting = threading.Lock()

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver._server is None:  # switched off, and this connection was kept alive
                    self.close_connection = True
                    return
                with receiver._noting:
                    receiver.told.append(json.loads(body))
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass  # the station was killed

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def parts(self) -> set[Part]:
        """The parts that it was told were judged."""
        with self._noting:
            return {(str(one["id"]), str(one["content"])) for one in self.told if one["kind"] == "judged"}
