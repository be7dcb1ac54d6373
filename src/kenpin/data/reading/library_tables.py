"""Tables of the datasets library. Of a local folder nothing is obeyed but its data: the files are found here, so that a
README or a state that names other files, or addresses, leads nowhere, and nobody is sent the user's token."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import files_below, is_picture
from kenpin.errors import check_datasets_installed

if TYPE_CHECKING:
    import datasets

SPLITS, STATE = "dataset_dict.json", "state.json"
"""Files of a `save_to_disk` folder of several tables, and of one."""
METADATA = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}
"""Files of annotations in an image folder."""
ROOM_BYTES = 256 * 1024**2
"""Bytes that a table may unpack to beyond `UNPACKED_RATIO` times its own size."""
UNPACKED_RATIO = 20
"""Times its own size that a table may unpack to."""
_SHARD = re.compile(r"(\w+)-\d{5}-of-\d{5}")
_LARGEST_STATE_BYTES = 16 * 1024**2


def as_table(arrow: pa.Table, doing: str) -> datasets.Dataset:
    """Arrow data as a table of the library; nothing is copied. doing: what it is for, the beginning of a sentence.
    Raises MissingExtraError."""
    check_datasets_installed(doing)
    import datasets

    # a random name: without one, the library hashes every byte of every picture
    return datasets.Dataset(arrow, fingerprint=secrets.token_hex(8))


def load_saved(folder: Path) -> datasets.Dataset | datasets.DatasetDict:
    """A `save_to_disk` folder. Raises ValueError where it names files outside of itself, and as the library does."""
    import datasets

    parts = [folder]
    if (folder / SPLITS).is_file():
        splits = _json_object(folder / SPLITS).get("splits")
        if not isinstance(splits, list):
            raise ValueError(f"{SPLITS} names no splits")
        parts = [folder / _plain(name, SPLITS) for name in splits]
    for part in parts:
        files = _json_object(part / STATE).get("_data_files")
        if not isinstance(files, list):
            raise ValueError(f"{part.name}/{STATE} names no data files")
        for entry in files:
            file = part / _plain(entry.get("filename") if isinstance(entry, dict) else entry, STATE)
            if not _is_regular(file):
                raise ValueError(f"{part.name}/{STATE} names {file.name}, which is not there")
    loaded = datasets.load_from_disk(str(folder))
    for table in loaded.values() if isinstance(loaded, datasets.DatasetDict) else (loaded,):
        # Arrow believes the lengths in a file: past its end, reading a mapped one ends the process
        table.data.table.validate(full=True)
    return loaded


def load_parquet(file: Path) -> datasets.Dataset:
    """The table of a Parquet file. Raises ValueError where it unpacks to more than an honest one, and as the library
    does."""
    (table,) = _load("parquet", {"train": [file]}).values()
    return table


def load_folder(folder: Path) -> datasets.DatasetDict:
    """The Parquet files of a folder, or else its pictures with their metadata, by split as their names tell. Raises as
    `load_parquet`, and ValueError where only some of the names tell a split."""
    files = [Path(name) for name in files_below(folder)]
    files = [file for file in files if _is_regular(file)]
    names = {file.name for file in files}
    of_tables = names.isdisjoint(METADATA) and any(name.endswith(".parquet") for name in names)
    by_split: dict[str | None, list[Path]] = {}
    for file in files:
        if file.suffix == ".parquet" if of_tables else is_picture(file.name) or file.name in METADATA:
            by_split.setdefault(split_of(file.relative_to(folder)), []).append(file)
    if not by_split:
        raise ValueError("it holds neither Parquet files nor pictures")
    without = by_split.pop(None, [])
    if by_split and without:
        raise ValueError(f"the names of some files tell a split and that of {without[0]} tells none; move or rename it")
    divided = {str(split): some for split, some in by_split.items()} or {"train": without}
    return _load("parquet" if of_tables else "imagefolder", divided)


def split_of(file: PurePath) -> str | None:
    """The split that a path below the data set's folder tells, as the library understands it."""
    if sharded := _SHARD.match(file.name):
        return sharded[1]
    words = (word for part in file.parts for word in re.split(r"[^A-Za-z0-9]+", part))
    return next((split for word in words if (split := split_name(word)) is not None), None)


def load_from_hub(id: str, revision: str | None) -> datasets.Dataset | datasets.DatasetDict:
    """A data set of the hub, by its id `owner/name`. Raises as the library does."""
    import datasets

    return datasets.load_dataset(id, revision=revision, trust_remote_code=False)


def _load(kind: str, files: dict[str, list[Path]]) -> datasets.DatasetDict:
    """The builder itself: `load_dataset` counts at the hub how often a builder is used."""
    from datasets.data_files import DataFilesDict, DataFilesList
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
    from datasets.packaged_modules.parquet.parquet import Parquet

    listed = {}
    for split, some in files.items():
        names = [os.path.abspath(file) for file in some]
        states = [(str(file.stat().st_mtime_ns), str(file.stat().st_size)) for file in some]  # of what is cached
        listed[split] = DataFilesList(names, states)
        for file, name in zip(some, names, strict=True):
            if "::" in name or "://" in name:  # the library takes such names for addresses
                raise ValueError(f"the name {name} is that of an address; rename its folder")
            if file.suffix == ".parquet":
                _check_unpacked(file)
    builder = (Parquet if kind == "parquet" else ImageFolder)(data_files=DataFilesDict(listed), dataset_name=kind)
    builder.download_and_prepare()
    return builder.as_dataset()


def _check_unpacked(file: Path) -> None:
    """Raises ValueError where a Parquet file unpacks to more than an honest one: one value may stand for a billion."""
    import pyarrow.parquet as parquet

    most = ROOM_BYTES + UNPACKED_RATIO * file.stat().st_size
    with parquet.ParquetFile(file) as table:
        texts, numbers, packed, largest = [], 0, 0, 0
        groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
        for group in groups:
            for column in (group.column(index) for index in range(group.num_columns)):
                packed += column.total_uncompressed_size
                if column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
                    texts.append(column.path_in_schema)
                    largest += (
                        column.num_values * column.total_uncompressed_size
                    )  # where each value is the whole column
                else:
                    numbers += 12 * column.num_values  # of the widest type, INT96
    unpacked = max(packed, numbers)
    if unpacked <= most and largest > most:
        unpacked += _bytes_of_texts(file, sorted(set(texts)), most)
    if unpacked > most:
        raise ValueError(f"its {file.stat().st_size:,} bytes unpack to more than {most:,}, as no honest table's do")


def _bytes_of_texts(file: Path, columns: list[str], most: int) -> int:
    """Bytes of the texts and pictures of a Parquet file once they are unpacked; it stops beyond `most`. Values stay in
    their dictionaries, so that little is unpacked to find out."""
    import pyarrow.parquet as parquet

    total = 0
    with parquet.ParquetFile(file, read_dictionary=columns) as table:
        for batch in table.iter_batches(batch_size=1_000, columns=columns):
            total += sum(_unpacked_bytes(column) for column in batch.columns)
            if total > most:
                break
    return total


def _unpacked_bytes(array: pa.Array) -> int:
    import pyarrow.compute as pc

    if isinstance(array, pa.StructArray):
        return sum(_unpacked_bytes(part) for part in array.flatten())
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        return _unpacked_bytes(array.flatten())
    if isinstance(array, pa.DictionaryArray):
        lengths = pc.binary_length(array.dictionary)
        return int(pc.sum(pc.cast(lengths.take(array.indices), pa.int64())).as_py() or 0)
    return int(array.nbytes)


def _json_object(file: Path) -> dict[str, Any]:
    if not _is_regular(file) or file.stat().st_size > _LARGEST_STATE_BYTES:
        raise ValueError(f"{file.name} is missing, or is larger than any state")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{file.name} is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file.name} is not a JSON object")
    return found


def _plain(name: object, where: str) -> str:
    """A name in its own folder. Raises ValueError for any other."""
    if not isinstance(name, str) or PurePath(name).name != name or "\\" in name or name in (".", "..") or ":" in name:
        raise ValueError(f"{where} names {str(name)[:200]!r}, which is no file of its own folder")
    return name


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False
