"""The page of the set-up: good pictures in, a data set to begin with, and from there to the first training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.responses import HTMLResponse

from kenpin.data.archive import is_zip, unpack
from kenpin.data.picture_files import PictureBytes, PictureError, read_bytes_once
from kenpin.data.reading.pictures import is_picture
from kenpin.errors import KenpinError
from kenpin.files import hidden_folder
from kenpin.records import ImageSource
from kenpin.station.api.app import sentence_of
from kenpin.station.arrival import Arrival
from kenpin.station.folder import check_name
from kenpin.station.learning.doubts import doubts
from kenpin.station.learning.steering import NamedDataSet
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.rendering import render
from kenpin.station.pages.uploads import UploadedFile, check_room, receive_upload
from kenpin.station.settings import Limits
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
SET_UP = "/set-up/good"
"""Where pictures are sent to."""
_MOST_FILES = 5_000
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
    station, taken, error, product = asked.station, None, None, ""
    # what a killed station left of an upload is removed with the next one
    async with contextmanager_in_threadpool(hidden_folder(station.folder.path / "upload")) as folder:
        try:
            upload = await receive_upload(
                request.headers.get("content-type", ""), request.stream(), folder, most_files=_MOST_FILES,
                free_bytes=station.settings.limits.free_bytes,
            )  # fmt: skip
            product = upload.fields.get("name", "").strip()
            taken = await run_in_threadpool(_take, asked, product, upload.files, folder)
        except KenpinError as refused:
            error = sentence_of(request, refused)
    page = render("set_up_done", asked.language, shell=asked.shell("set-up"), taken=taken, error=error, product=product)
    return HTMLResponse(page, 200 if error is None else 409)


def _take(asked: PageAsked, product: str, files: Sequence[UploadedFile], folder: Path) -> Taken:
    """Look at all files first, so that of an upload that is refused nothing is kept. Raises KenpinError."""
    station, refused = asked.station, list[str]()
    check_name(product, "product")
    good = list[tuple[str, str, Path]]()
    for file in _pictures(files, folder / "unpacked", station.settings.limits):
        try:
            once = _read(file, station.settings.limits.picture_bytes)
        except PictureError as error:
            refused.append(f"{error}")
            continue
        opened = station.viewer.open(Arrival(file.name, once.data))
        if opened.error is None:
            good.append((file.name, once.content, file.path))
        else:
            refused.append(f"{opened.error}")
            file.path.unlink()
    data_set = station.learning.take_good(asked.who, product, good)
    found = doubts(station.folder.data_sets / data_set.name)
    findings = [f"{one.finding}" for one in found[:_SHOWN]]
    more = len(refused) - _SHOWN
    shown = [*refused[:_SHOWN], *([asked.words("and %(count)s more", count=more)] if more > 0 else [])]
    return Taken(data_set, shown, findings)


def _pictures(files: Sequence[UploadedFile], folder: Path, limits: Limits) -> Iterator[UploadedFile]:
    """Each picture; those of archives are unpacked without trust, all of them together within the limit of one upload.
    Raises DownloadError, OutputError."""
    left_bytes = limits.upload_bytes
    for number, file in enumerate(files):
        if not is_zip(file.path):
            yield file
            continue
        inside = folder / f"{number}"
        folder.mkdir(exist_ok=True)
        room = min(left_bytes, check_room(folder, limits.free_bytes))
        unpack(file.path, inside, limit_bytes=room, progress=lambda *_: None)
        file.path.unlink()
        for path in sorted(inside.rglob("*")):
            if not path.is_file():
                continue
            left_bytes -= path.stat().st_size
            if is_picture(path.name):
                yield UploadedFile(path.relative_to(inside).as_posix(), path)
            else:
                path.unlink()


def _read(file: UploadedFile, most_bytes: int) -> PictureBytes:
    """The picture's file. Raises PictureError, with the name that it was sent by, for one that no line takes."""
    try:
        return read_bytes_once(ImageSource(str(file.path)), most_bytes)
    except PictureError as error:
        raise PictureError(ImageSource(file.name), error.code, error.what, error.remedy) from error
