"""Stream: frames of a network camera, by RTSP or any other address that FFmpeg opens."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, field_validator

from kenpin.station.secret import read_login
from kenpin.station.sources.contract import SourcePlace
from kenpin.station.sources.frames import NEEDS_AV, Opening
from kenpin.station.sources.live import LiveOptions, LiveSource

SUMMARY = "a network camera, by RTSP"
NEEDS = f"The address of a stream, and {NEEDS_AV}."

_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp",
    "https": "https,tls,tcp,crypto",
    "tcp": "tcp",
    "udp": "udp",
    "srt": "srt,udp",
}
"""Schemes of addresses, with what FFmpeg may open for them: nothing that a stream names leads to a file."""


class StreamOptions(LiveOptions):
    """What a stream takes."""

    url: str = Field(description="Address of the stream, as rtsp://camera/stream1.")
    login_file: Path | None = Field(None, description="File that holds `user:password` of the camera.")
    ffmpeg: dict[str, str] = Field(
        default_factory=dict, description="Options of FFmpeg by name; for rtsp it is `rtsp_transport: tcp` by default."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _PROTOCOLS or not parts.netloc or not url.isprintable():
            known = ", ".join(_PROTOCOLS)
            raise ValueError(f"{url.partition('@')[2] or url!r} is not an address of a stream; it begins with {known}.")
        if parts.username is not None:
            raise ValueError("the address holds a password; take it out, and name a file with it by `login_file`.")
        return url

    @field_validator("ffmpeg")
    @classmethod
    def _opens_nothing_else(cls, options: dict[str, str]) -> dict[str, str]:
        for name in options:
            if "protocol" in name:
                raise ValueError(f"`{name}` cannot be set; take it out.")
        return options


OPTIONS = StreamOptions


def open(options: StreamOptions, place: SourcePlace) -> LiveSource:
    """A stream, which is opened when it runs. Raises OptionError, MissingExtraError."""
    parts = urlsplit(options.url)
    file = None if options.login_file is None else place.path(options.login_file)
    login = read_login(file, "the login of the camera")
    user = "" if login is None else f"{quote(login[0], safe='')}:{quote(login[1], safe='')}@"
    address = urlunsplit(parts._replace(netloc=user + parts.netloc))
    usual = {"rtsp_transport": "tcp"} if parts.scheme.startswith("rtsp") else {}
    settings = {**usual, **options.ffmpeg, "protocol_whitelist": _PROTOCOLS[parts.scheme]}
    return LiveSource(options, place, Opening(address, options.url, options.timeout_s, None, settings))
