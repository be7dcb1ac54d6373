"""VisA: `Data/Images/Normal` and `Data/Images/Anomaly`, masks in `Data/Masks/Anomaly/<name>.png` with values from 1 on.

The label is `normal` or `anomaly`; what `image_anno.csv` says of the anomaly becomes the attribute `defects`. Splits
are those of `split_csv/1cls.csv` in the folder above, where it is there. Read from one object's folder, or from that of
all objects, which stand in the attribute `object`. Only read.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import (
    MaskedPicture,
    examples_of,
    masks_by_stem,
    only_read,
    pictures_in,
    tell_orphans,
)
from kenpin.data.reading.names import familiar, split_name
from kenpin.data.reading.pictures import subfolders
from kenpin.records import Example

SUMMARY = "VisA: Data/Images/Normal and Anomaly, Data/Masks/Anomaly, image_anno.csv"
CARRIES: frozenset[str] = frozenset()

_CLASSES = {"Normal": "normal", "Anomaly": "anomaly"}
_SPLITS = "split_csv/1cls.csv"


def recognises(path: Path) -> bool:
    """Whether there are folders of normal pictures, of anomalies, and of their masks."""
    return bool(_objects(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of both folders."""
    classes = list(_CLASSES.values())
    return Dataset.from_examples(_examples(path, reading), classes=classes, root=path, format="visa")


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("visa")


def _objects(path: Path) -> list[Path]:
    """The folders of objects: the folder itself, or those in it."""
    candidates = [path, *(Path(entry.path) for entry in subfolders(path))]
    parts = ("Images/Normal", "Images/Anomaly", "Masks/Anomaly")
    return [folder for folder in candidates if all((folder / "Data" / part).is_dir() for part in parts)]


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    for folder in _objects(path):
        pictures = list(_pictures(folder, {} if folder == path else {"object": folder.name}, reading))
        yield from examples_of(pictures, path, reading)
        masks = masks_by_stem(folder / "Data" / "Masks" / "Anomaly").values()
        used = (mask for picture in pictures for mask in picture.masks)
        tell_orphans((mask for found in masks for mask in found), used, reading)


def _pictures(folder: Path, attributes: dict[str, str], reading: Reading) -> Iterator[MaskedPicture]:
    defects = _column(folder / "image_anno.csv", "label", folder.name, reading)
    splits: dict[str, str] = {}
    for file in (folder / _SPLITS, folder.parent / _SPLITS):
        splits = splits or _column(file, "split", folder.name, reading)
    masks = masks_by_stem(folder / "Data" / "Masks" / "Anomaly")
    for part, label in _CLASSES.items():
        for picture in pictures_in(folder / "Data" / "Images" / part):
            name = f"Data/Images/{part}/{os.path.basename(picture)}"
            is_anomaly = label == "anomaly"
            found = masks.get(os.path.splitext(os.path.basename(picture))[0], ()) if is_anomaly else ()
            said = {"defects": defects[name]} if is_anomaly and name in defects else {}
            yield MaskedPicture(picture, split_name(splits.get(name, "")), label, found, attributes=attributes | said)


def _column(file: Path, column: str, object: str, reading: Reading) -> dict[str, str]:
    """A column of a table by the picture's path from `Data` on: tables count from the folder above the object's."""
    if not file.is_file():
        return {}
    found = {}
    for row in csv.DictReader((reading.text_of(file) or "").splitlines()):
        name, value = familiar(row.get("image") or ""), row.get(column)
        above, data, below = name.partition("Data/")
        if value and data and above.rstrip("/") in ("", object):
            found[data + below] = value
    return found
