"""Class folders: `ok/…`, `scratch/…`, below split folders such as `train`, `valid` and `test` or without any.

The name of a folder is the label of every picture in or below it; characters that a folder cannot hold are written as
`%XX`. Pictures that lie in no class folder have no label. There are no boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Note
from kenpin.data.reading.names import folder_of_label, label_of_folder, require_standard_split, split_name
from kenpin.data.reading.pictures import (
    PictureCopier,
    entries,
    id_below,
    is_picture,
    pictures_below,
    subfolders,
    tell_others,
)
from kenpin.records import Example, ImageSource

if TYPE_CHECKING:
    import os

SUMMARY = "class folders of pictures, with or without train/valid/test folders above them"
CARRIES = frozenset({"split", "label", "classes"})

_ANNOTATIONS = (".json", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".arrow")


def recognises(path: Path) -> bool:
    """Whether there are folders of pictures, or pictures alone, and no annotation files beside them."""
    if not path.is_dir() or (path / "ground_truth").is_dir():
        return False
    # every name, for `_annotations.coco.json` stands behind thousands of pictures whose names begin with a digit
    upper = [entry.name for folder in (path, *subfolders(path)) for entry in entries(folder)]
    if any(name.lower().endswith(_ANNOTATIONS) for name in upper):
        return False
    lower = (entry.name for folder, _, _ in _class_folders(path) for entry in entries(folder))
    return any(map(is_picture, chain(upper, lower)))


def read(path: Path, note: Note) -> Dataset:
    """The pictures of all class folders; an empty class folder declares its class."""
    classes = sorted({label for _, _, label in _class_folders(path) if label is not None})
    return Dataset.from_examples(_examples(path, note), classes=classes, root=path, format="folders")


def write(dataset: Dataset, path: Path) -> None:
    """Copy the pictures into `[split/]label/`. Raises LabelError, and DatasetError for unusual splits."""
    copier = PictureCopier(path)
    for example in dataset:
        split = "" if example.split is None else require_standard_split(example.split, "folders")
        label = "" if example.label is None else folder_of_label(example.label)
        copier.copy(example, "/".join(filter(None, (split, label))))
    first_split = next(iter(dataset.splits), "")
    for label in dataset.declared_classes:
        copier.make("/".join(filter(None, (first_split, folder_of_label(label)))))


def _class_folders(root: Path) -> Iterator[tuple[str, str | None, str | None]]:
    """Folder, split and label of each class folder; the label is None for the split folders themselves."""
    for entry in subfolders(root):
        split = split_name(entry.name)
        if split is None:
            yield entry.path, None, label_of_folder(entry.name)
            continue
        yield entry.path, split, None
        for inner in subfolders(entry.path):
            yield inner.path, split, label_of_folder(inner.name)


def _examples(root: Path, note: Note) -> Iterator[Example]:
    others: list[str] = []

    def example(path: str, split: str | None, label: str | None) -> Example:
        return Example(id_below(path, root), ImageSource(path), split, label, origin=path)

    def directly_in(folder: Path | str) -> Iterator[str]:
        files: list[os.DirEntry[str]] = [entry for entry in entries(folder) if not entry.is_dir()]
        others.extend(entry.path for entry in files if not is_picture(entry.name))
        yield from (entry.path for entry in files if is_picture(entry.name))

    for path in directly_in(root):
        yield example(path, None, None)
    for folder, split, label in _class_folders(root):
        for path in directly_in(folder) if label is None else pictures_below(folder, others):
            yield example(path, split, label)
    tell_others(note, root, others)
