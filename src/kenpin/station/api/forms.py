"""Forms with files (multipart/form-data), read piece by piece: what becomes of each part is its receiver's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from kenpin.errors import OptionError

LONGEST_NAME = 500
"""Letters of the name of a field or a file that are kept."""
_BROKEN = "the upload is no complete form with files; send it again."


class FormReceiver(Protocol):
    """Takes the parts of a form in their order; what it raises ends the reading."""

    def begin(self, field: str, file: str | None) -> None:
        """Begin a part. field: its name; file: the name of its file as the sender calls it, None where it is a text."""

    def data(self, piece: bytes) -> None:
        """Take the next bytes of the part."""

    def end(self) -> None:
        """End the part."""


async def read_form(
    content_type: str,
    pieces: AsyncIterator[bytes],
    receiver: FormReceiver,
    parse: Callable[[Callable[[bytes], object], bytes], Awaitable[object]],
) -> None:
    """Read a form. parse: calls the parser with a piece, in this thread or in another one.

    Raises OptionError where it is no such form or breaks off, and what the receiver raises.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise OptionError("the upload is no form with files; send it as multipart/form-data.")
    reading = _Reading(receiver)
    try:
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": reading.begin,
                "on_header_field": reading.header_name,
                "on_header_value": reading.header_value,
                "on_header_end": reading.header_end,
                "on_headers_finished": reading.headers_end,
                "on_part_data": reading.data,
                "on_part_end": receiver.end,
                "on_end": reading.complete,
            },
        )
        async for piece in pieces:
            await parse(parser.write, piece)
    except FormParserError as error:
        raise OptionError(_BROKEN) from error
    if not reading.is_complete:
        raise OptionError(_BROKEN)


async def parse_here(write: Callable[[bytes], object], piece: bytes) -> None:
    """Parse a piece in this thread: for a receiver that writes nothing to disk."""
    write(piece)


class _Reading:
    """The parts of a form, as the parser finds them."""

    def __init__(self, receiver: FormReceiver) -> None:
        self._receiver = receiver
        self._name = self._value = self._disposition = b""
        self.is_complete = False
        """Whether its last line came."""

    def begin(self) -> None:
        self._disposition = b""

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        file = options.get(b"filename")
        self._receiver.begin(_text(options.get(b"name", b"")), None if file is None else _text(file))

    def data(self, data: bytes, start: int, end: int) -> None:
        self._receiver.data(data[start:end])

    def complete(self) -> None:
        self.is_complete = True


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")[:LONGEST_NAME]
