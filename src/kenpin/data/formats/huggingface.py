"""Hugging Face data: a hub id (`owner/name`, `owner/name@revision`), `save_to_disk`, Parquet or image folder.

Columns: `image`; `label`; `objects` with COCO's `bbox` (left, top, width, height in pixels) and `category`; `suffix`,
free text or an answer in Florence-2's or PaliGemma's syntax, recognised by its tokens, or instead of it `caption`,
`answer`, or `text` where nothing else is annotated; `messages`, a chat of which each answer is an example; `response`,
a Python literal `{'bboxes': [[x1, y1, x2, y2]], 'labels': ['scratch']}` in pixels; `id`, `group` (lot, part, serial),
`split` and `prefix` or `question`. Further plain columns are attributes. All boxes come out as x1 y1 x2 y2 in pixels of
the displayed picture. Pictures stay in the mapped file; no code of a data set is ever run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kenpin.data.dataset import Dataset
from kenpin.data.formats import CARRIABLE
from kenpin.data.outlining import outlines_of_example
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import attribute_columns, has_pictures
from kenpin.data.reading.library_tables import (
    METADATA,
    SPLITS,
    STATE,
    load_folder,
    load_from_hub,
    load_parquet,
    load_saved,
)
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import file_name, files_below, listed, subfolders
from kenpin.data.reading.tables import CHAT_COLUMNS, TableReader
from kenpin.data.rows import SCHEMA
from kenpin.errors import check_datasets_installed, first_line
from kenpin.outlines import to_text
from kenpin.records import Example

if TYPE_CHECKING:
    import datasets

SUMMARY = "Hugging Face hub id, save_to_disk folder, Parquet files or image folder with metadata"
CARRIES = CARRIABLE - {"mask", "items"}

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")
_BLOCK = 64  # pictures whose bytes are in memory at a time while writing


def recognises(path: Path) -> bool:
    """Whether it is a Parquet file or a folder in one of the library's own forms; the hub is not contacted."""
    if path.is_file():
        return path.suffix == ".parquet" and _may_hold_pictures(path)
    names = {entry.name for entry in listed(path).files}
    for folder in subfolders(path):
        files = (entry.name for entry in listed(folder).files)
        names |= {name for name in files if name in METADATA or name.endswith(".parquet")}
    return not names.isdisjoint({SPLITS, STATE, *METADATA}) or any(name.endswith(".parquet") for name in names)


def _may_hold_pictures(file: Path) -> bool:
    """Whether a Parquet file has a column of pictures, or cannot be read: its reader has the better error."""
    import pyarrow.parquet as parquet

    try:
        return has_pictures(parquet.read_schema(file))
    except (pa.ArrowException, OSError):
        return True


def looks_like_hub_id(path: Path) -> bool:
    """Whether a path that does not exist may be `owner/name` on the hub."""
    return _HUB_ID.fullmatch(path.as_posix()) is not None and not path.parent.exists()


def read(path: Path, reading: Reading) -> Dataset:
    """The rows of all splits; their pictures are neither decoded nor copied. Raises MissingExtraError."""
    check_installed(path)
    for file in (path,) if path.is_file() else _own_files(path):
        reading.use(file)
    try:
        return of_tables(_tables(path, reading), path, reading)
    except (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        # the features of a file may say of its columns what they are not
        what = f"its columns are not what it says of them ({first_line(error)})"
        reading.tell("unparsable-file", path, what, "Save it again")
        return Dataset.from_examples([], root=path, format="huggingface")


def check_installed(path: Path) -> None:
    """Raises MissingExtraError where the library that reads this is not installed."""
    if path.exists():
        doing, otherwise = f"{path}: reading it as Hugging Face data", "; where it is of another format, name that"
        check_datasets_installed(doing, f"{otherwise} with --format")
        return
    doing = f"{path}: there is no such file or folder, and asking the Hugging Face hub for it"
    check_datasets_installed(doing, "; or correct the path")


def _own_files(path: Path) -> Iterator[str]:
    """The files in and below a folder that the library reads by itself."""
    for file in files_below(path, unlisted=[]):
        name = os.path.basename(file)
        if name in {SPLITS, STATE, *METADATA, "dataset_info.json"} or name.endswith((".arrow", ".parquet")):
            yield file


def of_tables(tables: Iterable[tuple[str | None, datasets.Dataset]], root: Path | None, reading: Reading) -> Dataset:
    """The rows of tables, each with the name of its split. root: folder of the tables; None: in memory."""
    readers = [TableReader(table, split, root, reading) for split, table in tables]
    classes = list(dict.fromkeys(name for reader in readers for name in reader.classes))
    taken: set[str] = set()
    rows = (example for reader in readers for example in reader.examples(taken))
    properties: dict[str, Any] = {
        "classes": classes,
        "root": str(root or ""),
        "format": "" if root is None else "huggingface",
    }
    annotations = Dataset.from_examples(rows, **properties)
    if not len(annotations):
        return annotations
    kind = SCHEMA.field("image").type
    pictures = pa.chunked_array([chunk for reader in readers for chunk in reader.kept_pictures().chunks], kind)
    table = annotations.arrow
    table = table.set_column(table.column_names.index("image"), SCHEMA.field("image"), pictures)
    return Dataset(table, **properties)


def tables_of(loaded: datasets.Dataset | datasets.DatasetDict) -> list[tuple[str | None, datasets.Dataset]]:
    """Name and table of each split; the name is None for a single table without one."""
    import datasets

    if isinstance(loaded, datasets.DatasetDict):
        return [(split_name(str(split)) or str(split), table) for split, table in loaded.items()]
    split = None if loaded.split is None else str(loaded.split)
    return [(split if split is None else split_name(split) or split, loaded)]


def write(dataset: Dataset, path: Path) -> None:
    """Write a `save_to_disk` folder with the pictures' own bytes in it, one table for each split.

    Where splits are not the standard ones, or some pictures have none, it is one table with a column `split`. Raises
    MissingExtraError.
    """
    check_datasets_installed("writing Hugging Face data", "; or choose another format")
    import datasets

    splits = set(dataset.column("split"))
    parted = bool(splits) and all(split is not None and split_name(split) == split for split in splits)
    features = _features(dataset, has_split=not parted and splits != {None})
    rows = path / "rows"
    rows.mkdir(parents=True)
    parts: dict[str, datasets.Dataset] = {}
    for split in sorted(splits) if parted else [""]:
        # straight to disk and mapped from there: the pictures never lie in memory together
        with (
            pa.OSFile(str(rows / f"{split}.arrow"), "wb") as file,
            pa.ipc.new_stream(file, features.arrow_schema) as out,
        ):
            for batch in _batches(dataset, split, features):
                out.write_batch(batch)
        parts[split] = datasets.Dataset.from_file(str(rows / f"{split}.arrow"))
    with _no_progress_bars():
        (datasets.DatasetDict(parts) if parted else parts[""]).save_to_disk(str(path))
    shutil.rmtree(rows)


def _tables(path: Path, reading: Reading) -> list[tuple[str | None, datasets.Dataset]]:
    """Name and table of each split; none, and a finding, where they cannot be read."""
    try:
        if any((path / name).is_file() for name in (SPLITS, STATE)):
            loaded = load_saved(path)
        elif path.is_file():
            loaded = load_parquet(path)
        elif path.exists():
            loaded = load_folder(path)
        else:
            id, _, revision = path.as_posix().partition("@")
            loaded = load_from_hub(id, revision or None)
    except Exception as error:  # noqa: BLE001 (the library raises its own, the hub's, pyarrow's and pandas' errors)
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        if path.exists():
            reading.tell("unparsable-file", path, f"the datasets library cannot read it ({reason})", "Save it again")
        else:
            what = f"there is no such file or folder, and the Hugging Face hub does not give it ({reason})"
            reading.tell("missing-file", path, what, "Correct the path or id, or connect to the network")
        return []
    return [(None, loaded)] if path.is_file() else tables_of(loaded)


def _features(dataset: Dataset, *, has_split: bool) -> Any:
    """The columns that the data set needs."""
    import datasets

    def holds(column: str) -> bool:
        return any(value is not None for value in dataset.column(column))

    text = datasets.Value("string")
    category = datasets.ClassLabel(names=list(dataset.classes))
    columns: dict[str, Any] = {"id": text, "image": datasets.Image()}
    if has_split:
        columns["split"] = text
    if holds("boxes_xyxy_px"):
        objects = {"bbox": datasets.List(datasets.List(datasets.Value("float64"))), "category": datasets.List(category)}
        if holds("box_segments"):
            objects["segments"] = datasets.List(text)
        if holds("box_crowd"):
            objects["iscrowd"] = datasets.List(datasets.Value("bool"))
        if holds("box_outlines") or holds("mask"):
            objects["outlines"] = datasets.List(text)
        columns["objects"] = objects
    if holds("label") or (dataset.declared_classes and "objects" not in columns):
        columns["label"] = category
    columns.update({name: text for name in ("group", "prefix", "suffix") if holds(name)})
    reserved = ("id", "objects", "response", *CHAT_COLUMNS)
    further = attribute_columns((example.attributes for example in dataset), tuple(columns), reserved)
    columns.update(dict.fromkeys(further, text))
    return datasets.Features(columns)


def _batches(dataset: Dataset, split: str, features: Any) -> Iterator[pa.RecordBatch]:
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    rows: list[dict[str, Any]] = []
    for example in dataset:
        if split in ("", example.split):
            rows.append(_row(example, numbers))
        if len(rows) == _BLOCK:
            yield pa.RecordBatch.from_pylist(rows, schema=features.arrow_schema)
            rows = []
    yield pa.RecordBatch.from_pylist(rows, schema=features.arrow_schema)


def _row(example: Example, numbers: dict[str, int]) -> dict[str, Any]:
    """All columns of an example; pyarrow leaves out those that the schema does not have."""
    detections, objects = example.boxes, None
    if detections is not None:
        outlines = [None if outline is None else to_text(outline) for outline in outlines_of_example(example) or ()]
        objects = {
            "bbox": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in detections.boxes_xyxy_px],
            "category": [numbers[label] for label in detections.labels],
            "segments": detections.segments,
            "iscrowd": detections.crowd,
            "outlines": outlines or None,
        }
    return {
        **example.attributes,
        "id": example.id,
        "image": {"bytes": read_bytes_once(example.image).data, "path": file_name(example)},
        "split": example.split,
        "objects": objects,
        "label": None if example.label is None else numbers[example.label],
        "group": example.group,
        "prefix": example.prefix,
        "suffix": example.suffix,
    }


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()
