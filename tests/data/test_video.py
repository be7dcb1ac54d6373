"""Frames of a video by interval, named by their time; without the extra the sentence says what to install."""

from __future__ import annotations

import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data.video import time_name, write_frames
from kenpin.errors import DatasetError, MissingExtraError, OptionError
from tests.commands import Run

needs_av = pytest.mark.skipif(find_spec("av") is None, reason='av is not installed: pip install "kenpin[video]"')


def write_video(path: Path, count: int = 25, rate: int = 10) -> Path:
    """A video of `count` frames, each brighter than the one before by 8 grey values."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 4_000_000
        for number in range(count):
            pixels = np.full((48, 64, 3), 20 + 8 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@needs_av
def test_frames_are_written_by_interval_as_the_refusal_says(
    kenpin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path("line.mp4"))
    for words in (("doctor", "line.mp4"), ("train", "mahalanobis", "--data", "line.mp4", "--out", "x")):
        status, _, told = kenpin(*words)
        assert status == 2
        assert "it is a video. Write its frames as pictures: `kenpin convert line.mp4 OUT --every 0.5`." in told
    assert kenpin("convert", "line.mp4", "OUT", "--every", "0.5") == (0, "OUT: 5 frames, one every 0.5 s.\n", "")
    names = sorted(path.name for path in Path("OUT").iterdir())
    assert names == [f"line-00h00m0{n // 2}.{n % 2 * 5}00s.png" for n in range(5)]
    for number, name in enumerate(names):
        grey = np.asarray(Image.open(Path("OUT") / name).convert("L")).mean()
        assert abs(grey - (20 + 8 * 5 * number)) < 5
    status, _, told = kenpin("convert", "line.mp4", "other")
    assert (status, "option `every` is missing" in told) == (2, True)
    assert "is not for a video" in kenpin("convert", "line.mp4", "other", "--every", "1", "--to", "csv")[2]


@needs_av
def test_all_frames_come_where_the_interval_is_shorter_than_one(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", count=7)
    assert write_frames(video, tmp_path / "out", every_s=0.01) == 7
    assert write_frames(video, tmp_path / "few", every_s=100) == 1


@needs_av
@pytest.mark.parametrize("content", [b"", b"no video", b"\0\0\0\x18ftypisom" + bytes(500)])
def test_what_is_no_video_is_one_sentence_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.mp4: the.* Copy or export it again"):
        write_frames(tmp_path / "a.mp4", tmp_path / "out", every_s=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[video\]"'):
        write_frames(tmp_path / "a.mp4", tmp_path / "out", every_s=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("every_s", [0, -1, float("nan")])
def test_an_interval_is_above_nothing(tmp_path: Path, every_s: float) -> None:
    with pytest.raises(OptionError, match="is impossible"):
        write_frames(tmp_path / "a.mp4", tmp_path / "out", every_s=every_s)


def test_names_are_in_the_order_of_time() -> None:
    times = [0, 0.999, 1, 59.9996, 60, 3599.5, 3600, 86_400]
    assert [time_name(time) for time in times] == sorted(time_name(time) for time in times)
    assert time_name(59.9996) == "00h01m00.000s"
