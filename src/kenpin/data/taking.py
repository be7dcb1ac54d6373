"""Objects in memory as a data set: pictures in a list, a table such as a pandas frame, Hugging Face data, splits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.formats import huggingface, items
from kenpin.data.images import png_of
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import column_of, has_pictures
from kenpin.data.reading.library_tables import as_table
from kenpin.data.reading.names import readable, split_name
from kenpin.data.rows import SCHEMA
from kenpin.errors import DatasetError, first_line
from kenpin.records import Example, ImageSource

if TYPE_CHECKING:
    import datasets

Picture: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | bytes | Example
"""One picture: the path of its file, of Pillow, an array of `images.png_of`, a file's bytes, or an example."""
DataSource: TypeAlias = (
    "Dataset | str | os.PathLike[str] | Iterable[Any] | Mapping[str, Any] | pa.Table | datasets.Dataset"
)
"""A data set: kenpin's own; the path or hub id of one; pictures, each alone or as a pair with its label; a table with a
column of pictures or columns of numbers: of pandas, Arrow or `datasets`; or several of these by the names of their
splits, `datasets.DatasetDict` among them."""
TAKEN = (
    "a path or hub id, a list of pictures (paths, PIL pictures, uint8 arrays, bytes, or pairs of one with its label), "
    "a datasets.Dataset or DatasetDict, a pandas frame, or a dict from split to one of these"
)


def taken(source: object, reading: Reading, part: Callable[[Any], Dataset]) -> Dataset:
    """An object in memory as a data set. part: makes a data set of a dict's value; its key is then the split.

    A problem goes to `note`. Raises DatasetError.
    """
    tables = _hugging_face(source)
    if tables is not None:
        return huggingface.of_tables(tables, None, reading)
    if isinstance(source, Mapping):
        return _joined({str(split): part(share) for split, share in source.items()})
    table = _arrow(source)
    if table is not None:
        if has_pictures(table.schema):
            return huggingface.of_tables([(None, as_table(table, "a table with pictures"))], None, reading)
        return items.of_table(table, None, reading)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes):
        return of_pictures(source)
    kind = "one picture" if isinstance(source, Image.Image | bytes) else f"type {type(source).__name__}"
    raise DatasetError(f"{kind} cannot be read as a data set; give {TAKEN}.")


def is_picture(source: object) -> bool:
    """Whether it is a single `Picture`."""
    return isinstance(source, str | os.PathLike | Image.Image | np.ndarray | bytes | Example)


def of_pictures(pictures: Iterable[Any]) -> Dataset:
    """Pictures, each alone or as a pair with its label, as a data set; files are not opened.

    A picture is called by its path, others by their number in the list. Raises DatasetError, ImageError.
    """
    return Dataset.from_examples(_examples(pictures))


def _examples(pictures: Iterable[Any]) -> Iterator[Example]:
    named: dict[str, int] = {}
    for number, entry in enumerate(pictures):
        if isinstance(entry, Example):
            yield entry
            continue
        picture, label = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, None)
        name = f"picture/{number:06d}"
        if isinstance(picture, str | os.PathLike):
            source = ImageSource(os.fspath(picture))
            name = readable(os.fspath(picture))
        elif isinstance(picture, bytes):
            source = ImageSource(name, picture)
        elif isinstance(picture, Image.Image | np.ndarray):
            source = ImageSource(name, png_of(picture, name))
        else:
            kind = type(picture).__name__
            raise DatasetError(f"item {number} of the list: type {kind} cannot be read as a picture; give {TAKEN}.")
        named[name] = named.get(name, 0) + 1
        yield Example(
            name if named[name] == 1 else f"{name}#{named[name]}",  # an id is unique
            source,
            label=None if label is None else str(label),
            origin=f"item {number} of the list",
        )


def _hugging_face(source: object) -> list[tuple[str | None, datasets.Dataset]] | None:
    """Splits and tables of the `datasets` library; None of anything else."""
    library = sys.modules.get("datasets")  # who holds a data set of it has imported it
    if library is None:
        return None
    if isinstance(source, library.IterableDataset | library.IterableDatasetDict):
        raise DatasetError("a streamed data set has no end to divide; load it without streaming=True.")
    if isinstance(source, library.DatasetDict | library.Dataset):
        return huggingface.tables_of(source)
    return None


def _arrow(source: object) -> pa.Table | None:
    """A table of pandas, of Arrow, or of whatever hands its columns to Arrow; None of anything else."""
    pandas = sys.modules.get("pandas")
    try:
        if pandas is not None and isinstance(source, pandas.DataFrame):
            table = _of_pandas(source)
        elif hasattr(source, "__arrow_c_stream__"):
            table = pa.table(source)
        else:
            return None
    except (pa.ArrowException, TypeError) as error:
        reason = error.args[-1] if error.args else first_line(error)  # pandas adds the column behind Arrow's words
        raise DatasetError(
            f"the frame cannot be read as a table ({reason}); give pictures as paths or bytes, and each column values "
            "of one kind."
        ) from error
    _check_names(table.column_names)
    return pa.table({name: _plain(table.column(name)) for name in table.column_names})


def _of_pandas(frame: Any) -> pa.Table:
    """Its columns without its index; of pictures, `Path` objects, which Arrow does not know, are text."""
    names = [str(name) for name in frame.columns]
    _check_names(names)
    column = column_of("image", names)
    if column is not None:
        paths = [os.fspath(cell) if isinstance(cell, os.PathLike) else cell for cell in frame[column]]
        frame = frame.assign(**{column: paths})
    return pa.Table.from_pandas(frame, preserve_index=False)


def _check_names(names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DatasetError(f"the frame names the column {twice[0]!r} more than once; give each a name of its own.")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Categories as their values, and long texts as texts."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _joined(parts: Mapping[str, Dataset]) -> Dataset:
    """The data sets as splits of one; ids that occur in several begin with the split. Raises DatasetError."""
    if not parts:
        raise DatasetError(f"a dict without splits is not a data set; give {TAKEN}.")
    if len({part.item_names for part in parts.values()}) > 1:
        raise DatasetError("the splits do not hold the same: give pictures to all of them, or the same measured items.")
    ids = [id for part in parts.values() for id in part.column("id")]
    is_unique = len(set(ids)) == len(ids)
    tables = []
    for name, part in parts.items():
        split = split_name(name) or name
        table = part.with_splits([split] * len(part)).arrow
        if not is_unique:
            column = pa.array([f"{split}/{id}" for id in part.column("id")], pa.string())
            table = table.set_column(table.column_names.index("id"), SCHEMA.field("id"), column)
        tables.append(table.cast(SCHEMA))
    first = next(iter(parts.values()))
    return Dataset(
        pa.concat_tables(tables),
        classes=tuple(dict.fromkeys(name for part in parts.values() for name in part.declared_classes)),
        root=_common_root(parts.values()),
        format=first.format if len({part.format for part in parts.values()}) == 1 else "",
        item_names=first.item_names,
        findings=[finding for part in parts.values() for finding in part.findings],
    )


def _common_root(parts: Iterable[Dataset]) -> str:
    """The folder that all of them were read from, or below it; none where one lies in memory."""
    roots = [part.root for part in parts]
    if not all(roots):
        return ""
    return roots[0] if len(set(roots)) == 1 else os.path.commonpath([Path(root).absolute() for root in roots])
