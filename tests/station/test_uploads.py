"""Uploads: written as they come, in any pieces, without a file that stays open; and bodies of parts within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kenpin.errors import OptionError, OutputError
from kenpin.station.arrival import LineFullError
from kenpin.station.intake.arriving import ArrivingBytes
from kenpin.station.pages import uploads
from kenpin.station.pages.uploads import Upload, receive_upload

KIND = "multipart/form-data; boundary=a-boundary"


def _form(*files: tuple[str, bytes], **fields: str) -> bytes:
    parts = [f'form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [f'form-data; name="pictures"; filename="{name}"\r\n\r\n'.encode() + data for name, data in files]
    return b"".join(b"--a-boundary\r\nContent-Disposition: " + part + b"\r\n" for part in parts) + b"--a-boundary--\r\n"


def _received(data: bytes, folder: Path, step: int = 10**9, most_files: int = 3, free_bytes: int = 0) -> Upload:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return asyncio.run(receive_upload(KIND, pieces(), folder, most_files=most_files, free_bytes=free_bytes))


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.parametrize("step", [1, 7, 64, 10**9])
def test_files_and_fields_arrive_whole_in_any_pieces(step: int, tmp_path: Path) -> None:
    files = [("良品.png", bytes(range(256))), ("../b.png", b"\r\n--a-boundar\r\n"), ("", b"")]
    found = _received(_form(*files, name="plates"), tmp_path, step)
    assert found.fields == {"name": "plates"}
    assert [(one.name, one.path.read_bytes()) for one in found.files] == files
    assert {one.path.parent for one in found.files} == {tmp_path}
    assert [one.path.name for one in found.files] == ["0", "1", "2"]


def test_no_file_stays_open(tmp_path: Path) -> None:
    """A thousand pictures are more files than a process may have open."""
    open_before = _open_files()
    most = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal most
        for piece in _form(*((f"{number}.png", b"x" * 10) for number in range(500))).split(b"--a-b")[1:]:
            yield b"--a-b" + piece
            most = max(most, _open_files())

    found = asyncio.run(receive_upload(KIND, pieces(), tmp_path, most_files=500, free_bytes=0))
    assert len(found.files) == 500
    assert most <= open_before + 10


@pytest.mark.parametrize("broken", [b"", b"nonsense", _form(("a", b"b"))[:-4], _form(("a", b"b"), name="x")[:60]])
def test_a_form_that_breaks_off_is_refused(broken: bytes, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="send it again"):
        _received(broken, tmp_path)


def test_parts_of_a_form_have_bounds(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="more than 3 files"):
        _received(_form(*((f"{number}", b"") for number in range(4))), tmp_path)
    with pytest.raises(OptionError, match="more than 4,000 bytes"):
        _received(_form(name="x" * 5_000), tmp_path)
    with pytest.raises(OptionError, match="more than 20 fields"):
        _received(_form(**{f"a{number}": "" for number in range(30)}), tmp_path)


def test_the_line_keeps_its_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_LOOKS_AT_DISK_BYTES", 10)
    with pytest.raises(OutputError, match="no room left for uploads"):
        _received(_form(("a", b"x" * 100)), tmp_path, free_bytes=2**62)


def test_bodies_of_parts_are_bounded_together() -> None:
    arriving = ArrivingBytes(100)
    with arriving.body() as first:
        first.add(500)  # alone it may be larger
        with arriving.body() as second, pytest.raises(LineFullError):
            second.add(1)
        with arriving.body() as third, pytest.raises(LineFullError):
            third.add(1)
        first.add(1)
    with arriving.body() as first, arriving.body() as second:
        first.add(60)
        second.add(40)
        with pytest.raises(LineFullError) as refused:
            second.add(1)
        assert refused.value.retry_after_s > 0
    with arriving.body() as last:
        last.add(100)
