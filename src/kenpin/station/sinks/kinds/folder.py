"""Folder: a JSON file for each event, and the part's picture beside it where that is asked for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pydantic import Field, field_validator

from kenpin.data.images import FORMATS, read_header
from kenpin.errors import ImageError
from kenpin.files import new_file, write_json
from kenpin.records import ImageSource
from kenpin.station.sinks.contract import SinkAwayError, SinkOptions, SinkPlace
from kenpin.station.sinks.message import key_of, message_of
from kenpin.station.sinks.pattern import check_pattern, fill
from kenpin.station.told import Told

SUMMARY = "a folder that other programs read"
NEEDS = "A folder that can be written to; a file is there whole or not at all, and told again it is the same file."

_LONGEST = 80  # characters of a name; 255 bytes are the most that a file's name may have
_NO_NAME = re.compile(r"[^\w.() +,=@-]|^\.|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE)


class FolderOptions(SinkOptions):
    """What a folder takes."""

    folder: Path = Field(description="Folder that is written to, from the station's folder; made where it is missing.")
    below: str = Field(
        "",
        description="Folders below it, with node, product, version, id, lot, verdict, label, kind and date in braces: "
        "{product}/{date}.",
    )
    picture: bool = Field(False, description="Whether the part's picture is copied beside the JSON file.")

    @field_validator("below")
    @classmethod
    def _has_known_fields(cls, below: str) -> str:
        check_pattern(below)
        if below.startswith("/") or ".." in below.split("/"):
            raise ValueError(f"{below!r} leads out of the folder; write folders below it.")
        return below


OPTIONS = FolderOptions


def open(options: FolderOptions, place: SinkPlace) -> FolderSink:
    """A folder, made where it is missing. Raises SinkAwayError."""
    return FolderSink(options, place)


class FolderSink:
    """A folder of messages."""

    def __init__(self, options: FolderOptions, place: SinkPlace) -> None:
        self._place, self._below, self._with_picture = place, options.below, options.picture
        self._folder = place.folder / options.folder.expanduser()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._away(error) from error

    def send(self, told: Told) -> None:
        """Write an event. Raises SinkAwayError where the folder cannot be written to."""
        stem = stem_of(told)
        target = self._folder / below_of(told, self._below, self._place.node) / f"{stem}.json"
        message = message_of(told, self._place.node)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self._with_picture:
                message["picture"] = self._copy_picture(told, target)
            write_json(target, message)  # last: whoever sees it finds the picture
        except OSError as error:
            raise self._away(error) from error

    def close(self) -> None:
        """Nothing is open."""

    def _copy_picture(self, told: Told, target: Path) -> str | None:
        """Name of the picture beside the target; None where there is none, or it was removed."""
        picture = None if told.picture is None else self._place.picture(told.picture)
        if picture is None:
            return None
        copy = target.with_suffix(_suffix_of(picture))
        try:
            with new_file(copy) as path:
                shutil.copy(picture, path)
        except FileNotFoundError:
            return None  # removed in this moment
        return copy.name

    def _away(self, error: OSError) -> SinkAwayError:
        why = error.strerror or error
        return SinkAwayError(f"{self._folder}: cannot be written to ({why}); it is tried again by itself.")


def stem_of(told: Told) -> str:
    """Name of an event's files without ending: in the order of time, and the same each time it is told."""
    at = re.sub(r"[^0-9T]", "", told.judged_at.partition("+")[0].partition("Z")[0])
    return f"{at}-{told.kind}-{_as_name(told.id or told.product)}-{key_of(told)[:12]}"


def below_of(told: Told, below: str, node: str) -> str:
    """The folders below the sink's in which an event lies, none of which can lead out of it."""
    return fill(below, told, node, _as_name)


def _as_name(text: str) -> str:
    """Text as a part of a file's name, on every system: what cannot stand there becomes `_`."""
    return _NO_NAME.sub("_", text[-_LONGEST:].encode()[-_LONGEST * 2 :].decode("utf-8", "ignore")) or "_"


def _suffix_of(picture: Path) -> str:
    try:
        return FORMATS[read_header(ImageSource(str(picture))).format][0]
    except ImageError:
        return ".bin"  # a part that is no picture has a record too
