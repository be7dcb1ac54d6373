"""A station to be attacked: its process, people of every role, a machine, some parts, and what it has stored."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, cast

from fastapi.routing import APIRoute
from PIL import Image
from sqlalchemy import select

from kenpin.station.api.app import create_app
from kenpin.station.folder import StationFolder
from kenpin.station.pages.app import add_pages
from kenpin.station.store.opening import open_store
from kenpin.station.store.tables import all_tables
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import Role
from tests.station.station_process import PASSWORD, Caller, Reply, StationProcess

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SETTINGS: Mapping[str, Any] = {
    "products": {"parts": {"title": "<b>Parts</b>", "reviewed_passes": 1, "reviewed_fails": 1, "second_reviews": 0}},
    "limits": {"picture_bytes": 1_000_000, "part_bytes": 3_000_000, "upload_bytes": 4_000_000, "free_bytes": 0},
    "four_eyes": False,
}
_MAY_CHANGE = frozenset({"failed_try", "session", "known_browser", "machine_token", "lent_parts", "followed"})
"""Tables of tries, of what was seen last, and of who looks at which part."""
_SENTENCE = re.compile(r"[^\n<>]{10,400}\.")
_NOTED = frozenset({"sign-in-failed", "locked-out", "signed-in", "signed-out"})


@dataclass
class Hostile:
    """The station, and whoever asks it."""

    process: StationProcess
    first_link: str
    token: str
    pictures: Sequence[bytes]
    key: str = ""
    """Of a part."""
    _signed_in: dict[str, Caller] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def folder(self) -> StationFolder:
        return StationFolder(self.process.folder)

    def caller(self, **headers: str) -> Caller:
        """Somebody unknown."""
        return Caller(self.port, headers)

    def of(self, role: Role) -> Caller:
        """A browser in which somebody of this role has signed in."""
        if role.value not in self._signed_in:
            caller = self.caller()
            assert caller.sign_in(role.value).status == 303
            self._signed_in[role.value] = caller
        return self._signed_in[role.value]

    def machine(self) -> Caller:
        """The machine with a token that may hand in parts, and look."""
        return self.caller(Authorization=f"Bearer {self.token}")

    def send(self, id: str, data: bytes, **more: str) -> Reply:
        """Hand in a part."""
        return self.machine().ask("POST", "/api/v1/parts", data, query={"id": id, **more})

    def stored(self) -> dict[str, Any]:
        """All that the station holds, but for tries and for what was seen last."""
        return {**_files(self.folder.path), **_rows(self.folder), "trail": _decided(self.folder)}


@contextmanager
def attacked(folder: Path, policy: Path, pictures: Sequence[bytes]) -> Iterator[Hostile]:
    """A station that runs; its first account was made by the link of its first start."""
    process = StationProcess(folder, policy, SETTINGS, engine="onnx")
    with process:
        link = re.search(r"/first/\S+", process.told())
        assert link is not None, process.told()
        token = process.add_token("camera", "submit", "look")
        station = Hostile(process, link[0], token, pictures)
        form = {"name": "admin", "password": PASSWORD, "again": PASSWORD}
        assert station.caller(Origin=station.origin).post(link[0], **form).status == 303
        for role in Role:
            if role is not Role.ADMIN:
                process.add_account(role.value, role)
        assert station.send("a.png", pictures[0], lot="L-7").status == 200
        found = re.search(r'href="/parts/([0-9a-f]{32})"', station.of(Role.VIEWER).ask("GET", "/parts").text)
        assert found is not None
        station.key = found[1]
        yield station
        assert process.stop() == 0, process.told()
        assert "Traceback" not in process.told(), process.told()


def routes() -> list[tuple[str, str]]:
    """Method and address of all that the station answers."""
    app = create_app(cast("Any", None))
    add_pages(app, cast("Any", None))
    found = [
        (method, route.path)
        for route in _all_routes(app.routes)
        for method in sorted(route.methods or ())
        if method not in ("HEAD", "OPTIONS")
    ]
    assert len(found) > 25, found
    return found


def _all_routes(given: Iterable[Any]) -> Iterator[APIRoute]:
    for route in given:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _all_routes(getattr(getattr(route, "original_router", None), "routes", ()))


def address(path: str, station: Hostile) -> str:
    """An address of a route, about the part that is there."""
    of = {"key": station.key, "number": "1", "version": "1", "secret": "none"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: of.get(found[1], "1"), path)


def is_refused(answer: Reply, *statuses: int, station: Hostile) -> None:
    """It has one of these statuses and one sentence, with all headers, and tells nothing of the machine."""
    assert answer.status in statuses, (answer.status, answer.text[:500])
    kind = answer.headers.get("content-type", "")
    if kind == "application/json":
        assert set(answer.json) == {"error"}
        sentence = answer.json["error"]
    elif kind.startswith("text/html"):
        found = re.search(r'<p class="(?:lead|error|hindrance|notice)"[^>]*>([^<]*)</p>', answer.text)
        assert found is not None, answer.text
        sentence = unescape(found[1])
    else:
        sentence = answer.text.strip()
    assert _SENTENCE.fullmatch(sentence), sentence
    assert sentence.count("Traceback") == 0
    assert str(station.folder.path.parent) not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def picture(size: tuple[int, int] = (32, 32), kind: str = "PNG") -> bytes:
    """A file of a picture."""
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, kind)
    return file.getvalue()


def upload(caller: Caller, product: str, *files: tuple[str, bytes]) -> Reply:
    """Send files as the page of the set-up does."""
    parts = [b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + product.encode() + b"\r\n"]
    for name, data in files:
        head = f'--x\r\nContent-Disposition: form-data; name="pictures"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    return caller.ask("POST", "/set-up/good", b"".join(parts) + b"--x--\r\n", kind)


def with_classes(parts: Path, folder: Path, names: Sequence[str]) -> Path:
    """The folder of parts with other names of its classes."""
    for own, name in zip(sorted(path for path in parts.iterdir() if path.is_dir()), names, strict=True):
        shutil.copytree(own, folder / name)
    return folder


def _files(folder: Path) -> dict[str, str]:
    """Each file below the station's folder and beside it, by its content."""
    own = {path: path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    others = {path: f"beside: {path.name}" for path in folder.parent.iterdir() if path.suffix != ".log"}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path, name in (own | others).items()
        if "store.sqlite" not in name and not name.startswith("trails/")
    }


def _rows(folder: StationFolder) -> dict[str, str]:
    with open_store(folder, None) as store, store.reading() as connection:
        return {
            f"table {table.name}": repr(sorted(map(repr, connection.execute(select(table)).all())))
            for table in all_tables().sorted_tables
            if table.name not in _MAY_CHANGE
        }


def _decided(folder: StationFolder) -> list[str]:
    """Entries of all trails but those on signing in."""
    entries = (entry for path in sorted(folder.trails.glob("*.jsonl")) for entry in read_entries(path))
    return [repr(entry) for entry in entries if entry.what not in _NOTED]
