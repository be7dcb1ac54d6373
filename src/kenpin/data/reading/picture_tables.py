"""Tables that name pictures: what their columns mean, and their rows as examples with labels or boxes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kenpin.data.reading import Reading
from kenpin.data.reading.box_columns import BoxColumns, are_fractions, box_columns, columns_without_head
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.columns import column_of, key_of
from kenpin.data.reading.delimited import TextTable, table_of_text
from kenpin.data.reading.foreign import tool_of
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import ByStem, Finder, id_below, is_picture, pictures_below
from kenpin.plural import counted
from kenpin.records import Box, Detections, Example, ImageSource, Severity

_ROLES = ("image", "label", "group", "split")
_ONLY_CLASS = "object"  # of boxes without a column of classes


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table with the split that its folder or name says."""

    file: Path
    split: str | None


def names_pictures(columns: Sequence[str]) -> bool:
    """Whether the first line of a table names a column of pictures, or is a row with a picture already."""
    return _picture_column(columns) is not None or any(map(is_picture, columns))


def _picture_column(columns: Sequence[str]) -> str | None:
    """The column of pictures; of boxes, that of names without an ending too, as Open Images has them."""
    found = column_of("image", columns)
    if found is None and box_columns(columns) is not None:
        found = next((name for name in columns if key_of(name) == "imageid"), None)
    return found


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the columns of a table mean, by their indices."""

    names: tuple[str, ...]
    roles: dict[str, int | None]
    box: BoxColumns | None
    classes: tuple[int, ...]
    further: tuple[int, ...]

    def value(self, role: str, cells: Sequence[str]) -> str:
        place = self.roles[role]
        return "" if place is None else cells[place]


@dataclass(slots=True)
class _Row:
    """What a table says of one picture: in one line, or in one line for each of its boxes."""

    picture: str
    where: str
    cells: list[str]
    attributes: dict[str, str]
    boxes: list[tuple[Box, str]] = field(default_factory=list)
    """Four numbers as they are written, and the class."""


class PictureTable:
    """Reads one table."""

    def __init__(self, source: TableFile, root: Path, listed: set[str], reading: Reading) -> None:
        """root: of the data set; listed: the pictures of the tables before this one, which gets those of it."""
        self._source, self._root, self._listed, self._reading = source, root, listed, reading
        self._by_stem: ByStem | None = None
        folder = source.file.parent
        self._finder = Finder([folder, folder / "images", root, root / "images"], root, reading)

    def examples(self) -> Iterator[Example]:
        """The rows as examples, the lines of one picture as one; every problem goes to `reading`."""
        file, reading = self._source.file, self._reading
        text = reading.text_of(file)
        if text is None:
            return
        if (tool := tool_of(file)) is not None and not tool.is_read:
            what = f"this is {tool.name}, whose cells hold annotations of a form of their own"
            reading.tell("unparsable-file", file, what, tool.remedy)
            return
        table = table_of_text(text)
        if table is None:
            reading.tell("unparsable-file", file, "there is nothing in it", "Export it again")
            return
        columns = _columns(table, file, reading)
        if columns is None:
            return
        if columns_without_head(table.columns) is not None:
            table = replace(table, columns=columns.names, head_line=0)
        rows = self._rows(table, columns)
        if columns.box is not None:
            yield from self._examples_of_boxes(rows, columns, columns.box)
            return
        for row in rows:
            if self._is_new(row, columns):
                yield self._example(row, columns, label=_label(row, columns, reading))

    def _rows(self, table: TextTable, columns: _Columns) -> Iterator[_Row]:
        """Each line that can be read and whose picture is there."""
        count = len(columns.names)
        for line, cells in table.rows():
            where = f"{self._source.file}:{line}"
            if isinstance(cells, csv.Error):
                what = f"it cannot be read ({cells})"
                self._reading.tell("unparsable-line", where, what, "Correct or remove the line")
                continue
            if len(cells) < count or any(cell.strip() for cell in cells[count:]):
                what = f"it has {counted(len(cells), 'cell')} for {counted(count, 'column')}"
                remedy = "Give every column a cell; quote cells that hold the delimiter"
                self._reading.tell("unparsable-line", where, what, remedy)
                continue
            name = columns.value("image", cells)
            picture = self._find(name.strip()) or self._find(name) if name.strip() else None
            if picture is None:
                self._finder.tell_missing(where, name, "Put it there, or remove the line")
                continue
            yield _Row(picture, where, cells, {columns.names[p]: cells[p] for p in columns.further if cells[p]})

    def _find(self, name: str) -> str | None:
        """Path of a picture, by its stem where the name has no ending of a picture."""
        if is_picture(name):
            return self._finder.find(name)
        if self._by_stem is None:
            self._by_stem = ByStem(pictures_below(self._root, [], unlisted=[]))
        found = self._by_stem.of(name)
        return self._finder.find(name) or (found[0] if len(found) == 1 else None)

    def _is_new(self, row: _Row, columns: _Columns) -> bool:
        if row.picture in self._listed:
            what = f"the picture {columns.value('image', row.cells)!r} is listed a second time"
            self._reading.tell("duplicate-id", row.where, what, "Write one line for each picture")
            return False
        self._listed.add(row.picture)
        return True

    def _example(
        self,
        row: _Row,
        columns: _Columns,
        *,
        label: str | None = None,
        boxes: Detections | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> Example:
        split = columns.value("split", row.cells)
        return Example(
            id_below(row.picture, self._root),
            ImageSource(row.picture),
            split_name(split) or split or self._source.split,
            label,
            boxes,
            columns.value("group", row.cells) or None,
            size_wh=size_wh,
            attributes=row.attributes,
            origin=row.where,
        )

    def _examples_of_boxes(self, rows: Iterator[_Row], columns: _Columns, box: BoxColumns) -> Iterator[Example]:
        """The pictures of a table with a line for each box, in the order of their first lines."""
        by_picture: dict[str, _Row] = {}
        for row in rows:
            first = by_picture.setdefault(row.picture, row)
            if first is not row:  # what its lines do not agree in belongs to the boxes
                first.attributes = dict(first.attributes.items() & row.attributes.items())
            texts = box.texts_of(row.cells)
            four = four_numbers([text.replace(",", ".") for text in texts])
            if four is None and texts:
                what = f"{', '.join(texts)} are not four numbers of a box"
                self._reading.tell("box-unparsable", row.where, what, "Write four numbers, or none of them")
            elif four is not None and (label := self._class_of(row, columns)) is not None:
                first.boxes.append((four, label))
        form = box.form
        if are_fractions(four for row in by_picture.values() for four, _ in row.boxes):
            form = BoxForm(f"{form}-unit")
            what, remedy = "its boxes are fractions of the pictures", "Nothing to do, or settle it with --boxes"
            self._reading.tell("box-form", self._source.file, what, remedy, severity=Severity.INFO)
        for row in by_picture.values():
            if self._is_new(row, columns):
                size = box.size_wh_of(row.cells)
                yield self._example(row, columns, boxes=self._detections(row, form, size), size_wh=size)

    def _class_of(self, row: _Row, columns: _Columns) -> str | None:
        if columns.roles["label"] is None:
            what = f"its boxes have no column of classes, so that all are of the class {_ONLY_CLASS!r}"
            self._reading.tell_once(
                "boxes-without-class", self._source.file, what, "Add a column `class` if it matters"
            )
            return _ONLY_CLASS
        if label := columns.value("label", row.cells):
            return label
        self._reading.tell("box-unparsable", row.where, "the box has no class", "Write it, or remove the line")
        return None

    def _detections(self, row: _Row, form: BoxForm, size_wh: tuple[int, int] | None) -> Detections | None:
        boxes = [self._reading.box(four, form, ImageSource(row.picture), size_wh) for four, _ in row.boxes]
        if None in boxes:  # the picture's size is not to be had, which is told
            return None
        return Detections(tuple(filter(None, boxes)), tuple(label for _, label in row.boxes))


def _columns(table: TextTable, file: Path, reading: Reading) -> _Columns | None:
    """What the columns mean; None, and a finding, where the first line does not say it."""
    where = f"{file}:{table.head_line}"
    names = columns_without_head(table.columns) or table.columns
    if any(map(is_picture, names)):
        what = "its first line holds a picture and no names of columns, so that it is not known what the others mean"
        reading.tell("unparsable-file", where, what, "Write a line such as path,label above it")
        return None
    if _picture_column(names) is None:
        what, remedy = "its first line names no column path, image or file", "Name the columns in the first line"
        if next(table.rows(), None) is None:
            what, remedy = "there is no row below its first line", "Write one for each picture or part"
        reading.tell("unparsable-file", file, what, remedy)
        return None
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        what = f"its first line names the column {twice[0]} more than once"
        reading.tell("unparsable-file", where, what, "Give each column a name of its own")
        return None
    if unnamed := [place for place, name in enumerate(names) if not name]:
        # a first one without a name is the count of rows that pandas writes
        severity = Severity.INFO if unnamed == [0] else Severity.WARNING
        what = f"column {unnamed[0] + 1} has no name, so that it is not read"
        reading.tell("column-not-read", where, what, "Name it, if it is of any use", severity=severity)
    box = box_columns(names)
    by_name = {role: column_of(role, names) for role in _ROLES} | {"image": _picture_column(names)}
    roles = {role: None if name is None else names.index(name) for role, name in by_name.items()}
    taken = {*roles.values(), *unnamed}
    if box is not None:
        taken |= {*box.places, *(box.size_places or ())}
    further = tuple(place for place in range(len(names)) if place not in taken)
    classes = further if box is None and roles["label"] is None and _are_marks(table, further) else ()
    return _Columns(names, roles, box, classes, () if classes else further)


def _are_marks(table: TextTable, places: Sequence[int]) -> bool:
    """Whether several columns hold 0 and 1 alone."""
    rows = (cells for _, cells in table.rows() if not isinstance(cells, csv.Error))
    return len(places) > 1 and all(
        cells[place].strip() in ("0", "1", "0.0", "1.0")
        for cells in rows
        for place in places
        if len(cells) >= len(table.columns)
    )


def _label(row: _Row, columns: _Columns, reading: Reading) -> str | None:
    """The class of a picture: that of its label column, or the one whose column holds a 1."""
    if not columns.classes:
        return columns.value("label", row.cells) or None
    marked = [columns.names[place] for place in columns.classes if float(row.cells[place]) == 1]
    if len(marked) > 1:
        what = f"{counted(len(marked), 'class')} are marked with 1: {', '.join(marked)}; a picture has one label"
        remedy = "Leave 1 in one column, or annotate the defects with boxes"
        reading.tell("several-labels", row.where, what, remedy)
        return None
    return marked[0] if marked else None
