"""Bodies: forms, uploads and archives that are no such, too large, or grow; of what is refused nothing stays."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable

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


def test_a_broken_form_leaves_nothing(unharmed: Hostile) -> None:
    admin = unharmed.of(Role.ADMIN)
    good = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n' + picture()
    for kind, body in (
        ("multipart/form-data", good),
        ("multipart/form-data; boundary=x", good),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=" + "x" * 1_000, good),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", good + b"\r\n--x\r\n" + b"X: y\r\n" * 5_000),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' * 100 + b"--x--",
        ),
    ):
        is_refused(admin.ask("POST", "/set-up/good", body, {"Content-Type": kind}), 409, station=unharmed)


def test_what_is_too_large_is_not_taken(unharmed: Hostile) -> None:
    machine, admin = unharmed.machine(), unharmed.of(Role.ADMIN)
    for caller, path, size in (
        *((machine, "/api/v1/parts?id=large", 1_000_001), (admin, "/set-up/good", 4_000_001)),
        *((admin, "/learn/freeze", 1_100_000), (unharmed.caller(Origin=unharmed.origin), "/sign-in", 40_000)),
    ):
        is_refused(caller.ask("POST", path, bytes(size), FORM), 413, station=unharmed)
