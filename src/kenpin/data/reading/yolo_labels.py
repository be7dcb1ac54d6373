"""YOLO's label files: where they lie, and their lines as boxes, polygons, oriented boxes, or boxes with key points."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.names import folded
from kenpin.data.reading.pictures import Finder, id_below, listed
from kenpin.data.reading.reading import Reading, first_text
from kenpin.errors import ShapeError
from kenpin.outlines import Outline, Ring
from kenpin.plural import counted, is_are
from kenpin.records import Box, Detections, Example, ImageSource, Severity

_NO_ANNOTATIONS = re.compile(r"(classes|readme.*|notes|labels|train|val|valid|test)\.txt", re.IGNORECASE)
_LINE = re.compile(r"\A\s*\d+(\.0+)?([ \t]+-?\d*\.?\d+(e-?\d+)?){4,}[ \t]*$", re.MULTILINE | re.IGNORECASE)
_FILES_TRIED = 20
_LOOK_AT_BYTES = 65_536
_FEWEST_LINES = 3  # of which two numbers a point are believed to be key points
_ROUNDING = 0.02  # share of its diagonal by which a rectangle may miss its shape
_SLACK = 0.001  # by which rounding may put a key point outside of its box


@dataclass(frozen=True, slots=True)
class LineForm:
    """What the lines of a data set are, as far as its configuration or the lines themselves say."""

    points: tuple[int, int] | None = None
    """Number of key points, and of numbers for each, after the four numbers of the box; None without key points."""
    task: str | None = None
    """`segment` or `obb` where it is declared: four corners are a polygon, or an oriented box."""


def looks_like_labels(path: str | Path) -> bool:
    """Whether a text file begins with a line of YOLO. Never fails."""
    name = os.path.basename(path)
    return name.endswith(".txt") and not _NO_ANNOTATIONS.fullmatch(name) and bool(_LINE.match(first_text(path, 4096)))


def form_of_lines(files: Iterable[str | Path]) -> LineForm:
    """The form of lines that nobody declared, from those of the first files.

    Key points are believed where each line has the same number of numbers, and either each third number after the box
    is a visibility, 0, 1 or 2, or each point lies in the box.
    """
    lines: list[list[float]] = []
    for number, file in enumerate(files):
        if number == _FILES_TRIED:
            break
        looked_at = first_text(file, _LOOK_AT_BYTES).splitlines()
        for line in looked_at[: max(1, len(looked_at) - 1)]:  # the last one may be cut short
            try:
                values = [float(value) for value in line.split()[1:]]
            except ValueError:
                return LineForm()
            if len(values) == 4 or (lines and len(values) not in (0, len(lines[0]))):
                return LineForm()
            if values:
                lines.append(values)
    count = len(lines[0]) - 4 if lines else 0
    if count > 0 and count % 3 == 0 and all(value in (0, 1, 2) for line in lines for value in line[6::3]):
        return LineForm(points=(count // 3, 3))
    if count > 0 and count % 2 == 0 and count != 4 and len(lines) >= _FEWEST_LINES and all(map(_holds_points, lines)):
        return LineForm(points=(count // 2, 2))
    return LineForm()


def _holds_points(line: Sequence[float]) -> bool:
    cx, cy, width, height = line[:4]
    return all(
        abs(x - cx) <= width / 2 + _SLACK and abs(y - cy) <= height / 2 + _SLACK
        for x, y in zip(line[4::2], line[5::2], strict=True)
    )


def listed_pictures(file: Path, finder: Finder, reading: Reading) -> Iterator[str]:
    """The pictures that a text file names, one a line; a name without a picture is told."""
    for number, line in enumerate((reading.text_of(file) or "").splitlines(), start=1):
        if not (name := line.strip()):
            continue
        if (path := finder.find(name)) is None:
            finder.tell_missing(f"{file}:{number}", name, "Correct the line, or put the picture there")
        else:
            yield path


def labelled_pictures(
    pictures: Iterable[tuple[str | None, str]], root: Path, parser: LabelParser, reading: Reading
) -> Iterator[Example]:
    """An example for each split and path, with the boxes of its label file; label files of no picture are told."""
    labels = LabelFiles(reading)
    seen: set[str] = set()
    for split, path in pictures:
        if path in seen:
            remedy = "List each picture once, in one split"
            reading.tell("duplicate-id", path, "the picture is listed a second time", remedy)
            continue
        seen.add(path)
        source = ImageSource(path)
        label_file = labels.of_picture(path)
        size = reading.size_of(source)
        boxes = None if size is None else Detections() if label_file is None else parser.parse(label_file, size)
        origin = label_file or path
        yield Example(id_below(path, root), source, split, boxes=boxes, size_wh=size, origin=origin)
    labels.tell_orphans()


class LabelFiles:
    """Finds the label file of a picture with one listing of each folder, and reports the files left over."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._left: dict[str, dict[str, str]] = {}  # label folder -> stem -> file name
        self._folded: dict[str, dict[str, str]] = {}  # label folder -> folded stem -> stem; most sets never need it
        self._pictures: dict[str, str] = {}  # label folder -> picture folder

    def of_picture(self, path: str) -> str | None:
        """The label file of a picture, once."""
        folder, name = os.path.split(path)
        parts = folder.split(os.sep)
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            parts[last] = "labels"
        labels = os.sep.join(parts)
        if labels not in self._left:
            texts = (entry.name for entry in listed(labels or ".").ending(".txt"))
            self._left[labels] = {name[:-4]: name for name in texts if not _NO_ANNOTATIONS.fullmatch(name)}
            self._pictures[labels] = folder
        left, stem = self._left[labels], os.path.splitext(name)[0]
        if stem not in left and left:
            if labels not in self._folded:
                self._folded[labels] = {folded(other): other for other in left}
            stem = self._folded[labels].get(folded(stem), stem)
        label_file = left.pop(stem, None)
        return None if label_file is None else os.path.join(labels, label_file)

    def tell_orphans(self) -> None:
        """Note the label files of which no picture was asked for."""
        for labels, left in self._left.items():
            if not left:
                continue
            # a list may leave a picture out on purpose; then its label file is no orphan
            pictures = listed(self._pictures[labels] or ".").pictures
            stems = {os.path.splitext(entry.name)[0] for entry in pictures}
            for stem in sorted(left.keys() - stems):
                remedy = "Put its picture there, or remove the file"
                where = os.path.join(labels, left[stem])
                self._reading.tell(
                    "orphan-annotation",
                    where,
                    "it belongs to no picture",
                    remedy,
                    severity=Severity.WARNING,
                )


class LabelParser:
    """Reads the label files of one data set."""

    def __init__(self, names: Mapping[int, str] | None, form: LineForm, reading: Reading) -> None:
        """names: of the classes by their number; None: the numbers are the names."""
        self._names = names
        self._form, self._reading = form, reading
        self._are_rectangles: bool | None = None  # all lines read, turned perhaps; None: no line

    @property
    def is_of_oriented(self) -> bool:
        """Whether all lines read so far are the corners of rectangles, and nobody declared them to be polygons."""
        return bool(self._are_rectangles) and self._form.task != "segment"

    def parse(self, file: str, size_wh: tuple[int, int]) -> Detections:
        """The boxes and outlines of one file; each line that is none is told."""
        boxes: list[Box] = []
        labels: list[str] = []
        outlines: list[Outline | None] = []
        for number, line in enumerate((self._reading.text_of(file) or "").splitlines(), start=1):
            values = line.split()
            if not values:
                continue
            where = f"{file}:{number}"
            found = self._box_and_outline(values[1:], where, size_wh)
            if found is None:
                what = f"{line[:80]!r} is not `class cx cy w h`, and no polygon"
                self._reading.tell("unparsable-line", where, what, "Write a class number and four fractions")
            elif (label := self._label(values[0])) is None:
                declared = len(self._names or ())
                what = f"it names class {values[0]}, but {counted(declared, 'class')} {is_are(declared)} declared"
                self._reading.tell("unknown-class-id", where, what, "Fix the number, or add the class to `names`")
            else:
                is_rectangle = found[1] is not None and _is_rectangle(found[1].rings[0])
                self._are_rectangles = is_rectangle and self._are_rectangles is not False
                boxes.append(found[0])
                labels.append(label)
                outlines.append(found[1])
        return Detections(tuple(boxes), tuple(labels), outlines=tuple(outlines) if any(outlines) else None)

    def _label(self, text: str) -> str | None:
        number = _class_number(text)
        return self._names.get(number) if self._names is not None else str(number) if number >= 0 else None

    def _box_and_outline(
        self, values: list[str], where: str, size_wh: tuple[int, int]
    ) -> tuple[Box, Outline | None] | None:
        points, each = self._form.points or (0, 0)
        if len(values) == 4 or (points and len(values) == 4 + points * each):
            if len(values) > 4:
                what = f"{counted(points, 'key point')} of each box are not read, only the box"
                self._reading.tell_once("key-points-not-read", where, what, "Nothing to do if boxes are enough")
            four = four_numbers(values[:4])
            return (
                None if four is None else ((self._reading.boxes or BoxForm.CXCYWH_UNIT).to_xyxy_px(four, size_wh), None)
            )
        if self._form.points:
            return None
        width, height = size_wh
        try:
            units = [float(value) for value in values]
            ring = tuple(v * (width if i % 2 == 0 else height) for i, v in enumerate(units))
            outline = Outline((ring,), oriented=self._form.task == "obb" and len(ring) == 8)
        except (ValueError, ShapeError):
            return None
        return outline.box_xyxy_px, outline


def _is_rectangle(ring: Ring) -> bool:
    """Whether a polygon is a rectangle, turned perhaps, as far as rounded fractions of a picture tell."""
    if len(ring) != 8:
        return False
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = zip(ring[0::2], ring[1::2], strict=True)
    slack = _ROUNDING * (1 + math.dist((ax, ay), (cx, cy)))
    is_parallelogram = math.dist((ax + cx, ay + cy), (bx + dx, by + dy)) <= slack
    return is_parallelogram and abs(math.dist((ax, ay), (cx, cy)) - math.dist((bx, by), (dx, dy))) <= slack


def oriented(example: Example) -> Example:
    """The example with its outlines of four corners as oriented boxes."""
    if example.boxes is None or example.boxes.outlines is None:
        return example
    turned = tuple(None if one is None else replace(one, oriented=True) for one in example.boxes.outlines)
    return replace(example, boxes=replace(example.boxes, outlines=turned))


def _class_number(text: str) -> int:
    try:
        number = float(text)  # some tools write 3.0
    except ValueError:
        return -1
    return int(number) if number.is_integer() else -1
