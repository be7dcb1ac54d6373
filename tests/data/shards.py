"""Shards made for tests, and a store of objects on loopback that answers as S3 does."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as parquet

from kenpin.data.dataset import Dataset
from kenpin.data.picture_files import read_bytes_once


def write_tars(dataset: Dataset, folder: Path, each: int) -> None:
    """Pictures with their labels and groups as WebDataset shards."""
    folder.mkdir(parents=True)
    for start in range(0, len(dataset), each):
        with tarfile.open(folder / f"{start:05d}.tar", "w") as archive:
            for number, example in enumerate(dataset.select(range(start, min(start + each, len(dataset)))), start):
                said = {"label": example.label, "split": example.split, "id": example.id, "side": "left"}
                for ending, content in (
                    ("png", read_bytes_once(example.image).data),
                    ("json", json.dumps(said).encode()),
                ):
                    info = tarfile.TarInfo(f"part {number}.{ending}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))


def write_parquets(dataset: Dataset, folder: Path, each: int, rows: int = 5) -> None:
    """The same as Parquet shards, in row groups of some rows."""
    folder.mkdir(parents=True)
    for start in range(0, len(dataset), each):
        some = list(dataset.select(range(start, min(start + each, len(dataset)))))
        table = pa.table(
            {
                "image": [{"bytes": read_bytes_once(one.image).data, "path": f"{n}.png"} for n, one in enumerate(some)],
                "label": [one.label for one in some],
                "split": pa.array([one.split for one in some], pa.string()),
                "id": [one.id for one in some],
                "side": ["left"] * len(some),
            }
        )
        parquet.write_table(table, folder / f"{start:05d}.parquet", row_group_size=rows)


@contextmanager
def object_store(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A store whose buckets are the folders in a folder; its address behind `?` for an s3:// one, and what was asked of
    it: path, and range of bytes."""
    asked: list[tuple[str, str]] = []

    class Store(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            parts = urlsplit(self.path)
            question = parse_qs(parts.query)
            file = folder / unquote(parts.path).strip("/")
            if "list-type" in question:
                self._send(200, _listing(file, question), {"Content-Type": "application/xml"})
            elif not file.is_file():
                self._send(404, b"", {})
            else:
                wanted = self.headers.get("Range", "")
                if body:
                    asked.append((parts.path, wanted))
                content, status = file.read_bytes(), 200
                headers = {"Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT", "ETag": '"1"'}
                if wanted:
                    first, _, last = wanted.removeprefix("bytes=").partition("-")
                    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                    content, status = content[int(first) : int(last) + 1], 206
                self._send(status, content, headers, body=body)

        def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool = True) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=eu", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listing(bucket: Path, question: dict[str, list[str]]) -> bytes:
    prefix, by_folder = question.get("prefix", [""])[0], question.get("delimiter", [""])[0]
    keys = sorted(file.relative_to(bucket).as_posix() for file in bucket.rglob("*") if file.is_file())
    found = [key for key in keys if key.startswith(prefix)]
    folders = sorted({f"{key[: key.index('/', len(prefix)) + 1]}" for key in found if "/" in key[len(prefix) :]})
    if by_folder:
        found = [key for key in found if "/" not in key[len(prefix) :]]
    most = int(question.get("max-keys", ["1000"])[0])
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{(bucket / key).stat().st_size}</Size>"
        "<LastModified>2026-11-28T00:00:00Z</LastModified></Contents>"
        for key in found[:most]
    )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in (folders if by_folder else ())
    )
    body = f"<IsTruncated>false</IsTruncated><KeyCount>{len(found[:most])}</KeyCount>{contents}{common}"
    return f'<?xml version="1.0"?><ListBucketResult>{body}</ListBucketResult>'.encode()
