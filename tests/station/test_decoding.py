"""Pictures opened in other processes: the same ones, and no harm by those that cannot be opened."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from kenpin.data.picture_look import look_of
from kenpin.inspection.pictures import open_bytes
from kenpin.station.arrival import Arrival
from kenpin.station.intake import decoding
from kenpin.station.intake.decoding import Decoder, DecoderBusyError


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Two processes."""
    opened = Decoder(2)
    yield opened
    opened.close()


def _file(kind: str, mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> bytes:
    file = io.BytesIO()
    channels = [Image.effect_noise(size, 90) for _ in "RGB"]
    Image.merge("RGB", channels).convert("L" if mode == "I;16" else mode).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("PNG", "JPEG", "BMP", "TIFF") for mode in ("RGB", "L")]
    + [("PNG", mode) for mode in ("1", "P", "LA", "RGBA", "I;16")],
)
def test_a_picture_is_the_one_that_is_opened_here(kind: str, mode: str, decoder: Decoder) -> None:
    data = _file(kind, mode)
    here, there = open_bytes("é/a.png", data, lot="L"), decoder.open(Arrival("é/a.png", data, lot="L"))
    assert here.image is not None
    assert there.image is not None
    assert (there.image.mode, there.image.size) == (here.image.mode, here.image.size)
    assert there.image.tobytes() == here.image.tobytes()
    assert there.look == look_of(here.image)
    assert (there.key, there.lot, there.error) == (here.key, "L", None)


@pytest.mark.parametrize(
    "data",
    ids=["empty", "words", "cut", "beginning"],
    argvalues=[b"", b"no picture", _file("PNG")[:-60], _file("JPEG")[:50]],
)
def test_what_is_no_picture_is_told_in_the_same_words(data: bytes, decoder: Decoder) -> None:
    here, there = open_bytes("a.png", data), decoder.open(Arrival("a.png", data))
    assert there.image is None
    assert f"{there.error}" == f"{here.error}"
    assert there.key == here.key


def test_a_process_that_dies_or_hangs_is_replaced() -> None:
    decoder, data = Decoder(1), _file("PNG")
    try:
        assert decoder.open(Arrival("a.png", data)).error is None
        child = decoder._idle.get()
        assert child is not None
        os.kill(child._process.pid, signal.SIGSTOP)
        decoder._idle.put(child)
        decoder._seconds = 0.05
        assert "takes longer" in f"{decoder.open(Arrival('a.png', data)).error}"
        decoder._seconds = 30.0
        assert decoder.open(Arrival("a.png", data)).error is None
        child = decoder._idle.get()
        assert child is not None
        os.kill(child._process.pid, signal.SIGKILL)
        decoder._idle.put(child)
        assert "a.png: the process that opened it died" in f"{decoder.open(Arrival('a.png', data)).error}"
        assert decoder.open(Arrival("a.png", data)).error is None
    finally:
        decoder.close()


def test_whatever_hinders_a_picture_hinders_the_next_one_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for its pixels, no process to be had: a slot that is lost would be one for ever."""
    decoder, data = Decoder(1, begun=False), _file("PNG")
    try:
        with monkeypatch.context() as patched:
            patched.setattr(decoding._Child, "_read", lambda *_: (_ for _ in ()).throw(MemoryError()))
            assert "a.png: the process that opened it died" in f"{decoder.open(Arrival('a.png', data)).error}"
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no fork")))
            assert "no fork" in f"{decoder.open(Arrival('a.png', data)).error}"
        assert decoder.open(Arrival("a.png", data)).error is None
    finally:
        decoder.close()


def test_whoever_looks_waits_for_a_turn_and_not_without_end() -> None:
    decoder = Decoder(1, begun=False)
    held, most = threading.Event(), 1 + decoding._MOST_WAITING
    refused, done = [], []

    def look() -> None:
        try:
            with decoder.turn():
                held.wait(20)
                done.append(1)
        except DecoderBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=look) for _ in range(most + 3)]
    for thread in threads:
        thread.start()
    while len(refused) < 3:
        time.sleep(0.01)
    held.set()
    for thread in threads:
        thread.join()
    assert (len(refused), len(done)) == (3, most)
    with decoder.turn():
        pass
