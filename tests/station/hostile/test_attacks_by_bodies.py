"""Bodies: forms, uploads and archives that are no such, too large, or grow; of what is refused nothing stays."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Mapping

import pytest

from kenpin.station.who.rights import Role
from tests.station.hostile.attacked import FORM, Hostile, is_refused, picture, upload


@pytest.mark.parametrize("encoding", ["punycode", "unicode_escape", "utf-7", "utf-16", "idna", "raw_unicode_escape"])
def test_a_form_is_utf_8(encoding: str, unharmed: Hostile) -> None:
    kind = f"multipart/form-data; boundary=x; charset={encoding}"
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"\\ud800-" * 4_000 + b"\r\n--x--\r\n"
    for sent in (kind, kind.replace("charset=", 'charset="') + '"', kind.replace("charset=", "charset*=utf-8''")):
        began_s = time.monotonic()
        caller = unharmed.caller(Origin=unharmed.origin)
        is_refused(caller.ask("POST", "/sign-in", body, {"Content-Type": sent}), 415, station=unharmed)
        assert time.monotonic() - began_s < 5


def _zip(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def _link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("a.png")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return file.getvalue()


_UPLOADS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "bomb": lambda: ("a.zip", _zip(**{"a.png": bytes(200_000_000)})),
    "many bombs": lambda: ("a.zip", _zip(**{f"{number}.png": bytes(900_000) for number in range(12)})),
    "bomb in a bomb": lambda: ("a.zip", _zip(**{"a.zip": _zip(**{"a.png": bytes(90_000_000)})})),
    "good ones and a bomb": lambda: ("a.zip", _zip(**{"a.png": picture(), "b.png": bytes(100_000_000)})),
    "path": lambda: ("a.zip", _zip(**{"a.png": picture(), "../evil.png": picture()})),
    "absolute path": lambda: ("a.zip", _zip(**{"/tmp/evil.png": picture()})),
    "drive": lambda: ("a.zip", _zip(**{"C:\\evil.png": picture()})),
    "link": lambda: ("a.zip", _link()),
    "no zip": lambda: ("a.zip", b"PK\x03\x04" + b"x" * 100),
    "nothing": lambda: ("a.png", b""),
    "page": lambda: ("a.png", b"<html><script>alert(1)</script>"),
    "drawing": lambda: ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    "postscript": lambda: ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n"),
    "picture that says to be huge": lambda: ("a.png", _huge()),
    "picture beyond the limit": lambda: ("a.bmp", picture((700, 700), "BMP")),
}


def _huge() -> bytes:
    data = bytearray(picture())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(data)


@pytest.mark.parametrize("what", _UPLOADS)
def test_an_upload_that_is_refused_leaves_nothing(what: str, unharmed: Hostile) -> None:
    is_refused(upload(unharmed.of(Role.ADMIN), "plates", _UPLOADS[what]()), 409, station=unharmed)


@pytest.mark.parametrize("product", ["", "../plates", "Plates", "a" * 41, "-a", "a\nb", "a/b", "con\x00", "プレート"])
def test_a_product_s_name_is_no_path(product: str, unharmed: Hostile) -> None:
    is_refused(upload(unharmed.of(Role.ADMIN), product, ("a.png", picture())), 409, station=unharmed)


_FILE = b'--x\r\nContent-Disposition: form-data; name="top"; filename="a.png"\r\n\r\n'
_BROKEN_FORMS: Mapping[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", _FILE),
    "broken off": ("multipart/form-data; boundary=x", _FILE),
    "nonsense": ("multipart/form-data; boundary=x", b"nonsense"),
    "another boundary": ("multipart/form-data; boundary=" + "x" * 1_000, _FILE),
    "no form": ("application/json", b"{}"),
    "many headers": ("multipart/form-data; boundary=x", _FILE + b"\r\n--x\r\n" + b"X: y\r\n" * 5_000),
    "a long header": ("multipart/form-data; boundary=x", b"--x\r\nX: " + b"y" * 500_000 + b"\r\n\r\n--x--"),
    "many fields": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' * 100 + b"--x--",
    ),
    "no names": ("multipart/form-data; boundary=x", b"--x\r\n\r\ndata\r\n--x--"),
}


@pytest.mark.parametrize("what", _BROKEN_FORMS)
def test_a_broken_form_leaves_nothing(what: str, unharmed: Hostile) -> None:
    kind, body = _BROKEN_FORMS[what]
    own = {"Content-Type": kind}
    is_refused(unharmed.of(Role.ADMIN).ask("POST", "/set-up/good", body, own), 409, station=unharmed)
    is_refused(unharmed.machine().ask("POST", "/api/v1/parts/views?id=x", body, own), 400, station=unharmed)


@pytest.mark.parametrize(
    "name", ["", "a" * 101, "../top", "top\0", "<script>alert(1)</script>", "=1+1", "上", "a\x1b[31m", "%2e%2e", "a'b"]
)
def test_a_view_s_name_is_a_text(name: str, station: Hostile) -> None:
    """It names no file, runs nowhere, and a part that nobody can judge is for a person."""
    before = {path for path in station.folder.path.rglob("*") if path.is_file()}
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="../../a.png"\r\n\r\n'.encode()
    body = head + station.pictures[0] + b"\r\n" + head + station.pictures[1] + b"\r\n--x--\r\n"
    own = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = station.machine().ask("POST", "/api/v1/parts/views", body, own, {"id": f"view {name[:20]}"})
    if not 0 < len(name) < 101:
        is_refused(answer, 400, station=station)
        return
    assert answer.status == 200, answer.text
    assert answer.json["verdict"] == "REVIEW"
    assert [view["name"] for view in answer.json["views"]] == [name, name]
    new = {path for path in station.folder.path.rglob("*") if path.is_file()} - before
    assert {path.name for path in new} <= {view["picture_hash"] for view in answer.json["views"]}
    page = station.of(Role.VIEWER).ask("GET", f"/parts/{answer.json['key']}")
    assert (page.status, "<script>alert" in page.text) == (200, False)


def test_what_is_too_large_is_not_taken(unharmed: Hostile) -> None:
    machine, admin = unharmed.machine(), unharmed.of(Role.ADMIN)
    for caller, path, size in (
        *(
            (machine, "/api/v1/parts?id=large", 1_000_001),
            (machine, "/api/v1/parts/views?id=large", 3_000_001),
            (admin, "/set-up/good", 4_000_001),
        ),
        *((admin, "/learn/freeze", 1_100_000), (unharmed.caller(Origin=unharmed.origin), "/sign-in", 40_000)),
    ):
        is_refused(caller.ask("POST", path, bytes(size), FORM), 413, station=unharmed)
