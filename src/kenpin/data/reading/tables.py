"""The rows of a Hugging Face table as examples, its picture column untouched."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kenpin.codecs import florence2, paligemma
from kenpin.data.in_shards import member_of
from kenpin.data.reading import Reading
from kenpin.data.reading.answers import LOCATION, decoded
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.columns import column_of
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import id_below
from kenpin.data.reading.table_boxes import BoxCells, box_cells, is_list, item_feature, may_be_boxes
from kenpin.data.reading.turns import exchanges
from kenpin.data.rows import SCHEMA
from kenpin.errors import ShapeError, first_line
from kenpin.outlines import Outline, from_coco, from_text
from kenpin.plural import counted
from kenpin.records import Box, Detections, Example, ImageSource, Severity

if TYPE_CHECKING:
    import datasets

_FLORENCE_2 = re.compile(r"<loc_[0-9]+>")
_READ_BY_NAME = ("response", "messages", "id")
_QUESTIONS, _ANSWERS = ("prefix", "question"), ("suffix", "caption", "answer")
CHAT_COLUMNS = ("messages", "text", *_QUESTIONS, *_ANSWERS)
"""Names of columns that may hold questions and answers."""
_BATCH = 1_000


class TableReader:
    """Reads one split of a Hugging Face data set."""

    def __init__(self, table: datasets.Dataset, split: str | None, root: Path | None, reading: Reading) -> None:
        """root: the table's folder; None: in memory."""
        import datasets

        self._split, self._root, self._reading = split, root, reading
        source = "the table" if root is None else str(root)
        self._where = f"{source}: {split}" if split else source
        self._image = next(
            (name for name, feature in table.features.items() if isinstance(feature, datasets.Image)),
            column_of("image", table.column_names),
        )
        self._kept: list[int] = []
        if self._image is None:
            what = f"there is no column of pictures among {', '.join(table.column_names)}"
            reading.tell("unparsable-file", self._where, what, "Call it `image`")
            return
        table = table.cast_column(self._image, datasets.Image(decode=False))
        self._features = table.features
        arrow: pa.Table = table.with_format("arrow")[:]
        self._pictures: pa.ChunkedArray = arrow.column(self._image).cast(SCHEMA.field("image").type)
        self._rows = arrow.drop_columns([self._image])
        names = self._rows.column_names
        self._cells = box_cells({name: self._features[name] for name in names})
        taken = set() if self._cells is None else self._cells.columns
        free = [name for name in names if name not in taken]
        plain = [name for name in free if _is_plain(self._features[name])]
        self._label, self._group, self._split_column = (column_of(role, plain) for role in ("label", "group", "split"))
        self._by_name = {name for name in _READ_BY_NAME if name in free}
        self._question = next((name for name in _QUESTIONS if name in free), None)
        self._answer = next((name for name in _ANSWERS if name in free), None)
        if self._answer is None and "text" in free and not self._label and not taken and not self._by_name - {"id"}:
            self._answer = "text"  # beside labels or boxes it may be anything
        roles = {self._label, self._group, self._split_column, self._question, self._answer}
        read = {*self._by_name, *roles}
        self._attributes = [name for name in plain if name not in read]
        if unread := [name for name in free if name not in {*read, *plain}]:
            self._tell_unread(unread, is_annotated=bool(taken or self._label or self._answer or self._by_name - {"id"}))

    def _tell_unread(self, names: list[str], *, is_annotated: bool) -> None:
        what = f"columns {', '.join(names)} are not read"
        remedy = "Call boxes `objects` with `bbox` and `category`, if they are annotations"
        if not is_annotated and any(may_be_boxes(self._features[name]) for name in names):
            self._reading.tell("nothing-annotated", self._where, f"{what}, and no other one annotates", remedy)
        else:
            self._reading.tell_once("column-not-read", self._where, what, remedy, severity=Severity.WARNING)

    @property
    def classes(self) -> Sequence[str]:
        """Class names that the table's features declare."""
        if self._image is None:
            return ()
        features = [self._features.get(self._label)]
        if self._cells is not None and self._cells.classes is not None:
            features.append(self._cells.features[self._cells.classes])
        return list(dict.fromkeys(name for feature in features for name in _class_names(feature)))

    def kept_pictures(self) -> pa.ChunkedArray:
        """The pictures of the examples that `examples` yielded; not copied where it yielded all."""
        if self._kept == list(range(len(self._pictures))):
            return self._pictures
        return self._pictures.take(pa.array(self._kept, pa.int64()))

    def examples(self, taken: set[str]) -> Iterator[Example]:
        """The rows as examples without their pictures, see `kept_pictures`. `taken`: the ids given out so far."""
        if self._image is None:
            return
        for start in range(0, len(self._pictures), _BATCH):
            pictures = self._pictures.slice(start, _BATCH)
            rows = self._rows.slice(start, _BATCH).to_pylist() if self._rows.num_columns else [{}] * len(pictures)
            paths = pc.struct_field(pictures, "path").to_pylist()
            outside = pc.struct_field(pictures, "bytes").is_null().to_pylist()
            for number, (row, path, is_outside) in enumerate(zip(rows, paths, outside, strict=True), start=start):
                where = f"{self._where}: row {number}"
                in_shard = path is not None and member_of(path) is not None
                if is_outside and not in_shard and not (path and os.path.isfile(path)):
                    what = f"its picture {path!r} is missing" if path else "it has no picture"
                    self._reading.tell("missing-image", where, what, "Put it there, or leave the row out")
                    continue
                name = self._id(row, number, path if is_outside and not in_shard else None, taken)
                for count, (question, answer) in enumerate(self._turns(row, where), start=1):
                    self._kept.append(number)
                    yield self._example(name if count == 1 else f"{name}#{count}", row, number, where, question, answer)

    def _id(self, row: Mapping[str, Any], number: int, path: str | None, taken: set[str]) -> str:
        name = f"{self._split or 'row'}/{number:06d}"
        if row.get("id") is not None:
            stated = str(row["id"])
            if stated in taken:
                what = f"id {stated!r} occurs twice; such rows are named by their number, such as {name}"
                self._reading.tell_once("duplicate-id", self._where, what, "Nothing to do if the ids do not matter")
            else:
                name = stated
        elif path is not None:
            below = id_below(path, os.path.abspath(self._root)) if self._root else PurePath(path).as_posix()
            name = name if below in taken else below  # a picture that has a row for each of its boxes, for example
        taken.add(name)
        return name

    def _turns(self, row: Mapping[str, Any], where: str) -> list[tuple[str | None, str | None]]:
        """Questions and answers of a row: of its messages, or of its columns."""
        if row.get("messages") is not None:
            turns = exchanges(row["messages"])
            if turns is not None:
                return turns
            what, remedy = "its messages are not a chat", "Write role and content for each"
            self._reading.tell("answer-not-understood", where, what, remedy)
        return [(row.get(self._question or ""), row.get(self._answer or ""))]

    def _example(
        self,
        name: str,
        row: Mapping[str, Any],
        number: int,
        where: str,
        question: str | None,
        suffix: str | None,
    ) -> Example:
        label = self._text(self._label, row)
        boxes, size = None, None
        objects = None if self._cells is None else self._cells.of_row(row)
        if objects is not None and self._cells is not None:
            boxes = self._objects(objects, self._cells, self._source_for_boxes(number), where)
        elif row.get("response") is not None:
            boxes, answered = self._response(row["response"], where)
            label = label or answered
        if boxes is None and self._cells is None and isinstance(suffix, str):
            source, codec = ImageSource(), florence2
            if LOCATION.search(suffix):  # only then is the picture's size needed, and its bytes are fetched
                source = self._source(number)
                codec = florence2 if _FLORENCE_2.search(suffix) else paligemma
            boxes, suffix, size = decoded(suffix, source, codec, where, self._reading)
        split = self._text(self._split_column, row)
        attributes = {column: self._text(column, row) for column in self._attributes}
        return Example(
            name,
            ImageSource(name),
            self._split if split is None else split_name(split) or split,
            label,
            boxes,
            self._text(self._group, row),
            question,
            suffix,
            size_wh=size,
            attributes={column: text for column, text in attributes.items() if text is not None},
            origin=where,
        )

    def _text(self, column: str | None, row: Mapping[str, Any]) -> str | None:
        """A plain cell as text, a class number as its name."""
        return None if column is None else _text(row[column], self._features[column])

    def _source(self, number: int) -> ImageSource:
        picture = self._pictures[number].as_py()
        return ImageSource(picture["path"], picture["bytes"])

    def _source_for_boxes(self, number: int) -> ImageSource:
        """The picture of a row, where its boxes need its size: else its bytes are not fetched."""
        form = self._reading.boxes
        return self._source(number) if form is not None and form.is_unit else ImageSource()

    def _objects(
        self, objects: Mapping[str, Any], cells: BoxCells, source: ImageSource, where: str
    ) -> Detections | None:
        """The boxes of a row; COCO's left, top, width, height in pixels unless the reading says otherwise."""
        given = objects.get(cells.boxes)
        if given is None:
            return None
        names = objects.get(cells.classes or "") or [None] * len(given)
        if not given and not names:  # most pictures of good parts
            return Detections()
        if len(names) != len(given):
            what = f"it has {counted(len(given), 'box')} and {counted(len(names), 'category')}"
            self._reading.tell("box-unparsable", where, what, "Give each box a category")
            return None
        feature = item_feature(cells.features.get(cells.classes or ""))
        if any(isinstance(name, int) for name in names) and not _class_names(feature):
            what, remedy = "its classes are numbers without names", "Nothing to do if numbers will do; else name them"
            self._reading.tell_once("class-without-name", self._where, what, remedy)
        boxes: list[Box] = []
        labels: list[str] = []
        kept: list[int] = []
        for index, (values, name) in enumerate(zip(given, names, strict=True)):
            box = self._reading.box(values, BoxForm.XYWH, source)
            label = _text(name, feature)
            if box is None or label is None:
                what = f"bbox {values!r} with category {name!r} is not a labelled box"
                remedy = "Write left, top, width and height in pixels, and a category"
                self._reading.tell("box-unparsable", f"{where}, object {index}", what, remedy)
                continue
            boxes.append(box)
            labels.append(label)
            kept.append(index)
        segments, crowd = objects.get("segments"), objects.get("iscrowd")
        drawn = objects.get("outlines") or objects.get("segmentation") or ()
        outlines = [self._outline(drawn[index], f"{where}, object {index}") for index in kept if index < len(drawn)]
        return Detections(
            tuple(boxes),
            tuple(labels),
            segments=tuple(segments[index] or "" for index in kept) if segments else None,
            crowd=tuple(bool(crowd[index]) for index in kept) if crowd and any(crowd) else None,
            outlines=tuple(outlines) if len(outlines) == len(kept) and any(outlines) else None,
        )

    def _outline(self, drawn: Any, where: str) -> Outline | None:
        """An outline as kenpin writes it, a text, or as COCO has it; None where there is none, or it is told to be."""
        if not drawn:
            return None
        try:
            return from_text(drawn) if isinstance(drawn, str) else from_coco(drawn)
        except (ShapeError, ValueError) as error:
            what, remedy = (
                f"its outline cannot be read ({first_line(error)})",
                "Write it as COCO has it, or leave it out",
            )
            self._reading.tell("outline-unparsable", where, what, remedy)
            return None

    def _response(self, response: Any, where: str) -> tuple[Detections | None, str | None]:
        """Boxes x1 y1 x2 y2 in pixels and, where only one class is named, the label of the whole picture.

        Labels without boxes leave the picture without box annotation; without both it is annotated as empty.
        """
        try:
            answer = ast.literal_eval(response)
            given = [four for four in answer["bboxes"] if len(four)]
            labels = [str(label) for label in answer["labels"]]
            boxes = [four_numbers(four) for four in given]
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
            boxes, labels = [None], []
        sound = tuple(box for box in boxes if box is not None)
        label = labels[0] if len(set(labels)) == 1 else None
        if len(sound) < len(boxes) or (boxes and len(boxes) != len(labels)):
            what = f"response {str(response)[:80]!r} is not a dict of bboxes and as many labels"
            self._reading.tell(
                "answer-not-understood",
                where,
                what,
                "Write {'bboxes': [[x1, y1, x2, y2]], 'labels': ['a']}",
            )
            return None, label
        return (None if labels and not boxes else Detections(sound, tuple(labels))), label


def _is_plain(feature: Any) -> bool:
    """Whether a cell is one number, text or class."""
    return not is_list(feature) and not str(getattr(feature, "dtype", "dict")).startswith(("dict", "PIL", "binary"))


def _class_names(feature: Any) -> Sequence[str]:
    return getattr(item_feature(feature), "names", None) or ()


def _text(value: Any, feature: Any) -> str | None:
    if value is None or value == "":
        return None
    names = _class_names(feature)
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None  # -1: the hub's mark for an unknown label
    return str(value)
