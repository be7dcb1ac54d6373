"""Dataset: labelled pictures, or measured parts, as an Arrow table of fixed columns, mapped where its source is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from kenpin.data.picture_files import PictureBytes, read_as_known, read_bytes_once
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.library_tables import as_table
from kenpin.data.reading.names import path_of_stored
from kenpin.data.rows import READ, SCHEMA, blocks_of, examples_of, gathered, row_of
from kenpin.errors import DatasetError, ImageError
from kenpin.nearest import did_you_mean
from kenpin.plural import counted
from kenpin.records import Example, Finding, ImageSource

if TYPE_CHECKING:
    import datasets
    from numpy.typing import NDArray


class Opener(Protocol):
    """Opens examples whose pictures are cut out of others."""

    def content(self, example: Example) -> str:
        """Hash of the picture's content; empty where it cannot be read."""

    def open(self, example: Example) -> PictureBytes:
        """The picture, with that hash. Raises ImageError."""


class Dataset:
    """Labelled pictures: an Arrow table with the columns of `SCHEMA`, and the classes in their declared order.

    Indexing and iterating give `Example`s; pictures are never opened here (`kenpin.data.images` does that).
    """

    def __init__(
        self,
        table: pa.Table,
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
        self._opener: Opener | None = None
        self._hashes = {} if hashes is None else hashes
        self._is_unique = list[bool]()  # whether the table's ids are, once that is known; its selections share it
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
        return cls(pa.concat_tables(blocks_of(examples)), classes=classes, root=str(root), format=format)

    def __repr__(self) -> str:
        from kenpin.data.showing import in_a_line

        return in_a_line(self)

    def _repr_html_(self) -> str:
        from kenpin.data.showing import as_html

        return as_html(self)

    def __len__(self) -> int:
        return len(self._table if self._rows is None else self._rows)

    def __getitem__(self, index: int) -> Example:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: there are {counted(len(self), 'example')}")
        row = index % len(self) if self._rows is None else int(self._rows[index])
        (example,) = examples_of(self._table.slice(row, 1))
        return example

    def __iter__(self) -> Iterator[Example]:
        if self._rows is not None:
            yield from gathered(self._table, self._rows)
            return
        for start in range(0, len(self), READ):
            yield from examples_of(self._table.slice(start, READ))

    @property
    def table(self) -> datasets.Dataset:
        """The examples as a `datasets` table with the columns of `SCHEMA`. Raises MissingExtraError."""
        return as_table(self.arrow, "a data set as a table of that library")

    @property
    def arrow(self) -> pa.Table:
        """The examples as an Arrow table with the columns of `SCHEMA`; no picture is copied."""
        if self._rows is None:
            return self._table
        # slices, since `take` puts the pictures of all chunks into one array, which ends at 2 GiB
        ends = np.flatnonzero(np.diff(self._rows) != 1) + 1
        runs = np.split(self._rows, ends)
        return pa.concat_tables([self._table.slice(int(run[0]) if len(run) else 0, len(run)) for run in runs])

    def _of_examples(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The values of the examples, of all rows' values; not of pictures, see `arrow`."""
        return column if self._rows is None else column.take(pa.array(self._rows))

    def _column(self, name: str) -> pa.ChunkedArray:
        return self._of_examples(self._table.column(name))

    def column(self, name: str) -> list[Any]:
        """One column of `SCHEMA` as a list, without touching the others."""
        column = self._column(name)
        values: list[Any] = [None] * len(column) if column.null_count == len(column) else column.to_pylist()
        return values

    def has_any(self, *names: str) -> NDArray[np.bool_]:
        """Which examples have a value in one of these columns of `SCHEMA`, (n,). No value is touched."""
        import pyarrow.compute as pc  # takes as long to load as Arrow itself, and one picture does not need it

        found = np.zeros(len(self), bool)
        for name in names:
            found |= self._of_examples(pc.is_valid(self._table.column(name))).to_numpy()
        return found

    def files(self) -> list[str | None]:
        """Path of each picture's file, (n,); None where the picture lies in memory. No picture's bytes are touched."""
        import pyarrow.compute as pc

        image = self._table.column("image")
        in_memory = pc.is_valid(pc.struct_field(image, "bytes"))
        stored = self._of_examples(pc.if_else(in_memory, None, pc.struct_field(image, "path"))).to_pylist()
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

    def with_groups(self, groups: Sequence[str | None]) -> Dataset:
        """The same examples with these groups, one for each."""
        return self._with_column("group", groups)

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
        if not self._ids_are_unique():
            return [self.content_of(example) for example in self]
        ids = self.column("id")
        missing = [row for row, id in enumerate(ids) if id not in self._hashes]
        if missing and self.item_names:
            numbers = self.select(missing).numbers(sorted(self.item_names))
            digests = [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in numbers]
            self._hashes.update(zip([ids[row] for row in missing], digests, strict=True))
        elif missing:
            for example in self.select(missing):
                self._hashes[example.id] = self.content_of(example)
        return [self._hashes[id] for id in ids]

    def content_of(self, example: Example) -> str:
        """Hash of one example's picture: a known one, else that of what is read now; empty where it cannot be."""
        if known := self._hashes.get(example.id):
            return known
        return content_hash(example.image) if self._opener is None else self._opener.content(example)

    def hashed(self) -> list[str] | None:
        """`contents`, where all are known already and are those of pictures that could be read; else None, and no file
        is opened."""
        if not self._hashes or not self._ids_are_unique():
            return None
        contents = [self._hashes.get(id, "") for id in self.column("id")]
        return contents if all(contents) else None

    def _ids_are_unique(self) -> bool:
        """Not so in a data set put together by hand, where an id may stand for several pictures."""
        import pyarrow.compute as pc

        if not self._is_unique:
            every = self._table.column("id")
            self._is_unique.append(pc.count_distinct(every).as_py() == len(every))
        return self._is_unique[0]

    def with_contents(self, contents: Sequence[str]) -> Dataset:
        """The same examples, whose content hashes are known to be these, one for each."""
        dataset = self._with(self._table, self._rows)
        dataset._hashes = dict(zip(self.column("id"), contents, strict=True))
        return dataset

    def source_of(self, example: Example) -> ImageSource:
        """The picture of one of the examples, to be opened: the very bytes that `contents` is of, where that was asked
        for. Raises PictureError where another picture came under its name since."""
        if self._opener is not None:
            return self._opener.open(example).source
        return read_as_known(example.image, self._hashes.get(example.id, ""))

    def read_once(self, example: Example) -> PictureBytes:
        """The same with its content hash. Raises PictureError."""
        if self._opener is not None:
            return self._opener.open(example)
        return read_bytes_once(self.source_of(example))

    def content_ahead(self, example: Example) -> str:
        """Its content hash, where that is known for certain before it is opened; else empty."""
        return "" if self._opener is None else self._opener.content(example)

    def cut_out_of(self, pictures: Dataset, opener: Opener) -> Dataset:
        """The same examples, which this opens from the pictures of another data set: where their content hashes are
        known, these are too."""
        dataset = self._with(self._table, self._rows)
        dataset._opener = opener
        return dataset if pictures.hashed() is None else dataset.with_contents([opener.content(one) for one in self])

    def fingerprint(self) -> str:
        """Hash of all annotations and all picture contents; independent of where the data set lies."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps(self.classes, ensure_ascii=False).encode())
        digest.update("".join(f"\0{name}" for name in self.item_names).encode())
        contents = [""] * len(self) if self.item_names else self.contents()
        for example, content in zip(self, contents, strict=True):
            digest.update(content.encode())
            row = row_of(replace(example, origin="", mask=None))
            row.pop("image")
            for name in ("items", "box_outlines"):
                if row[name] is None:
                    row.pop(name)  # data sets keep the fingerprints that they had before there was such a column
            digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
        return digest.hexdigest()

    def _with_column(self, name: str, values: Sequence[str | None]) -> Dataset:
        rows, arrow = self._rows, self._table
        if rows is not None and len(np.unique(rows)) < len(rows):  # a row that comes twice may get two values
            rows, arrow = None, self.arrow
        all_values = np.full(len(arrow), None, object)
        all_values[slice(None) if rows is None else rows] = values
        column = arrow.set_column(arrow.column_names.index(name), SCHEMA.field(name), pa.array(all_values, pa.string()))
        return self._with(column, rows)

    def _with(self, table: pa.Table, rows: NDArray[np.int64] | None, classes: Sequence[str] | None = None) -> Dataset:
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
        dataset._opener = self._opener
        if table is self._table:
            dataset._is_unique = self._is_unique
        dataset.box_form = self.box_form
        return dataset


def content_hash(source: ImageSource) -> str:
    """Hash of the bytes of a picture file, 32 hexadecimal digits; empty where there is no file that can be read. Where
    the pixels are needed too, `read_bytes_once` gives both from one reading."""
    try:
        return read_bytes_once(source).content
    except ImageError:
        return ""
