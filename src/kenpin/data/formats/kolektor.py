"""KolektorSDD and KolektorSDD2: a mask beside each picture, `kos01/Part0_label.bmp` or `train/10000_GT.png`.

A picture is `defective` where its mask has a pixel inside, and else `good`. A folder of KolektorSDD is one item, whose
pictures are a group; the folders of KolektorSDD2 are splits. Only read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import DEFECTIVE, GOOD, MaskedPicture, examples_of, only_read, pictures_in
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import subfolders

SUMMARY = "KolektorSDD: kos01/Part0.jpg with Part0_label.bmp; KolektorSDD2: train/10000.png with 10000_GT.png"
CARRIES: frozenset[str] = frozenset()

_ENDINGS = ("_label", "_GT")


def recognises(path: Path) -> bool:
    """Whether a picture in it or in a folder below has a mask beside it."""
    return any(masks for _, pictures in _folders(path) for _, masks in _paired(pictures))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all folders."""
    pictures = (
        MaskedPicture(
            picture,
            split_name(folder),
            None,
            masks,
            is_labelled_by_mask=bool(masks),
            group=folder if folder and split_name(folder) is None else None,
        )
        for folder, listed in _folders(path)
        for picture, masks in _paired(listed)
    )
    examples = examples_of(pictures, path, reading)
    return Dataset.from_examples(examples, classes=(GOOD, DEFECTIVE), root=path, format="kolektor")


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("kolektor")


def _folders(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Name of each folder, empty for the data set's own, and its pictures."""
    if path.is_dir():
        yield "", pictures_in(path)
        for entry in subfolders(path):
            yield entry.name, pictures_in(entry.path)


def _paired(paths: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each picture with its mask."""
    stems = {os.path.splitext(path)[0]: path for path in paths}
    masks = {
        own: path
        for stem, path in stems.items()
        for ending in _ENDINGS
        if stem.endswith(ending) and (own := stem.removesuffix(ending)) in stems
    }
    are_masks = set(masks.values())
    for path in paths:
        if path not in are_masks:
            mask = masks.get(os.path.splitext(path)[0])
            yield path, () if mask is None else (mask,)
