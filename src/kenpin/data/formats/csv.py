"""CSV: a table with a line for each picture, in UTF-8, its columns named by the first line.

`path` (or image, file, file_name) is relative to the table or absolute; `label` (or class), `group` (or lot, part,
serial) and `split` may be there; every further column is kept as an attribute. Commas, semicolons, tabs and bars are
understood. An empty cell is no value. There are no boxes.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import attribute_columns, column_of
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import Finder, PictureCopier, entries, id_below
from kenpin.plural import counted
from kenpin.records import Example, ImageSource

SUMMARY = "CSV table with columns path, label, group, split and any others"
CARRIES = frozenset({"split", "label", "group", "attributes"})

_DELIMITERS = ",;\t|"
_ENDINGS = (".csv", ".tsv")
_OWN_COLUMNS = ("path", "label", "group", "split")


def recognises(path: Path) -> bool:
    """Whether it is a table with a column of pictures, or a folder with exactly one."""
    file = table_of(path)
    if file is None:
        return False
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return _delimiter(stream.readline()) is not None


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of the table."""
    return Dataset.from_examples(_examples(path, reading), root=path, format="csv")


def write(dataset: Dataset, path: Path) -> None:
    """Write `data.csv` and `images/`. Raises DatasetError where an attribute's name is taken."""
    attributes = attribute_columns((example.attributes for example in dataset), ())
    copier = PictureCopier(path)
    copier.make("images")
    with (path / "data.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow([*_OWN_COLUMNS, *attributes])
        for example in dataset:
            own = (copier.copy(example, "images"), example.label, example.group, example.split)
            table.writerow([*own, *(example.attributes.get(name) for name in attributes)])


def table_of(path: Path) -> Path | None:
    """The file itself, or the only table in the folder."""
    files = [path] if path.is_file() else [Path(entry.path) for entry in entries(path)]
    # metadata.csv is the Hugging Face image folder's
    tables = [file for file in files if file.suffix.lower() in _ENDINGS and (file == path or file.stem != "metadata")]
    return tables[0] if len(tables) == 1 else None


def _delimiter(first_line: str) -> str | None:
    """The delimiter with which the first line names a column of pictures; None where no delimiter does."""
    for delimiter in _DELIMITERS:
        columns = next(csv.reader([first_line], delimiter=delimiter), [])
        if column_of("image", columns) is not None:
            return delimiter
    return None


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    file = table_of(path)
    if file is None:
        reading.tell("missing-file", path, "there is not exactly one CSV file in it", "Name the CSV file itself")
        return
    text = reading.text_of(file)
    if text is None:
        return
    delimiter = _delimiter(text.partition("\n")[0])
    if delimiter is None:
        what = "its first line names no column path, image or file"
        reading.tell("unparsable-file", file, what, "Name the columns in the first line")
        return
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = next(rows)
    if twice := [name for name, count in Counter(column.strip() for column in columns).items() if name and count > 1]:
        what = f"its first line names the column {twice[0]} more than once"
        reading.tell("unparsable-file", f"{file}:1", what, "Give each column a name of its own")
        return
    roles = {role: column_of(role, columns) for role in ("image", "label", "group", "split")}
    further = [column for column in columns if column not in roles.values()]
    finder = Finder([file.parent, file.parent / "images"], file.parent, reading)
    listed: set[str] = set()
    while True:
        line = rows.line_num + 1
        where = f"{file}:{line}"
        try:
            cells = next(rows, None)
        except csv.Error as error:
            reading.tell("unparsable-line", where, f"it cannot be read ({error})", "Correct or remove the line")
            continue
        if cells is None:
            break
        if not any(cells):
            continue
        if len(cells) != len(columns):
            what = f"it has {counted(len(cells), 'cell')} for {counted(len(columns), 'column')}"
            reading.tell(
                "unparsable-line", where, what, "Give every column a cell; quote cells that hold the delimiter"
            )
            continue
        row = dict(zip(columns, cells, strict=True))
        value = {role: row[column] if column is not None else "" for role, column in roles.items()}
        picture = finder.find(value["image"]) if value["image"] else None
        if picture is None:
            finder.tell_missing(where, value["image"], "Put it there, or remove the line")
            continue
        if picture in listed:
            what = f"the picture {value['image']!r} is listed a second time"
            reading.tell("duplicate-id", where, what, "Write one line for each picture")
            continue
        listed.add(picture)
        yield Example(
            id_below(picture, file.parent),
            ImageSource(picture),
            split_name(value["split"]) or value["split"] or None,
            value["label"] or None,
            group=value["group"] or None,
            attributes={name: row[name] for name in further if row[name]},
            origin=where,
        )
