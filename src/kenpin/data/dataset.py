"""Dataset: labelled pictures, or measured parts, as one table of fixed columns, memory-mapped where its source is."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kenpin.data.picture_files import read_as_known, read_bytes_once
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.names import path_of_stored, readable, stored_path
from kenpin.errors import DatasetError, ImageError
from kenpin.nearest import did_you_mean
from kenpin.outlines import from_text, to_text
from kenpin.plural import counted
from kenpin.records import Detections, Example, Finding, ImageSource

if TYPE_CHECKING:
    import datasets
    from numpy.typing import NDArray

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("split", pa.string()),
        ("label", pa.string()),
        ("boxes_xyxy_px", pa.list_(pa.list_(pa.float64()))),
        ("box_labels", pa.list_(pa.string())),
        ("box_segments", pa.list_(pa.string())),
        ("box_crowd", pa.list_(pa.bool_())),
        ("group", pa.string()),
        ("prefix", pa.string()),
        ("suffix", pa.string()),
        ("mask", pa.string()),
        ("size_wh", pa.list_(pa.int64())),
        ("attributes", pa.string()),  # a JSON object; "{}" where there are none
        ("origin", pa.string()),
        ("items", pa.list_(pa.float64())),
        ("box_outlines", pa.list_(pa.string())),  # of `outlines.to_text`
    ]
)
_BLOCK = 10_000  # examples turned into columns at a time, so that a long reader never holds them all as objects
_READ = 1_000  # rows turned into examples at a time


def _row(example: Example) -> dict[str, Any]:
    boxes = example.boxes
    outlines = None if boxes is None else boxes.outlines
    return {
        "id": readable(example.id),
        "image": {"bytes": example.image.data, "path": stored_path(example.image.path)},
        "split": example.split,
        "label": example.label,
        "boxes_xyxy_px": None if boxes is None else [list(box) for box in boxes.boxes_xyxy_px],
        "box_labels": None if boxes is None else list(boxes.labels),
        "box_segments": None if boxes is None or boxes.segments is None else list(boxes.segments),
        "box_crowd": None if boxes is None or boxes.crowd is None else list(boxes.crowd),
        "group": example.group,
        "prefix": example.prefix,
        "suffix": example.suffix,
        "mask": stored_path(example.mask),
        "size_wh": None if example.size_wh is None else list(example.size_wh),
        "attributes": json.dumps(dict(example.attributes), ensure_ascii=False) if example.attributes else "{}",
        "origin": readable(example.origin),
        "items": None if example.items is None else list(example.items),
        "box_outlines": None if outlines is None else [outline and to_text(outline) for outline in outlines],
    }


def _example(row: Sequence[Any]) -> Example:
    """The values of a row, in the order of `SCHEMA`, as an example."""
    (id, image, split, label, boxes_xyxy_px, box_labels, box_segments, box_crowd,
     group, prefix, suffix, mask, size_wh, attributes, origin, items, box_outlines) = row  # fmt: skip
    boxes = None
    if boxes_xyxy_px is not None:
        boxes = Detections(
            boxes_xyxy_px=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes_xyxy_px),
            labels=tuple(box_labels),
            segments=None if box_segments is None else tuple(box_segments),
            crowd=None if box_crowd is None else tuple(box_crowd),
            outlines=None if box_outlines is None else tuple(text and from_text(text) for text in box_outlines),
        )
    return Example(
        id=id,
        image=ImageSource() if image is None else ImageSource(path_of_stored(image["path"]), image["bytes"]),
        split=split,
        label=label,
        boxes=boxes,
        group=group,
        prefix=prefix,
        suffix=suffix,
        mask=path_of_stored(mask),
        size_wh=None if size_wh is None else (size_wh[0], size_wh[1]),
        attributes={} if attributes == "{}" else json.loads(attributes),
        origin=origin,
        items=None if items is None else tuple(items),
    )


def _examples(block: pa.Table | pa.RecordBatch) -> Iterator[Example]:
    """The rows of a block as examples. Most columns are empty; no value is read from those."""
    columns = (block.column(name) for name in SCHEMA.names)
    values = (repeat(None) if column.null_count == len(block) else column.to_pylist() for column in columns)
    return map(_example, zip(*values, strict=False))


def _gathered(arrow: pa.Table, rows: NDArray[np.int64]) -> Iterator[Example]:
    """The examples of these rows, taken batch by batch: `datasets` cuts out row by row, and each row then costs as much
    as opening a small picture."""
    batches = arrow.to_batches()
    ends = np.cumsum([len(batch) for batch in batches])
    for start in range(0, len(rows), _READ):
        wanted = rows[start : start + _READ]
        examples: dict[int, Example] = {}
        of_batch = np.searchsorted(ends, wanted, side="right")
        for number in np.unique(of_batch):
            at = np.flatnonzero(of_batch == number)
            batch = batches[number]
            taken = batch.take(pa.array(wanted[at] - (ends[number] - len(batch))))
            examples.update(zip(at.tolist(), _examples(taken), strict=True))
        yield from (examples[row] for row in range(len(wanted)))


def _blocks(examples: Iterable[Example]) -> Iterator[pa.Table]:
    rows: list[dict[str, Any]] = []
    for example in examples:
        rows.append(_row(example))
        if len(rows) == _BLOCK:
            yield pa.Table.from_pylist(rows, schema=SCHEMA)
            rows = []
    yield pa.Table.from_pylist(rows, schema=SCHEMA)


def as_table(arrow: pa.Table) -> datasets.Dataset:
    """Arrow data as a `datasets` table; nothing is copied."""
    import datasets

    # a random name: without one, the library hashes every byte of every picture
    return datasets.Dataset(arrow, fingerprint=secrets.token_hex(8))


class Dataset:
    """Labelled pictures: a `datasets` table with the columns of `SCHEMA`, and the classes in their declared order.

    Indexing and iterating give `Example`s; pictures are never opened here (`kenpin.data.images` does that).
    """

    def __init__(
        self,
        table: datasets.Dataset,
        *,
        classes: Sequence[str] = (),
        root: str = "",
        format: str = "",
        item_names: Sequence[str] = (),
        findings: Sequence[Finding] = (),
        rows: NDArray[np.int64] | None = None,
        hashes: dict[str, str] | None = None,
    ) -> None:
        """rows: of the table, those that are its examples, in order; None: all. hashes: content hashes by id, as far as
        they are known."""
        self._table, self._rows = table, rows
        self._hashes = {} if hashes is None else hashes
        self.root = root
        """Folder, file or hub id it was read from."""
        self.format = format
        """Name of the format it was read in."""
        self.item_names = tuple(item_names)
        """Names of the items of a table of measured parts; empty for pictures."""
        self.findings = tuple(findings)
        """Findings of its reader: what was left out and why, and what is odd. The doctor looks for more."""
        self.box_form: BoxForm | None = None
        """The form in which the four numbers of its boxes were read; None where its format has no other."""
        self._classes = tuple(classes)

    @classmethod
    def from_examples(
        cls, examples: Iterable[Example], *, classes: Sequence[str] = (), root: Path | str = "", format: str = ""
    ) -> Dataset:
        """Collect examples, block by block, into a data set. `classes`: the declared ones, in order."""
        return cls(as_table(pa.concat_tables(_blocks(examples))), classes=classes, root=str(root), format=format)

    def __repr__(self) -> str:
        from kenpin.data.showing import in_a_line

        return in_a_line(self)

    def _repr_html_(self) -> str:
        from kenpin.data.showing import as_html

        return as_html(self)

    def __len__(self) -> int:
        return len(self._table if self._rows is None else self._rows)

    def __getitem__(self, index: int) -> Example:
        row = self._table[index if self._rows is None else int(self._rows[index])]
        return _example([row[name] for name in SCHEMA.names])

    def __iter__(self) -> Iterator[Example]:
        if self._rows is not None:
            yield from _gathered(self._arrow, self._rows)
            return
        for start in range(0, len(self), _READ):
            yield from _examples(self._arrow.slice(start, _READ))

    @property
    def table(self) -> datasets.Dataset:
        """The examples as a `datasets` table with the columns of `SCHEMA`."""
        return self._table if self._rows is None else self._table.select(self._rows)

    @property
    def _arrow(self) -> pa.Table:
        return self._table.data.table

    def _column(self, name: str) -> pa.ChunkedArray:
        column = self._arrow.column(name)
        return column if self._rows is None else column.take(pa.array(self._rows))

    def column(self, name: str) -> list[Any]:
        """One column of `SCHEMA` as a list, without touching the others."""
        column = self._column(name)
        values: list[Any] = [None] * len(column) if column.null_count == len(column) else column.to_pylist()
        return values

    def has_any(self, *names: str) -> NDArray[np.bool_]:
        """Which examples have a value in one of these columns of `SCHEMA`, (n,). No value is touched."""
        found = np.zeros(len(self), bool)
        for name in names:
            found |= pc.is_valid(self._column(name)).to_numpy()
        return found

    def files(self) -> list[str | None]:
        """Path of each picture's file, (n,); None where the picture lies in memory. No picture's bytes are touched."""
        image = self._column("image")
        in_memory = pc.is_valid(pc.struct_field(image, "bytes"))
        stored = pc.if_else(in_memory, None, pc.struct_field(image, "path")).to_pylist()
        return list(map(path_of_stored, stored))

    def masks(self) -> list[str | None]:
        """Path of each picture's mask, (n,); None where it has none."""
        return list(map(path_of_stored, self.column("mask")))

    @property
    def classes(self) -> tuple[str, ...]:
        """Declared classes in their order, then undeclared ones that occur, sorted."""
        seen = {label for label in self.column("label") if label is not None}
        for labels in self.column("box_labels"):
            seen.update(labels or ())
        return self._classes + tuple(sorted(seen - set(self._classes)))

    @property
    def declared_classes(self) -> tuple[str, ...]:
        """Classes that the source itself declares, whether or not they occur."""
        return self._classes

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that occur, sorted; examples without a split are in none."""
        return tuple(sorted({split for split in self.column("split") if split is not None}))

    def select(self, indices: Iterable[int]) -> Dataset:
        """The examples of these indices, in this order. Raises IndexError."""
        rows = np.fromiter(indices, np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"index {rows.max()} is out of range: there are {counted(len(self), 'example')}")
        return self._with(self._table, rows if self._rows is None else self._rows[rows])

    def where(self, keep: Callable[[Example], bool]) -> Dataset:
        """The examples for which `keep` is true."""
        return self.select(i for i, example in enumerate(self) if keep(example))

    def of_split(self, split: str) -> Dataset:
        """The examples of one split."""
        return self.select(i for i, name in enumerate(self.column("split")) if name == split)

    def required_split(self, split: str) -> Dataset:
        """The examples of one split that must occur. Raises DatasetError, which names the nearest one."""
        if split not in self.splits:
            raise DatasetError(f"{self.root or 'the data set'}: no split {split!r}; {did_you_mean(split, self.splits)}")
        return self.of_split(split)

    def with_splits(self, splits: Sequence[str | None]) -> Dataset:
        """The same examples with these splits, one for each."""
        return self._with_column("split", splits)

    def with_labels(self, labels: Sequence[str | None], classes: Sequence[str]) -> Dataset:
        """The same examples with these whole-picture labels, one for each, and these classes."""
        changed = self._with_column("label", labels)
        return changed._with(changed._table, changed._rows, classes)

    def with_findings(self, findings: Sequence[Finding], box_form: BoxForm | None = None) -> Dataset:
        """The same examples with these findings of their reader, and the form in which it read boxes."""
        dataset = self._with(self._table, self._rows)
        dataset.findings = tuple(findings)
        dataset.box_form = box_form or self.box_form
        return dataset

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Measured items by name, whatever their order in the table: (examples, names). Raises DatasetError."""
        if lacking := [name for name in names if name not in self.item_names]:
            raise DatasetError(
                f"{self.root or 'the data set'}: it has no item {lacking[0]!r}; its items are "
                f"{', '.join(self.item_names) or 'none, for it holds pictures'}."
            )
        rows = [chunk.flatten().to_numpy() for chunk in self._column("items").chunks]
        positions = [self.item_names.index(name) for name in names]
        return np.concatenate([np.empty(0), *rows]).reshape(len(self), len(self.item_names))[:, positions]

    def contents(self) -> list[str]:
        """Hash of each example's content, (n,): of the bytes of its picture file, or of the numbers of its table row;
        empty where a picture cannot be read.

        Each file is read once; selections of the data set share the hashes.
        """
        ids, every = self.column("id"), self._arrow.column("id")
        if pc.count_distinct(every).as_py() < len(every):  # put together by hand: an id may stand for several pictures
            return [content_hash(example.image) for example in self]
        missing = [row for row, id in enumerate(ids) if id not in self._hashes]
        if missing and self.item_names:
            numbers = self.select(missing).numbers(sorted(self.item_names))
            digests = [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in numbers]
            self._hashes.update(zip([ids[row] for row in missing], digests, strict=True))
        elif missing:
            for example in self.select(missing):
                self._hashes[example.id] = content_hash(example.image)
        return [self._hashes[id] for id in ids]

    def with_contents(self, contents: Sequence[str]) -> Dataset:
        """The same examples, whose content hashes are known to be these, one for each."""
        dataset = self._with(self._table, self._rows)
        dataset._hashes = dict(zip(self.column("id"), contents, strict=True))
        return dataset

    def source_of(self, example: Example) -> ImageSource:
        """The picture of one of the examples, to be opened: the very bytes that `contents` is of, where that was asked
        for. Raises PictureError where another picture came under its name since."""
        return read_as_known(example.image, self._hashes.get(example.id, ""))

    def fingerprint(self) -> str:
        """Hash of all annotations and all picture contents; independent of where the data set lies."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps(self.classes, ensure_ascii=False).encode())
        digest.update("".join(f"\0{name}" for name in self.item_names).encode())
        contents = [""] * len(self) if self.item_names else self.contents()
        for example, content in zip(self, contents, strict=True):
            digest.update(content.encode())
            row = _row(replace(example, origin="", mask=None))
            row.pop("image")
            for name in ("items", "box_outlines"):
                if row[name] is None:
                    row.pop(name)  # data sets keep the fingerprints that they had before there was such a column
            digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
        return digest.hexdigest()

    def _with_column(self, name: str, values: Sequence[str | None]) -> Dataset:
        rows, arrow = self._rows, self._arrow
        if rows is not None and len(np.unique(rows)) < len(rows):  # a row that comes twice may get two values
            rows, arrow = None, self.table.with_format("arrow")[:]
        all_values = np.full(len(arrow), None, object)
        all_values[slice(None) if rows is None else rows] = values
        column = arrow.set_column(arrow.column_names.index(name), SCHEMA.field(name), pa.array(all_values, pa.string()))
        return self._with(as_table(column), rows)

    def _with(
        self, table: datasets.Dataset, rows: NDArray[np.int64] | None, classes: Sequence[str] | None = None
    ) -> Dataset:
        known = self._classes if classes is None else classes
        dataset = Dataset(
            table,
            classes=known,
            root=self.root,
            format=self.format,
            item_names=self.item_names,
            findings=self.findings,
            rows=rows,
            hashes=self._hashes,
        )
        dataset.box_form = self.box_form
        return dataset


def content_hash(source: ImageSource) -> str:
    """Hash of the bytes of a picture file, 32 hexadecimal digits; empty where there is no file that can be read. Where
    the pixels are needed too, `read_bytes_once` gives both from one reading."""
    try:
        return read_bytes_once(source).content
    except ImageError:
        return ""
