"""Videos, streams and cameras as sources: frames without loss, named by time, counted where they are dropped.

There is no USB camera here: the same class reads a real video file, and FFmpeg's virtual device, in its place.
"""

from __future__ import annotations

import io
import re
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kenpin.errors import MissingExtraError
from kenpin.station.arrival import Arrival, LineFullError
from kenpin.station.sources.contract import SourcePlace
from kenpin.station.sources.frames import Opening, clock_name, png_of_frame
from kenpin.station.sources.kinds import camera, stream, video
from kenpin.station.sources.live import LiveOptions, LiveSource
from kenpin.station.sources.naming import code_in
from kenpin.station.sources.running import RunningSource
from tests.station.sinks.told_events import until
from tests.station.sources.lines import MadeLine, MemorySeen, place, running, stands
from tests.station.sources.rtsp import rtsp_server

pytest.importorskip("av", reason='the package av is not installed: pip install "kenpin[video]"')

RATE = 25
CLOCK = r"line-1/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\.png"


def write_video(path: Path, levels: list[int], codec: str = "ffv1", pixels: str = "gray") -> Path:
    """A video whose frames are of these grey values, 64 by 48 pixels."""
    import av

    with av.open(str(path), "w") as container:
        out = container.add_stream(codec, rate=RATE)
        out.width, out.height, out.pix_fmt, out.time_base = 64, 48, pixels, Fraction(1, RATE)
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), level, np.uint8), format="gray").reformat(
                format=pixels
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path


def _grey(data: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(data), formats=["PNG"]).convert("L")).mean())


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless video of two seconds: frame n is of the grey value 4 n."""
    return write_video(tmp_path_factory.mktemp("video") / "ramp.mkv", [4 * number for number in range(50)])


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As network cameras send it: three seconds, a bright part from the second second on."""
    levels = [40] * 25 + [200] * 25 + [40] * 25
    return write_video(tmp_path_factory.mktemp("stream") / "camera.ts", levels, "mpeg2video", "yuv420p")


# ---- a file ----


def test_the_frames_of_a_file_come_once_without_loss_and_named_by_their_time(tmp_path: Path, ramp: Path) -> None:
    line, seen = MadeLine(), MemorySeen()
    values: dict[str, Any] = {"kind": "video", "file": str(ramp), "every_s": 0.4, "lot": "L7", "product": "valve"}
    with running(line, tmp_path, seen=seen, **values) as source:
        until(lambda: source.state.standing == "finished")
        assert source.state.parts.recorded == 5
    assert line.ids == [f"line-1/ramp-00h00m0{at}s.png" for at in ("0.000", "0.400", "0.800", "1.200", "1.600")]
    assert [_grey(one.data) for one in line.taken] == [0, 40, 80, 120, 160]
    assert {(one.product, one.lot) for one in line.taken} == {("valve", "L7")}
    with running(line, tmp_path, seen=seen, **values) as source:
        until(lambda: source.state.standing == "finished")
    assert len(line.taken) == 5  # it was read to its end before
    other = MadeLine()
    with running(other, tmp_path, **values) as source:
        until(lambda: source.state.standing == "finished")
    assert [one.data for one in other.taken] == [one.data for one in line.taken]  # so that the line knows them again


def test_a_file_waits_for_a_full_line_and_no_frame_is_dropped(tmp_path: Path, ramp: Path) -> None:
    asked = 0

    def full_at_times(arrival: Arrival) -> None:
        nonlocal asked
        asked += 1
        if asked % 2:
            raise LineFullError("full", 0.0)

    line = MadeLine(full_at_times)
    with running(line, tmp_path, kind="video", file=str(ramp), every_s=0.2) as source:
        until(lambda: source.state.standing == "finished")
        assert (source.state.parts.recorded, source.state.parts.dropped) == (10, 0)
    assert len(set(line.ids)) == 10


def test_a_file_that_is_no_video_or_broken_is_away_with_its_name(tmp_path: Path, ramp: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name, why in (("none.mp4", "No such file"), ("text.mp4", "Invalid data")):
        with running(MadeLine(), tmp_path, kind="video", file=name) as source:
            until(partial(stands, source, "away"))
            assert f"{tmp_path / name}: cannot be read ({why}" in (source.state.last_error or "")


@pytest.mark.parametrize("format", ["gray", "gray16le", "rgb24"])
def test_pixels_are_those_of_the_frame(format: str) -> None:
    import av

    shape = (48, 64, 3) if format == "rgb24" else (48, 64)
    kind = np.uint16 if format == "gray16le" else np.uint8
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    data = png_of_frame(av.VideoFrame.from_ndarray(pixels, format=format))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data), formats=["PNG"])), pixels)


# ---- live ----


class Clock:
    """The time in microseconds, and how often it was looked at: once for each frame that is caught."""

    looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return time.time_ns() // 1000


def _has_recorded(source: RunningSource, count: int) -> bool:
    return source.state.parts.recorded == count


def live(opening: Opening, **given: Any) -> Any:
    """A kind of live source with this opening: the class of streams and cameras."""

    class Kind:
        SUMMARY = NEEDS = "A test."
        OPTIONS = LiveOptions

        def open(self, options: LiveOptions, place: SourcePlace) -> LiveSource:
            return LiveSource(options, place, opening, **given)

    return Kind()


def device(picture: str) -> Opening:
    """FFmpeg's virtual camera, in real time."""
    return Opening(picture, "made camera", 5.0, "lavfi")


CAMERA = device("testsrc=size=64x48:rate=25,realtime")


def test_a_camera_gives_frames_named_by_the_clock(tmp_path: Path) -> None:
    line = MadeLine()
    began_us = time.time_ns() // 1000
    with running(line, tmp_path, live(CAMERA), every_s=0.1, lot="L7") as source:
        until(lambda: source.state.parts.recorded >= 5)
        assert source.state.standing == "up"
    ended_us = time.time_ns() // 1000
    assert all(re.fullmatch(CLOCK, one) for one in line.ids)
    assert line.ids == sorted(set(line.ids))
    assert f"line-1/{clock_name(began_us)}.png" <= line.ids[0] <= line.ids[-1] <= f"line-1/{clock_name(ended_us)}.png"
    assert {one.lot for one in line.taken} == {"L7"}


def test_a_clock_that_is_set_back_gives_no_name_twice(tmp_path: Path) -> None:
    times_us = iter([5_000_000, 4_000_000, 5_000_000, *range(6_000_000, 10**9, 1000)])
    line = MadeLine()
    with running(line, tmp_path, live(CAMERA, clock_us=lambda: next(times_us)), every_s=0.001) as source:
        until(lambda: source.state.parts.recorded >= 4)
    assert line.ids[:3] == [f"line-1/1970-01-01T00:00:05.00000{digit}Z.png" for digit in (0, 1, 2)]
    assert len(set(line.ids)) == len(line.ids)


def test_frames_that_come_while_the_line_is_full_are_dropped_and_counted(tmp_path: Path) -> None:
    full = threading.Event()
    full.set()

    def before(arrival: Arrival) -> None:
        if full.is_set():
            raise LineFullError("valve: 64 parts wait already; send it again later.", 0.01)

    clock_us = Clock()
    line = MadeLine(before)
    with running(line, tmp_path, live(CAMERA, clock_us=clock_us), every_s=0.04, waiting_frames=3) as source:
        until(lambda: source.state.parts.dropped >= 3)
        assert source.state.standing == "waits"
        assert "64 parts wait already" in (source.state.parts.hindrance or "")
        assert "was dropped, for 3 frames waited already" in (source.state.parts.note or "")
        full.clear()
        until(lambda: source.state.parts.recorded >= 5)
    state = source.state.parts
    assert clock_us.looks == state.recorded + state.dropped  # none goes silently
    assert len(line.ids) == state.recorded


def test_frames_that_wait_when_the_station_ends_are_counted_too(tmp_path: Path) -> None:
    def full(arrival: Arrival) -> None:
        raise LineFullError("full", 0.01)

    clock_us = Clock()
    with running(MadeLine(full), tmp_path, live(CAMERA, clock_us=clock_us), every_s=0.04) as source:
        until(lambda: clock_us.looks >= 3)
    assert source.state.parts.dropped == clock_us.looks


def test_a_camera_that_ends_is_opened_again_and_the_file_stands_for_one(tmp_path: Path, ramp: Path) -> None:
    line = MadeLine()
    opening = Opening(str(ramp), "/dev/video0", 5.0)
    with running(line, tmp_path, live(opening), every_s=10.0) as source:
        until(lambda: source.state.parts.recorded >= 3)
        assert source.state.last_error == "/dev/video0: it has ended; it is opened again by itself."
    assert {_grey(one.data) for one in line.taken} == {0.0}  # the first frame of each time


def test_a_usb_camera_that_is_not_there_is_away_by_its_name(tmp_path: Path) -> None:
    with running(MadeLine(), tmp_path, kind="camera", device="/dev/video97", size="640x480", rate=30) as source:
        until(lambda: source.state.standing == "away")
        assert source.state.last_error == (
            "/dev/video97: cannot be read (No such file or directory); it is tried again by itself."
        )
    options = camera.CameraOptions(size="640x480", rate=30, pixels="mjpeg")
    opening = camera.open(options, place(tmp_path))._opening
    assert (opening.format, opening.settings) == (
        "v4l2", {"video_size": "640x480", "framerate": "30", "input_format": "mjpeg"}
    )  # fmt: skip


def test_without_its_package_a_camera_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    for kind, options in (
        (camera, camera.CameraOptions()),
        (video, video.VideoOptions(file=Path("a"))),
        (stream, stream.StreamOptions(url="rtsp://c/1")),
    ):
        with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[video\]"'):
            kind.open(options, place(tmp_path))


# ---- RTSP ----


def test_a_stream_opens_by_its_own_protocol_alone_and_rtsp_within_one_connection(tmp_path: Path) -> None:
    def settings(**values: Any) -> dict[str, str]:
        return dict(stream.open(stream.StreamOptions(**values), place(tmp_path))._opening.settings)

    assert settings(url="rtsp://c/1") == {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,udp,tcp"}
    assert settings(url="rtsp://c/1", ffmpeg={"rtsp_transport": "udp"})["rtsp_transport"] == "udp"
    for scheme in ("http", "https", "rtmp", "srt", "tcp", "udp"):
        assert "file" not in settings(url=f"{scheme}://c/1")["protocol_whitelist"]


def test_a_network_camera_is_read_by_rtsp_with_its_login_and_opened_again(
    tmp_path: Path, transport_stream: Path
) -> None:
    (tmp_path / "login").write_text("kenpin:p@ss:w/rd\n")
    line = MadeLine()
    with rtsp_server(transport_stream, "kenpin:p@ss:w/rd") as server:
        url = f"rtsp://127.0.0.1:{server.port}/stream1"
        with running(line, tmp_path, kind="stream", url=url, login_file="login", every_s=0.01, timeout_s=3.0) as source:
            until(lambda: server.plays >= 2 and source.state.parts.recorded > 5)
    assert all(re.fullmatch(CLOCK, one) for one in line.ids)
    assert {round(_grey(one.data) / 20) for one in line.taken} <= {2, 10}


def test_a_wrong_login_and_a_camera_that_is_away_are_told_without_the_password(
    tmp_path: Path, transport_stream: Path
) -> None:
    (tmp_path / "login").write_text("kenpin:hidden")
    with rtsp_server(transport_stream, "kenpin:other") as server:
        values: dict[str, Any] = {"kind": "stream", "url": f"rtsp://127.0.0.1:{server.port}/1", "login_file": "login"}
        with running(MadeLine(), tmp_path, **values) as source:
            until(lambda: source.state.standing == "away")
            wrong = source.state.last_error or ""
    with running(MadeLine(), tmp_path, **values) as source:
        until(lambda: source.state.standing == "away")
        gone = source.state.last_error or ""
    assert "401" in wrong or "authoriz" in wrong.lower()
    assert "Connection refused" in gone
    assert "hidden" not in wrong + gone
    assert "hidden" not in repr(stream.open(stream.StreamOptions(**_without_kind(values)), place(tmp_path))._opening)


def _without_kind(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "kind"}


def test_a_part_that_comes_into_the_picture_is_taken_once(tmp_path: Path) -> None:
    line = MadeLine()
    moving = device(
        "color=black:size=64x48:rate=25,drawbox=x=0:y=0:w=64:h=48:color=white:t=fill:enable='gt(mod(t,0.8),0.4)',realtime"
    )
    options: dict[str, Any] = {"trigger": "brightness", "level": 100, "debounce_s": 0.1}
    with running(line, tmp_path, live(moving), **options) as source:
        until(lambda: source.state.parts.recorded >= 2)
    assert {_grey(one.data) > 200 for one in line.taken} == {True}


# ---- codes ----


def test_a_code_in_the_picture_says_product_and_lot(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="codes are read by OpenCV, which is not installed")
    code = cv2.QRCodeEncoder.create().encode("valve-L7-0001")
    code = cv2.resize(code, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    picture = np.full((400, 600), 255, np.uint8)
    picture[50 : 50 + code.shape[0], 300 : 300 + code.shape[1]] = code
    (tmp_path / "in").mkdir()
    Image.fromarray(picture).save(tmp_path / "in" / "a.png")
    Image.fromarray(picture[:, :200]).save(tmp_path / "in" / "b.png")
    values: dict[str, Any] = {"kind": "folder", "folder": "in", "barcode": "{product}-{lot}-*", "lot": "none"}
    for region, wanted in (
        (None, ("valve", "L7")),
        ((250, 0, 600, 400), ("valve", "L7")),
        ((0, 0, 99, 99), (None, "none")),
    ):
        line = MadeLine()
        with running(line, tmp_path, **values, barcode_region=region) as source:
            until(partial(_has_recorded, source, 2))
        by_id = {one.id: (one.product, one.lot) for one in line.taken}
        assert by_id == {"line-1/a.png": wanted, "line-1/b.png": (None, "none")}


_DIGITS = ["0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011"]
_SIDES = ["LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL"]


def _ean_13(number: str) -> NDArray[np.uint8]:
    """A bar code, as it is printed: grey values of its bars. # ISO/IEC 15420"""

    def bars(digit: str, side: str) -> str:
        right = _DIGITS[int(digit)].translate(str.maketrans("01", "10"))
        return {"L": _DIGITS[int(digit)], "R": right, "G": right[::-1]}[side]

    left = "".join(map(bars, number[1:7], _SIDES[int(number[0])]))
    modules = f"101{left}01010{''.join(bars(digit, 'R') for digit in number[7:])}101"
    row = np.repeat(np.array([0 if one == "1" else 255 for one in modules], np.uint8), 3)
    return np.pad(np.tile(row, (120, 1)), 300, constant_values=255)


def test_a_bar_code_is_read_too_and_noise_is_none() -> None:
    pytest.importorskip("cv2", reason="codes are read by OpenCV, which is not installed")
    picture = _ean_13("4006381333931")
    assert code_in(picture, None) == "4006381333931"
    assert code_in(picture, (0, 0, 250, 250)) is None
    assert code_in(picture, (9000, 0, 9999, 60)) is None
    noise = np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)
    assert code_in(noise, None) is None
