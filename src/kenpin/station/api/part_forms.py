"""A part by several pictures as a form: a file for each picture, with the name of its view."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from kenpin.data.part_names import NameForm
from kenpin.errors import OptionError
from kenpin.station.api.forms import parse_here, read_form
from kenpin.station.arrival import ArrivedView
from kenpin.station.intake.arriving import ArrivingBody
from kenpin.station.who.bodies import BodyRefusedError

PICTURE = "picture"
"""Name of the field of a picture whose file's name tells the view, or whose view has no name."""
MOST_PICTURES = 64
LONGEST_VIEW = 100


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture of a form."""

    field: str
    file: str
    """Its name as the sender calls it: never a path."""
    data: bytes


async def received_pictures(request: Request, body: ArrivingBody, most_bytes: int) -> list[PictureFile]:
    """The pictures of a form, at least one. body: counts what comes; most_bytes: of a picture.

    Raises OptionError where it is no such form, BodyRefusedError where a picture is too large, LineFullError.
    """
    receiving = _Receiving(body, most_bytes)
    await read_form(request.headers.get("content-type", ""), request.stream(), receiving, parse_here)
    if not receiving.pictures:
        raise OptionError("the form has no picture; send each picture of the part as a file.")
    return receiving.pictures


def views_of(pictures: list[PictureFile], form: NameForm | None) -> tuple[ArrivedView, ...]:
    """The pictures with the names of their views: their fields', or those that the files' names tell. form: of the runs
    that judge; None where they have none. Raises OptionError where a name has not this form, or names another part."""
    views, first = list[ArrivedView](), dict[str, str]()
    for one in pictures:
        view: str | None = one.field
        if one.field == PICTURE and form is not None:
            found = form.view_of(one.file)
            if found is None:
                raise OptionError(
                    f"file {one.file!r:.60}: its name has not the form {form.text}, which tells part and view; name it "
                    "so, or name the form's field like the view."
                )
            part, view = found
            first.setdefault(part, one.file)
        elif one.field == PICTURE:
            view = None
        views.append(ArrivedView(view, one.data))
    if len(first) > 1:
        one_of, other = [*first.values()][:2]
        raise OptionError(
            f"files {one_of!r:.60} and {other!r:.60}: their names are of two parts; send the pictures of one part at a "
            "time."
        )
    return tuple(views)


class _Receiving:
    """The pictures of a form as they come, in memory."""

    def __init__(self, body: ArrivingBody, most_bytes: int) -> None:
        self.pictures: list[PictureFile] = []
        self._body, self._most_bytes = body, most_bytes
        self._field = self._file = ""
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def begin(self, field: str, file: str | None) -> None:
        if file is None:
            raise OptionError(f"field {field!r:.60} of the form is no file; send each picture of the part as one.")
        if not field or len(field) > LONGEST_VIEW:
            raise OptionError(
                f"field {field!r:.60} of the form: the name of a view has 1 to {LONGEST_VIEW} letters; name it so, or "
                f"{PICTURE}."
            )
        if len(self.pictures) == MOST_PICTURES:
            raise OptionError(f"the form has more than {MOST_PICTURES} pictures; send those of one part.")
        self._field, self._file, self._pieces, self._size_bytes = field, file, [], 0

    def data(self, piece: bytes) -> None:
        self._body.add(len(piece))
        self._size_bytes += len(piece)
        if self._size_bytes > self._most_bytes:
            raise BodyRefusedError(
                f"picture {self._field!r:.60} has more than {self._most_bytes:,} bytes; send a smaller one."
            )
        self._pieces.append(piece)

    def end(self) -> None:
        self.pictures.append(PictureFile(self._field, self._file, b"".join(self._pieces)))
        self._pieces = []
