"""DAGM 2007: `Class1/Train/0576.PNG` and `Class1/Test/…`, masks of defective ones in `Label/0576_label.PNG` there.

Read from one class of textures or from the folder of several, which stand in the attribute `texture`. A picture is
`defective` where it has a mask, an ellipse around the defect, and else `good`. Only read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import (
    DEFECTIVE,
    GOOD,
    MaskedPicture,
    examples_of,
    masks_by_stem,
    only_read,
    pictures_in,
    tell_orphans,
)
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import subfolders
from kenpin.records import Example

SUMMARY = "DAGM 2007: Class1/Train/*.PNG with Train/Label/*_label.PNG, and Test"
CARRIES: frozenset[str] = frozenset()

_LABEL, _ENDING = "Label", "_label"


def recognises(path: Path) -> bool:
    """Whether a split of one or several classes has masks of DAGM's names."""
    return any(
        name.endswith(_ENDING) for folder, _, _ in _folders(path) for name in masks_by_stem(Path(folder, _LABEL))
    )


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all classes of textures and both splits."""
    return Dataset.from_examples(_examples(path, reading), classes=(GOOD, DEFECTIVE), root=path, format="dagm")


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("dagm")


def _folders(path: Path) -> Iterator[tuple[str, str, str | None]]:
    """Folder, split and texture."""
    for entry in subfolders(path):
        if (split := split_name(entry.name)) is not None:
            yield entry.path, split, None
            continue
        for inner in subfolders(entry.path):
            if (split := split_name(inner.name)) is not None:
                yield inner.path, split, entry.name


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    for folder, split, texture in _folders(path):
        masks = masks_by_stem(Path(folder, _LABEL), ending=_ENDING)
        pictures = [
            MaskedPicture(
                picture,
                split,
                GOOD if stem not in masks else DEFECTIVE,
                masks.get(stem, ()),
                attributes={} if texture is None else {"texture": texture},
            )
            for picture in pictures_in(folder)
            for stem in [os.path.splitext(os.path.basename(picture))[0]]
        ]
        yield from examples_of(pictures, path, reading)
        every = (mask for found in masks.values() for mask in found)
        tell_orphans(every, (mask for picture in pictures for mask in picture.masks), reading)
