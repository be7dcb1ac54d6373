"""A list of pictures: `tiles.tsv`, with path, split and label in each line."""

from __future__ import annotations

from pathlib import Path

from kenpin.data import Dataset, PictureCopier, Reading, id_below
from kenpin.errors import DatasetError
from kenpin.records import Example, ImageSource

SUMMARY = "a list: tiles.tsv with path, split and label in each line"
CARRIES = frozenset({"label", "split"})
_LIST = "tiles.tsv"


def recognises(path: Path) -> bool:
    """Whether there is such a list."""
    return (path / _LIST).is_file()


def read(path: Path, reading: Reading) -> Dataset:
    """The listed pictures."""
    examples = []
    for number, line in enumerate((reading.text_of(path / _LIST) or "").splitlines(), start=1):
        where, fields = f"{path / _LIST} line {number}", line.split("\t")
        if len(fields) != 3:
            reading.tell("unparsable-line", where, "it has no three fields", "Write path, tab, split, tab, label")
            continue
        picture = str(path / fields[0])
        source = ImageSource(picture)
        examples.append(Example(id_below(picture, path), source, fields[1] or None, label=fields[2], origin=where))
    return Dataset.from_examples(examples, root=path, format="tilelist")


def write(dataset: Dataset, path: Path) -> None:
    """Copy the pictures and write the list. Raises DatasetError."""
    copier = PictureCopier(path)
    lines = []
    for example in dataset:
        if example.label is None or "\t" in example.label or len(example.label.splitlines()) != 1:
            raise DatasetError(f"{example.id}: its label does not fit into a line. Rename it.")
        lines.append(f"{copier.copy(example, 'images')}\t{example.split or ''}\t{example.label}\n")
    (path / _LIST).write_text("".join(lines), "utf-8")
