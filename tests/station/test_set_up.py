"""The set-up: each picture of an upload is read once, what opens is frozen, and what does not is told."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from kenpin.data.picture_files import MAX_BYTES, PictureBytes, read_bytes_once
from kenpin.records import ImageSource
from kenpin.station.pages import set_up
from kenpin.station.running import Station
from kenpin.station.who.rights import Role
from tests.station.conftest import SignIn


@pytest.mark.parametrize("as_archive", [False, True])
def test_each_picture_is_read_once_and_kept_as_it_came(
    sign_in: SignIn, station: Station, few_parts: Path, monkeypatch: pytest.MonkeyPatch, as_archive: bool
) -> None:
    sent = {f"{number}.png": file.read_bytes() for number, file in enumerate(sorted(few_parts.glob("*/*"))[:6])}
    sent["broken.png"] = b"no picture"
    read = list[str]()

    def noted(source: ImageSource, limit: int = MAX_BYTES) -> PictureBytes:
        read.append(source.path or "")
        return read_bytes_once(source, limit)

    monkeypatch.setattr(set_up, "read_bytes_once", noted)
    if as_archive:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in sent.items():
                archive.writestr(name, data)
        files = [("files", ("good.zip", packed.getvalue()))]
    else:
        files = [("files", (name, data)) for name, data in sent.items()]
    answer = sign_in(Role.ADMIN).post("/set-up/good", data={"name": "plates"}, files=files)
    assert answer.status_code == 200, answer.text[-2_000:]
    assert "broken.png" in answer.text
    assert len(read) == len(set(read)) == len(sent)
    (data_set,) = station.learning.data_sets("plates")
    kept = {part.id: station.pictures.read(part.content) for part in data_set.frozen.parts}
    assert {Path(name).name: data for name, data in kept.items()} == {
        name: data for name, data in sent.items() if name != "broken.png"
    }
