"""Darknet, as CVAT calls it YOLO 1.1: `obj.data`, `obj.names`, a list of pictures a split, labels beside the pictures.

`obj.data` names the list of each split and that of the classes, by the paths of the machine that wrote it. A label
file has a line `class cx cy w h` a box, as in YOLO. A picture without a label file is annotated as empty. Without a
list, the pictures of all folders are in no split.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kenpin.boxes import cxcywh_unit_from_xyxy_px
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.reading import Reading
from kenpin.data.reading.names import familiar, require_standard_split, split_name
from kenpin.data.reading.pictures import Finder, PictureCopier, listed, pictures_below
from kenpin.data.reading.reading import first_text
from kenpin.data.reading.yolo_labels import LabelParser, LineForm, labelled_pictures, listed_pictures
from kenpin.errors import DatasetError, LabelError
from kenpin.records import Detections

SUMMARY = "Darknet (CVAT's YOLO 1.1): obj.data, obj.names, train.txt, obj_train_data/ with pictures and labels"
CARRIES = frozenset({"split", "boxes", "classes"})

_KEYS = {"train": "train", "validation": "valid", "test": "test"}


def recognises(path: Path) -> bool:
    """Whether there is a file that names the list of classes and those of pictures, or CVAT's `obj.names`."""
    return path.is_dir() and (_data_file(path) is not None or (path / "obj.names").is_file())


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all lists."""
    named: dict[str, str] = {}
    file = _data_file(path)
    for line in (reading.text_of(file) or "").splitlines() if file else ():
        key, equals, value = line.partition("=")
        if equals:
            named[key.strip().casefold()] = value.strip()
    list_of_names = _file_of(path, named.get("names", "obj.names"))
    if list_of_names is None:
        what, remedy = (
            f"the list of classes {named.get('names', 'obj.names')!r} is missing",
            "Put it there, a name a line",
        )
        reading.tell("missing-file", file or path, what, remedy)
    text = "" if list_of_names is None else reading.text_of(list_of_names) or ""
    names = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    parser = LabelParser(dict(enumerate(names)), LineForm(), reading)
    examples = labelled_pictures(_pictures(path, named, reading), path, parser, reading)
    return Dataset.from_examples(examples, classes=names, root=path, format="darknet")


def write(dataset: Dataset, path: Path) -> None:
    """Write the lists, and pictures and labels in `obj_<split>_data`. Raises DatasetError, LabelError."""
    copier = PictureCopier(path)
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    if broken := [name for name in numbers if {*name} & {"\n", "\r", "\0"}]:
        raise LabelError(
            f"label {broken[0]!r} has a line break or a zero byte, which obj.names cannot hold. Rename the class."
        )
    splits = {None if s is None else _KEYS[require_standard_split(s, "darknet")] for s in dataset.column("split")}
    if None in splits and len(splits) > 1:
        raise DatasetError(f"{dataset.root}: some pictures have a split and some have none. Split all of them.")
    lists: dict[str | None, list[str]] = {}
    for example in dataset:
        key = None if example.split is None else _KEYS[example.split]
        written = copier.copy(example, "obj_data" if key is None else f"obj_{key}_data")
        lists.setdefault(key, []).append(f"{written}\n")
        found = example.boxes or Detections()
        rows = cxcywh_unit_from_xyxy_px(found.boxes_xyxy_px, displayed_size(example.image) if found else (1, 1))
        lines = [
            " ".join([str(numbers[label]), *map(repr, row)]) + "\n"
            for label, row in zip(found.labels, rows.tolist(), strict=True)
        ]
        (path / written).with_suffix(".txt").write_text("".join(lines), "utf-8")
    data = [f"classes = {len(numbers)}\n"]
    for key in _KEYS.values():
        if key in lists:
            data.append(f"{key} = {key}.txt\n")
            (path / f"{key}.txt").write_text("".join(lists[key]), "utf-8")
    data += ["names = obj.names\n", "backup = backup/\n"]
    (path / "obj.data").write_text("".join(data), "utf-8")
    (path / "obj.names").write_text("".join(f"{name}\n" for name in numbers), "utf-8")


def _data_file(path: Path) -> Path | None:
    for entry in listed(path).ending(".data"):
        keys = {line.partition("=")[0].strip() for line in first_text(entry.path, 4096).splitlines()}
        if "names" in keys:
            return Path(entry.path)
    return None


def _file_of(path: Path, name: str) -> Path | None:
    """The file that is named from the folder of the machine that wrote the name."""
    parts = [part for part in familiar(name).split("/") if part not in ("", ".", "..")]
    tries = (path.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((file for file in tries if file.is_file()), None)


def _pictures(path: Path, named: dict[str, str], reading: Reading) -> Iterator[tuple[str | None, str]]:
    lists = [(split, name) for key, name in named.items() if (split := split_name(key)) is not None]
    if not lists:
        yield from ((None, os.path.normpath(picture)) for picture in pictures_below(path, []))
    finder = Finder([path], path, reading)
    for split, name in lists:
        file = _file_of(path, name)
        if file is None:
            reading.tell("missing-file", path, f"the list {name!r} is missing", "Put it there, a picture a line")
            continue
        yield from ((split, picture) for picture in listed_pictures(file, finder, reading))
