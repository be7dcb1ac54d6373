"""Files that may hold pictures and are never opened, by ending and by content, with what to export instead."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from kenpin.plural import counted, is_are

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings of the archives that are unpacked."""
OTHER_ARCHIVES = (".7z", ".rar", ".zst", ".gz", ".bz2", ".xz")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".wmv", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".mxf")
STARTS_BYTES = 132
"""Bytes of a file's begin by which its kind is known."""

_AS_PICTURE = "Export it as PNG"
_AS_GREY = "Export it as 8-bit or unsigned 16-bit PNG or TIFF, with the range you want to see"


@dataclass(frozen=True, slots=True)
class NotOpened:
    """A kind of file that is no picture, or one that is never opened."""

    called: str
    """With its article."""
    remedy: str
    """A sentence without a full stop, FILE for the path of the file."""

    def remedy_for(self, path: str | os.PathLike[str]) -> str:
        """The remedy for one file, as it can be pasted into a shell."""
        return self.remedy.replace("FILE", shlex.quote(os.fspath(path)))


_PHOTOSHOP = NotOpened("a Photoshop file", _AS_PICTURE)
_DRAWING = NotOpened("a drawing of lines without pixels", "Export it as PNG, at the size of the other pictures")
_PDF = NotOpened("a PDF", "Export the pictures in it, with `pdfimages -png` for example")
_DICOM = NotOpened("a DICOM file", _AS_GREY)
_EXR = NotOpened("a picture of light without a white (OpenEXR)", _AS_GREY)
_HDR = NotOpened("a picture of light without a white (Radiance)", _AS_GREY)
_FITS = NotOpened("a FITS file", _AS_GREY)
_MICROSCOPE = NotOpened("a microscope's own file", "Export it as TIFF or PNG from the microscope's program")
_NUMBERS = NotOpened("a file of bare numbers without a header", "Save it as 8-bit or unsigned 16-bit PNG or TIFF")
_WEB_PAGE = NotOpened("a web page", "Download the picture itself")
_VIDEO = NotOpened("a video", "Write its frames as pictures: `kenpin convert FILE OUT --every 0.5`")
_ARCHIVE = NotOpened("an archive", "Unpack it: `kenpin convert FILE OUT`")
_OTHER_ARCHIVE = NotOpened("an archive that is not unpacked", "Unpack it, and give the folder")

_TABLE = NotOpened(
    "a table",
    "Give the pictures or their folder; a run judges rows of a table where it was trained on one, and "
    "`kenpin evaluate RUN --data FILE` reads a table of pictures",
)
_TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods")

_BY_ENDING = {
    **dict.fromkeys((".psd", ".psb"), _PHOTOSHOP),
    **dict.fromkeys((".svg", ".svgz", ".eps", ".ps", ".ai", ".dxf", ".wmf", ".emf"), _DRAWING),
    ".pdf": _PDF,
    **dict.fromkeys((".dcm", ".dicom"), _DICOM),
    ".exr": _EXR,
    ".hdr": _HDR,
    **dict.fromkeys((".fits", ".fit", ".fts"), _FITS),
    **dict.fromkeys((".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".svs", ".ndpi", ".scn", ".mrxs"), _MICROSCOPE),
    **dict.fromkeys((".raw", ".yuv", ".nv12"), _NUMBERS),
    **{
        ending: NotOpened(f"a picture of a kind ({ending})", _AS_PICTURE)
        for ending in (".xcf", ".tga", ".pcx", ".ico", ".icns", ".jls", ".jxr", ".wdp", ".dds", ".sgi", ".ras", ".xbm",
                       ".xpm", ".pfm", ".qoi", ".iff", ".pct", ".kra", ".bpg", ".flif", ".crw", ".x3f", ".3fr", ".iiq")
    },
    **dict.fromkeys(VIDEOS, _VIDEO),
    **dict.fromkeys(ARCHIVES, _ARCHIVE),
    **dict.fromkeys(OTHER_ARCHIVES, _OTHER_ARCHIVE),
}  # fmt: skip
_BY_START = (
    (b"8BPS", _PHOTOSHOP),
    (b"%PDF", _PDF),
    (b"%!PS", _DRAWING),
    (b"<svg", _DRAWING),
    (b"\xc5\xd0\xd3\xc6", _DRAWING),
    (b"\x76\x2f\x31\x01", _EXR),
    (b"#?RADIANCE", _HDR),
    (b"SIMPLE  =", _FITS),
    (b"<!DOCTYPE html", _WEB_PAGE),
    (b"<!doctype html", _WEB_PAGE),
    (b"<html", _WEB_PAGE),
    (b"PK\x03\x04", _ARCHIVE),
    (b"\x1f\x8b", _OTHER_ARCHIVE),
    (b"\x1aE\xdf\xa3", _VIDEO),
)


def ending_of(name: str) -> str:
    """The ending of a file name in lower case, both parts of one like `.tar.gz`."""
    stem, ending = os.path.splitext(name.lower())
    return f".tar{ending}" if stem.endswith(".tar") and f".tar{ending}" in ARCHIVES else ending


def not_opened(name: str, start: bytes | None = None) -> NotOpened | None:
    """The kind of a file that is never opened as a picture, by its first `STARTS_BYTES`, else by its name; None where
    neither tells."""
    if start is not None:
        if ending_of(name) in _TABLES:
            return _TABLE
        if start[128:132] == b"DICM":
            return _DICOM
        is_film = start[4:8] == b"ftyp" and start[8:11] in (b"iso", b"mp4", b"M4V", b"qt ", b"avc", b"3gp", b"dby")
        if is_film or (start.startswith(b"RIFF") and start[8:12] == b"AVI "):
            return _VIDEO
        for begin, kind in _BY_START:
            if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(begin):
                return _BY_ENDING.get(ending_of(name), kind) if kind is _OTHER_ARCHIVE else kind
    return _BY_ENDING.get(ending_of(name))


def kinds_of(names: Iterable[str]) -> dict[NotOpened, list[str]]:
    """Those of these files that are never opened, by kind, in their order."""
    kinds: dict[NotOpened, list[str]] = {}
    for name in names:
        if (kind := _BY_ENDING.get(ending_of(name))) is not None:
            kinds.setdefault(kind, []).append(name)
    return kinds


def in_words(kind: NotOpened, names: list[str]) -> tuple[str, str]:
    """What is not opened, and the remedy, as two sentences without a full stop."""
    first = f", the first is {names[0]}" if len(names) > 1 else f": {names[0]}"
    what = f"{counted(len(names), 'file')} {is_are(len(names))} not opened, {'each ' if len(names) > 1 else ''}"
    return f"{what}{kind.called}{first}", kind.remedy_for(names[0])
