"""Class folders: `ok/…`, `scratch/…`, below split folders such as `train`, `valid` and `test` or without any.

The name of a folder is the label of every picture in or below it; characters that a folder cannot hold are written as
`%XX`. Pictures that lie in no class folder have no label. There are no boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.names import (
    folders_of_labels,
    is_layout,
    is_of_masks,
    label_of_folder,
    require_standard_split,
    split_name,
)
from kenpin.data.reading.pictures import (
    PictureCopier,
    id_below,
    listed,
    pictures_below,
    subfolders,
)
from kenpin.records import Example, ImageSource

SUMMARY = "class folders of pictures, with or without train/valid/test folders above them"
CARRIES = frozenset({"split", "label", "classes"})

_DEEPEST = 2  # folders such as train/images above the class folders


def recognises(path: Path) -> bool:
    """Whether there are pictures, or folders of pictures, and none of the folders of masks that MVTec has."""
    if not path.is_dir() or (path / "ground_truth").is_dir():
        return False
    return bool(listed(path).pictures) or any(listed(folder).pictures for folder, _, _ in _folders(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all class folders; an empty class folder declares its class."""
    classes = sorted({label for _, _, label in _folders(path) if label is not None})
    return Dataset.from_examples(_examples(path), classes=classes, root=path, format="folders")


def write(dataset: Dataset, path: Path) -> None:
    """Copy the pictures into `[split/]label/`. Raises LabelError, and DatasetError for unusual splits."""
    copier = PictureCopier(path)
    labels = [label for label in dataset.column("label") if label is not None]
    folder_of = folders_of_labels([*labels, *dataset.declared_classes])
    for example in dataset:
        split = "" if example.split is None else require_standard_split(example.split, "folders")
        label = "" if example.label is None else folder_of[example.label]
        copier.copy(example, "/".join(filter(None, (split, label))))
    first_split = next(iter(dataset.splits), "")
    for label in dataset.declared_classes:
        copier.make("/".join(filter(None, (first_split, folder_of[label]))))


def _folders(
    root: Path | str, split: str | None = None, depth: int = 0
) -> Iterator[tuple[str, str | None, str | None]]:
    """Folder, split and label of each folder of pictures; the label is None where a folder only parts them, as `train`
    and `images` do. Folders of masks are left out."""
    for entry in subfolders(root):
        inner = split_name(entry.name) or split
        if is_of_masks(entry.name):
            continue
        if depth < _DEEPEST and (split_name(entry.name) or is_layout(entry.name)):
            yield entry.path, inner, None
            yield from _folders(entry.path, inner, depth + 1)
        else:
            yield entry.path, split, label_of_folder(entry.name)


def _examples(root: Path) -> Iterator[Example]:
    for path in _directly_in(root):
        yield _example(path, root, None, None)
    for folder, split, label in _folders(root):
        pictures = _directly_in(folder) if label is None else pictures_below(folder, [])
        for path in pictures:
            if label is None or not any(map(is_of_masks, path[len(folder) + 1 :].split("/")[:-1])):
                yield _example(path, root, split, label)


def _directly_in(folder: Path | str) -> Iterator[str]:
    return (entry.path for entry in listed(folder).pictures)


def _example(path: str, root: Path, split: str | None, label: str | None) -> Example:
    return Example(id_below(path, root), ImageSource(path), split, label, origin=path)
