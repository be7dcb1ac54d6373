"""CSV: a table with a line for each picture, or for each box, its columns named by the first line.

`path` (or image, file_name, 画像, 图片 …) is relative to the table or absolute; `label` (class, 判定, 类别 …), `group`
(lot, part, serial …) and `split` may be there; every further column is kept as an attribute. Columns of 0 and 1 alone
are classes. Columns such as xmin ymin xmax ymax, x y w h or cx cy w h are boxes, in pixels or as fractions of the
picture; a line without the numbers says that its picture is empty. Each split folder may hold a table of its own.

Any encoding and the delimiters comma, semicolon, tab and bar are understood. An empty cell is no value. Boxes are read
and not written, for a line has no room to say which pictures nobody has looked at.
"""

from __future__ import annotations

import csv
from collections import Counter
from itertools import chain
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import attribute_columns
from kenpin.data.reading.delimited import table_of_text
from kenpin.data.reading.names import split_name
from kenpin.data.reading.picture_tables import PictureTable, TableFile, names_pictures
from kenpin.data.reading.pictures import PictureCopier, listed, subfolders
from kenpin.data.reading.reading import first_text
from kenpin.errors import LabelError

SUMMARY = "CSV table with columns path, label, group, split and any others, or with a line for each box"
CARRIES = frozenset({"split", "label", "group", "attributes"})

_ENDINGS = (".csv", ".tsv")
_OWN_COLUMNS = ("path", "label", "group", "split")
_FOLDERS_OF_TABLES = ("annotations", "annotation", "labels", "data")
_LOOK_AT_BYTES = 65_536


def recognises(path: Path) -> bool:
    """Whether it is a table with a column of pictures, or a folder with such tables, perhaps one for each split."""
    return bool(_sources(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of the tables."""
    lone = table_of(path)
    sources = _sources(path) or ([] if lone is None else [TableFile(lone, None)])
    if not sources:
        reading.tell("missing-file", path, "there is not exactly one CSV file in it", "Name the CSV file itself")
    splits = Counter(source.split for source in sources)
    if len(sources) > 1 and (splits[None] or max(splits.values()) > 1):
        names = ", ".join(source.file.name for source in sources)
        what, remedy = f"it holds several tables of pictures: {names}", "Name one of them, or call them by their splits"
        reading.tell("several-files", path, what, remedy)
        sources = []
    root = path if path.is_dir() else path.parent
    listed: set[str] = set()
    tables = (PictureTable(source, root, listed, reading) for source in sources)
    return Dataset.from_examples(chain.from_iterable(t.examples() for t in tables), root=path, format="csv")


def write(dataset: Dataset, path: Path) -> None:
    """Write `data.csv` and `images/`. Raises DatasetError where an attribute's name is taken, and LabelError."""
    attributes = attribute_columns((example.attributes for example in dataset), _OWN_COLUMNS)
    copier = PictureCopier(path)
    copier.make("images")
    with (path / "data.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow([*_OWN_COLUMNS, *attributes])
        for example in dataset:
            if "\0" in (example.label or ""):
                raise LabelError(f"label {example.label!r} holds a character that ends a text. Rename the class.")
            own = (copier.copy(example, "images"), example.label, example.group, example.split)
            table.writerow([*own, *(example.attributes.get(name) for name in attributes)])


def table_of(path: Path) -> Path | None:
    """The file itself, or the only table in the folder."""
    tables = [path] if path.is_file() and path.suffix.lower() in _ENDINGS else _tables_in(path)
    return tables[0] if len(tables) == 1 else None


def _tables_in(folder: Path) -> list[Path]:
    # metadata.csv is the Hugging Face image folder's
    files = (Path(entry.path) for entry in listed(folder).ending(*_ENDINGS))
    return [file for file in files if file.stem != "metadata" and file.is_file()]


def _sources(path: Path) -> list[TableFile]:
    """The tables that name pictures: the file itself, those in the folder, or those in its split folders."""
    if path.is_file():
        return [TableFile(path, None)] if path.suffix.lower() in _ENDINGS and _names_pictures(path) else []
    inner = subfolders(path)
    for folder in (path, *(Path(e.path) for e in inner if e.name.casefold() in _FOLDERS_OF_TABLES)):
        if found := [file for file in _tables_in(folder) if _names_pictures(file)]:
            return [TableFile(file, _split_of(file.stem) if len(found) > 1 else None) for file in found]
    splits = [(Path(entry.path), split_name(entry.name)) for entry in inner if split_name(entry.name)]
    return [TableFile(file, split) for folder, split in splits for file in _tables_in(folder) if _names_pictures(file)]


def _names_pictures(file: Path) -> bool:
    table = table_of_text(first_text(file, _LOOK_AT_BYTES))
    return table is not None and names_pictures(table.columns)


def _split_of(stem: str) -> str | None:
    """The split in a name such as `train_labels` or `annotations-val`."""
    words = stem.replace("-", "_").split("_")
    return next((split for word in (words[0], words[-1]) if (split := split_name(word)) is not None), None)
