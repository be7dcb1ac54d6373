"""A stand-in for Roboflow on this machine: servers that answer as told, and an export for them to send."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.builders import picture_bytes

KEY = "rf-Secret0123456789"
REFERENCE = "roboflow:acme/boards/3"
LINK_SECRET = "of-the-link"


@dataclass
class Answer:
    """What the server sends to one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """The length that is stated: the body's own where it is None, none at all where it is negative."""
    wait_seconds: float = 0.0
    """Before anything is sent."""
    hold_seconds: float = 0.0
    """After everything is sent, before the connection is closed."""


@dataclass
class Server:
    """A server that gives its answers in order, the last one for ever, and remembers path and headers of requests."""

    answers: list[Answer]
    url: str = ""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Send the next answer."""
        self.seen.append((handler.path, dict(handler.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        time.sleep(answer.wait_seconds)
        # a careless server repeats what it was sent
        body = answer.body.replace(b"{key}", handler.headers.get("Authorization", "").encode())
        length = len(body) if answer.length is None else answer.length
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if length >= 0:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()
        time.sleep(answer.hold_seconds)


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """A running server."""
    server = Server(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # the client had enough
                server.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        server.url = f"http://127.0.0.1:{running.server_port}"
        try:
            yield server
        finally:
            running.shutdown()
            thread.join()


def as_json(content: object, status: int = 200) -> Answer:
    return Answer(json.dumps(content).encode(), status)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def coco(*names: str, category: int = 1) -> bytes:
    """Roboflow's form: ids from 0, and a category 0 that stands for the project."""
    boxes = [{"id": i, "image_id": i, "category_id": category, "bbox": [4, 5, 8, 14]} for i, _ in enumerate(names)]
    content = {
        "images": [{"id": i, "file_name": name, "width": 32, "height": 20} for i, name in enumerate(names)],
        "annotations": boxes,
        "categories": [
            {"id": 0, "name": "boards", "supercategory": "none"},
            {"id": 1, "name": "void", "supercategory": "boards"},
        ],
    }
    return json.dumps(content).encode()


EXPORT = {
    "README.roboflow.txt": b"boards",
    "train/_annotations.coco.json": coco("a.png", "b.png"),
    "train/a.png": picture_bytes(1),
    "train/b.png": picture_bytes(2),
    "valid/_annotations.coco.json": coco("c.png"),
    "valid/c.png": picture_bytes(3),
}
