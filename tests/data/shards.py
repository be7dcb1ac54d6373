"""Shards made for tests, and a store of objects on loopback that answers as S3 and Google Cloud Storage do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as parquet

from kenpin.data.dataset import Dataset
from kenpin.data.picture_files import read_bytes_once
from tests.tree import ROOT

_GOOGLE = "/storage/v1/b/"
_ASKED = "/what-was-asked"
_JSON = {"Content-Type": "application/json"}


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
def object_store(folder: Path) -> Iterator[tuple[str, Callable[[], list[tuple[str, str]]]]]:
    """A store whose buckets are the folders in a folder; what an s3:// address has behind `?` (without the region, a
    gs:// one), and what says what was read of it: path, and range of bytes.

    It is another process: who asks Google for a size waits for the answer without letting another thread run.
    """
    words = [sys.executable, "-m", "tests.data.shards", str(folder)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as store:
        assert store.stdout is not None
        address = f"127.0.0.1:{store.stdout.readline().strip()}"
        try:
            yield f"?endpoint_override={address}&scheme=http&region=eu", partial(_asked, address)
        finally:
            store.terminate()


def _asked(address: str) -> list[tuple[str, str]]:
    with urlopen(f"http://{address}{_ASKED}") as answer:
        return [(path, wanted) for path, wanted in json.load(answer)]


class _Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    asked: ClassVar[list[tuple[str, str]]] = []

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        parts = urlsplit(self.path)
        question = parse_qs(parts.query)
        file = self.folder / unquote(parts.path).strip("/")
        if parts.path == _ASKED:
            self._send(200, json.dumps(self.asked).encode(), _JSON)
        elif parts.path.startswith(_GOOGLE):
            self._answer_as_google(parts.path.removeprefix(_GOOGLE), question)
        elif "list-type" in question:
            self._send(200, _listing(file, question), {"Content-Type": "application/xml"})
        elif not file.is_file():
            self._send(404, b"", {})
        else:
            self._send_file(file, parts.path, body=body)

    def _answer_as_google(self, path: str, question: dict[str, list[str]]) -> None:
        """By its JSON API, version 1: objects of a bucket, one of them, or its content."""
        name_of_bucket, _, name = path.partition("/o")
        bucket = self.folder / name_of_bucket
        file = bucket / unquote(name).strip("/")
        if not name:
            self._send(200, json.dumps(_page(bucket, question)).encode(), _JSON)
        elif not file.is_file():
            self._send(404, json.dumps({"error": {"code": 404, "message": "No such object"}}).encode(), _JSON)
        elif question.get("alt") == ["media"]:
            self._send_file(file, path, body=True)
        else:
            self._send(200, json.dumps(_object(bucket, file)).encode(), _JSON)

    def _send_file(self, file: Path, path: str, *, body: bool) -> None:
        wanted = self.headers.get("Range", "")
        if body:
            self.asked.append((path, wanted))
        content, status = file.read_bytes(), 200
        headers = {"Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT", "ETag": '"1"'}
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            last = last or str(len(content) - 1)
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


def _object(bucket: Path, file: Path) -> dict[str, str]:
    name, size = file.relative_to(bucket).as_posix(), file.stat().st_size
    times = dict.fromkeys(("timeCreated", "updated"), "2026-11-28T00:00:00Z")
    return {
        "kind": "storage#object",
        "bucket": bucket.name,
        "name": name,
        "size": str(size),
        "generation": "1",
        **times,
    }


def _page(bucket: Path, question: dict[str, list[str]]) -> dict[str, Any]:
    """One object a page: whoever lists a bucket must turn them."""
    prefix, token = (question.get(key, [""])[0] for key in ("prefix", "pageToken"))
    found = sorted(file for file in bucket.rglob("*") if file.is_file())
    found = [file for file in found if file.relative_to(bucket).as_posix().startswith(prefix)]
    page = int(token or 0)
    more = {"nextPageToken": str(page + 1)} if page + 1 < len(found) else {}
    return {"kind": "storage#objects", "items": [_object(bucket, file) for file in found[page : page + 1]], **more}


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


if __name__ == "__main__":
    _Store.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    print(server.server_port, flush=True)
    server.serve_forever()
