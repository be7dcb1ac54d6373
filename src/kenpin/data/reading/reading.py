"""One reading of a data set: it takes problems, opens texts within bounds, and remembers which files were used."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from typing import Any

import yaml

from kenpin.data.images import displayed_size
from kenpin.data.picture_files import PictureError
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.encodings import declared_encoding, decode, known_encoding
from kenpin.data.reading.names import AbsolutePaths, readable
from kenpin.errors import OptionError
from kenpin.records import Box, Finding, ImageSource, Severity

Note = Callable[[Finding], None]
"""Takes every problem that a reader meets; it may raise to end the reading."""

StrPath = str | os.PathLike[str]

LARGEST_TEXT = 2**29
"""Bytes of the largest annotation file that is read, 512 MiB: a little more than that of COCO 2017 itself."""
_LONGEST_CONFIG = 2**24  # bytes of a YAML file: a list of a hundred thousand pictures
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Reading:
    """What a format's `read` is given: where problems go, and what the user has settled about the files."""

    def __init__(self, note: Note, *, encoding: str | None = None, boxes: BoxForm | str | None = None) -> None:
        """encoding: of texts that are not marked as Unicode; boxes: what the four numbers of a box are, whatever the
        format says. Raises OptionError for an encoding or a form that is not known."""
        if encoding is not None and known_encoding(encoding) is None:
            raise OptionError(
                f"option `--encoding`: {encoding!r} is no encoding; common ones are utf-8, cp932 (Shift_JIS), euc_jp, "
                "gb18030 (GBK), big5, cp949 and cp1252."
            )
        self.note = note
        self.encoding = None if encoding is None else known_encoding(encoding)
        self.boxes = None if boxes is None else BoxForm.of(boxes)
        self.box_form: BoxForm | None = None
        """The form in which boxes were read, where the user may settle another one."""
        self.used: set[str] = set()
        """Absolute paths of the annotation files that were opened, or left for a reason that was told."""
        self._told: set[str] = set()
        self._absolute = AbsolutePaths()

    def tell(self, code: str, where: object, what: str, remedy: str, *, severity: Severity = Severity.ERROR) -> None:
        """Hand on one finding."""
        self.note(Finding(severity, code, readable(str(where)), readable(what), remedy))

    def tell_once(
        self, code: str, where: object, what: str, remedy: str, *, severity: Severity = Severity.INFO
    ) -> None:
        """Hand on a finding if it is the first of its code."""
        if code not in self._told:
            self._told.add(code)
            self.tell(code, where, what, remedy, severity=severity)

    def use(self, path: StrPath) -> None:
        """Remember that a file was read, or left for a reason that is told."""
        self.used.add(self._absolute.of(os.fspath(path)))

    def size_of(self, source: ImageSource) -> tuple[int, int] | None:
        """Displayed width and height from the picture's header; None and a finding where it cannot be read."""
        try:
            return displayed_size(source)
        except PictureError as error:
            self.tell("unreadable-image", source, error.what, error.remedy)
        return None

    def box(
        self, values: object, form: BoxForm, source: ImageSource, size_wh: tuple[int, int] | None = None
    ) -> Box | None:
        """Four numbers of the form that the format says, or that was settled, as x1, y1, x2, y2 in pixels.

        source: the picture, whose header is read where the form needs the size and it is not stated. None where they
        are not four finite numbers, or the size is not to be had.
        """
        four = four_numbers(values)
        form = self.box_form = self.boxes or form
        if form.is_unit and size_wh is None:
            size_wh = self.size_of(source)
        elif not form.is_unit:
            size_wh = (1, 1)
        return None if four is None or size_wh is None else form.to_xyxy_px(four, size_wh)

    def bytes_of(self, path: StrPath, *, limit: int = LARGEST_TEXT) -> bytes | None:
        """The content of an annotation file; None and a finding where it cannot be read or is larger than `limit`."""
        self.use(path)
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                self.tell("missing-file", path, "this is not a file", "Put the annotation file there")
                return None
            if status.st_size > limit:
                what = f"it has {status.st_size:,} bytes, more than the {limit:,} that are read"
                self.tell("file-too-large", path, what, "Export it in parts, a folder each")
                return None
            with open(path, "rb") as file:
                return file.read(status.st_size + 1)  # memory of that size is taken, however few bytes there are
        except OSError as error:
            what = f"it cannot be read ({error.strerror or error})"
            self.tell("missing-file", path, what, "Put it there, or correct its name")
        return None

    def text_of(self, path: StrPath, *, limit: int = LARGEST_TEXT) -> str | None:
        """The file as text, line ends unchanged; None and a finding where it cannot be read so.

        A file that is not Unicode is read in the encoding that was settled, or in the most plausible one: it is told.
        """
        content = self.bytes_of(path, limit=limit)
        return None if content is None else self.decoded(content, path)

    def decoded(self, content: bytes, path: StrPath) -> str | None:
        """The content of a file as text, as `text_of` has it."""
        found = decode(content, self.encoding)
        if found is None:
            what = "it is not text" if self.encoding is None else f"it is not text in the encoding {self.encoding}"
            remedy = "Save it again as UTF-8" if self.encoding is None else "Settle another one with --encoding"
            self.tell("unparsable-file", path, what, remedy)
            return None
        if not found.is_unicode and self.encoding is None:
            doubt = f", and may be {' or '.join(found.others)}" if found.others else ""
            severity = Severity.WARNING if found.others else Severity.INFO
            other = found.others[0] if found.others else "NAME"
            remedy = f"Nothing to do if its texts are right; else settle it with --encoding {other}"
            what = f"it is not UTF-8; it was read as {found.encoding}{doubt}"
            self.tell_once("text-encoding", path, what, remedy, severity=severity)
        return found.text

    def json_of(self, path: StrPath) -> Any:
        """The file's JSON value, without lone surrogates, which are no characters; None and a finding where there is
        none."""
        text = self.text_of(path)
        if text is None:
            return None
        try:
            return json_value(text)
        except (ValueError, RecursionError) as error:
            self.tell(
                "unparsable-file", path, f"it is not JSON ({_first(error)})", "Export it again, or correct it there"
            )
        return None

    def yaml_of(self, path: StrPath) -> dict[str, Any] | None:
        """The keys of a YAML file, every value as text; None and a finding where there are none.

        Aliases are refused: a few lines of them stand for billions of values.
        """
        text = self.text_of(path, limit=_LONGEST_CONFIG)
        if text is None:
            return None
        try:
            # everything as text: YAML would turn classes called NO, off or 1.0 into something else
            config = yaml.load(text or "{}", Loader=_PlainLoader)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            what = f"it is not YAML ({' '.join(_first(error).split())})"
            self.tell("unparsable-file", path, what, "Correct that line")
            return None
        if not isinstance(config, dict):
            self.tell("unparsable-file", path, "it holds no keys", "Write `names:`, `train:` and `val:`")
            return None
        return config

    def xml_text_of(self, path: StrPath) -> str | None:
        """An XML file as text, in the encoding that it declares; None and a finding where it is not in that one.

        A file that declares none is UTF-8 or UTF-16 by the rules of XML; any other is refused, and which it may be is
        said.
        """
        content = self.bytes_of(path)
        if content is None:
            return None
        declared = declared_encoding(content)
        settled = self.encoding or (None if declared is None else known_encoding(declared))
        if declared is not None and settled is None:
            what = f"it declares the encoding {declared}, which is not known"
            self.tell("unparsable-file", path, what, "Settle it with --encoding, utf-8 for example")
            return None
        found = decode(content, settled)
        if found is None:
            what = f"it is not text in the encoding {settled or 'that it must have'}"
            self.tell("unparsable-file", path, what, "Settle the right one with --encoding")
            return None
        if settled is None and not found.is_unicode:
            names = " or ".join((found.encoding, *found.others))
            what = f"it declares no encoding and is not UTF-8; by its characters it may be {names}"
            self.tell("unparsable-file", path, what, f"Settle it with --encoding {found.encoding}")
            return None
        return found.text


def json_value(text: str) -> Any:
    """The value of a JSON text, lone surrogates replaced. Raises ValueError, RecursionError."""
    value = json.loads(text)
    return _without_surrogates(value) if _ESCAPED_SURROGATE.search(text) else value


def first_bytes(path: StrPath, count: int) -> bytes:
    """The first bytes of a file; none where it is not a regular file or cannot be read: a look never fails."""
    return _part(path, count, from_end=False)


def last_bytes(path: StrPath, count: int) -> bytes:
    """The last bytes of a file, as `first_bytes`."""
    return _part(path, count, from_end=True)


def _part(path: StrPath, count: int, *, from_end: bool) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return b""
        with open(path, "rb") as file:
            if from_end:
                file.seek(max(status.st_size - count, 0))
            return file.read(count)
    except (OSError, ValueError):
        return b""


def first_text(path: StrPath, count: int, encoding: str | None = None) -> str:
    """The first bytes of a file as text, whatever its encoding; empty where it is no text: a look never fails."""
    content = first_bytes(path, count)
    for shorter in range(5):  # the end may lie within a character
        found = decode(content[: len(content) - shorter], encoding)
        if found is not None and (found.is_unicode or shorter == 0):
            return found.text
    return "" if b"\0" in content else content.decode("utf-8", "replace")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _first(error: BaseException) -> str:
    return str(error)[:200]


class _PlainLoader(yaml.BaseLoader):
    """YAML without aliases, every scalar as text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} refers to another one with *{event.anchor}")
        return super().compose_node(parent, index)
