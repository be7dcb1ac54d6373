"""The page of the set-up: good pictures in, a data set to begin with, and from there to the first training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile

from kenpin.data.archive import unpack
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.reading.pictures import is_picture
from kenpin.errors import KenpinError, OptionError
from kenpin.records import ImageSource
from kenpin.station.arrival import Arrival
from kenpin.station.learning.doubts import doubts
from kenpin.station.learning.steering import NamedDataSet
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.rendering import render
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
SET_UP = "/set-up/good"
"""Where pictures are sent to."""
_MOST_FILES = 5_000
_ZIP = b"PK\x03\x04"
_SHOWN = 20  # refused files, and findings


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an upload."""

    data_set: NamedDataSet
    refused: Sequence[str]
    """Files that are no pictures, each with its reason."""
    findings: Sequence[str]
    """Of the doctor."""


@ROUTER.get("/set-up")
def set_up_page(request: Request) -> HTMLResponse:
    """From an empty machine to an inspector that runs."""
    asked = asked_page(request, Right.LOOK)
    return asked.answer("set_up", "set-up", may_upload=Right.UPLOAD in asked.who.rights)


@ROUTER.post(SET_UP)
async def take_good(request: Request) -> HTMLResponse:
    """Take pictures of good parts, or an archive of them, as a data set to begin with."""
    asked = await run_in_threadpool(asked_page, request, Right.UPLOAD)
    async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
        product, files = form.get("name"), [one for one in form.getlist("pictures") if isinstance(one, UploadFile)]
        if not isinstance(product, str):
            raise OptionError("set-up: give the product a name.")
        taken: Taken | None = None
        error = None
        try:
            taken = await run_in_threadpool(_take, asked, product.strip(), files)
        except KenpinError as refused:
            error = f"{refused}"
    page = render("set_up_done", asked.language, shell=asked.shell("set-up"), taken=taken, error=error, product=product)
    return HTMLResponse(page)


def _take(asked: PageAsked, product: str, files: Sequence[UploadFile]) -> Taken:
    station, refused = asked.station, list[str]()
    with tempfile.TemporaryDirectory(dir=station.folder.path) as folder:

        def good() -> Iterator[tuple[str, bytes]]:
            for name, data in _pictures(files, Path(folder), station.settings.limits.upload_bytes):
                opened = station.decoder.open(Arrival(name, data))
                if opened.error is None:
                    yield name, data
                else:
                    refused.append(f"{opened.error}")

        data_set = station.learning.take_good(asked.who, product, good())
    found = doubts(station.folder.data_sets / data_set.name)
    findings = [f"{one.finding}" for one in found[:_SHOWN]]
    more = len(refused) - _SHOWN
    shown = [*refused[:_SHOWN], *([asked.words("and %(count)s more", count=more)] if more > 0 else [])]
    return Taken(data_set, shown, findings)


def _pictures(files: Sequence[UploadFile], folder: Path, limit_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each picture; those of an archive are unpacked without trust. Raises DownloadError."""
    for number, file in enumerate(files):
        head = file.file.read(len(_ZIP))
        file.file.seek(0)
        if head != _ZIP:
            yield file.filename or f"{number}", file.file.read()
            continue
        archive, inside = folder / f"{number}.zip", folder / f"{number}"
        with archive.open("wb") as copy:
            while piece := file.file.read(1 << 20):
                copy.write(piece)
        unpack(archive, inside, limit_bytes=limit_bytes, progress=lambda *_: None)
        for path in sorted(inside.rglob("*")):
            if path.is_file() and is_picture(path.name):
                yield path.relative_to(inside).as_posix(), read_bytes_once(ImageSource(str(path))).data
