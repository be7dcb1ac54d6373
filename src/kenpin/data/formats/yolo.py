"""YOLO: `data.yaml` with class names and picture folders, and one text file of boxes for each picture.

A line is `class cx cy w h`: the class's number from 0, then the box's centre and size as fractions of the displayed
picture. Boxes come out as x1 y1 x2 y2 in pixels, with the picture's size from its header. The text file lies where the
picture's path has `labels` instead of its last `images`, else beside it. A picture without one is annotated as empty.
A line with more numbers is a polygon, the outline of its box. Where every line of the data set is four corners of a
rectangle, they are oriented boxes; `task: segment` or `task: obb` in the YAML file settles it. With `kpt_shape`, or
where the lines show it, key points follow the box and are not read. Without a YAML file, classes are called as
`classes.txt` says, or by their numbers. Boxes survive up to floating-point rounding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from kenpin.boxes import cxcywh_unit_from_xyxy_px
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.outlining import outlines_to_write
from kenpin.data.reading import Reading
from kenpin.data.reading.names import familiar, is_of_another_machine, require_standard_split, split_name
from kenpin.data.reading.pictures import (
    Finder,
    PictureCopier,
    is_picture,
    listed,
    pictures_below,
    subfolders,
)
from kenpin.data.reading.reading import first_text
from kenpin.data.reading.yolo_labels import (
    LabelParser,
    LineForm,
    form_of_lines,
    labelled_pictures,
    listed_pictures,
    looks_like_labels,
    oriented,
)
from kenpin.errors import DatasetError
from kenpin.masks import joined_ring
from kenpin.outlines import Outline, is_oriented
from kenpin.plural import counted
from kenpin.records import Box, Detections, Example, Severity

SUMMARY = "YOLO: data.yaml, images/ and labels/ with one text file a picture"
CARRIES = frozenset({"split", "boxes", "outlines", "oriented", "classes"})

_KEYS = {"train": "train", "validation": "val", "test": "test"}
_DECLARES_CLASSES = re.compile(r"^(names|nc)\s*:", re.MULTILINE)
_CLASS_LISTS = ("classes.txt", "labels.txt", "obj.names")
_LOOK_AT_BYTES = 2**24
_LABEL_FILES_TRIED = 20
_CONFIGS = (".yaml", ".yml")


def recognises(path: Path) -> bool:
    """Whether there is a YAML file that declares classes, or text files of YOLO's lines for pictures."""
    return _config_file(path) is not None or _labels_without_config(path)


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all splits that the YAML file names; where it names none, the pictures below `images`."""
    file = _config_file(path)
    if file is None and path.is_dir() and _labels_without_config(path):
        return _dataset(path, path, {}, _listed_names(path, reading), reading)
    file = file or (path / "data.yaml" if path.is_dir() else path)
    config = reading.yaml_of(file) or {}
    return _dataset(path, file, config, _names(config, file, reading), reading)


def _dataset(
    path: Path, file: Path, config: Mapping[str, Any], names: dict[int, str] | None, reading: Reading
) -> Dataset:
    parser = LabelParser(names, _declared_form(config, file, reading), reading)
    examples = _without_config(path, parser, reading) if file == path and path.is_dir() else None
    if examples is None:
        examples = _examples(file, config, parser, reading)
    classes = [] if names is None else list(names.values())
    data = Dataset.from_examples(examples, classes=classes, root=path, format="yolo")
    if not parser.is_of_oriented:
        return data
    what = "each line is the four corners of a rectangle, which is read as an oriented box"
    reading.tell_once("oriented-boxes", file, what, "Nothing to do, or write `task: segment` if they are polygons")
    return Dataset.from_examples(map(oriented, data), classes=classes, root=path, format="yolo")


def write(dataset: Dataset, path: Path) -> None:
    """Write `images/<split>/`, `labels/<split>/` and `data.yaml`. Raises DatasetError for unusual splits."""
    copier = PictureCopier(path)
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    splits = {None if s is None else _KEYS[require_standard_split(s, "yolo")] for s in dataset.column("split")}
    if None in splits and len(splits) > 1:
        raise DatasetError(f"{dataset.root}: some pictures have a split and some have none. Split all of them.")
    copier.make("images")
    copier.make("labels")
    is_of_oriented = _writes_oriented(dataset)
    has_outlines = is_of_oriented
    for example in dataset:
        folder = "" if example.split is None else f"/{_KEYS[example.split]}"
        written = Path(copier.copy(example, f"images{folder}"))
        copier.make(f"labels{folder}")
        detections = example.boxes or Detections()
        size_wh = displayed_size(example.image) if detections else (1, 1)
        rows = cxcywh_unit_from_xyxy_px(detections.boxes_xyxy_px, size_wh).tolist()
        outlines = outlines_to_write(example, size_wh)
        if is_of_oriented or any(outlines):
            # in a file of polygons other tools take four numbers for two corners: its boxes are polygons too
            has_outlines = True
            pairs = zip(outlines, detections.boxes_xyxy_px, strict=True)
            rows = [_ring_unit(outline, box, size_wh) for outline, box in pairs]
        lines = [
            " ".join([str(numbers[label]), *map(repr, row)]) + "\n"
            for label, row in zip(detections.labels, rows, strict=True)
        ]
        (path / f"labels{folder}" / f"{written.stem}.txt").write_text("".join(lines), "utf-8")
    folders = {key: f"images/{key}" for key in _KEYS.values() if key in splits}
    config = {**folders, "nc": len(numbers), "names": list(numbers)}
    if has_outlines:
        config["task"] = "obb" if is_of_oriented else "segment"
    # legible where it can be: YAML takes some characters, bare, for line breaks
    legible = all(name.isprintable() for name in numbers)
    (path / "data.yaml").write_text(yaml.safe_dump(config, allow_unicode=legible, sort_keys=False), "utf-8")


def _writes_oriented(dataset: Dataset) -> bool:
    """Whether all outlines are oriented boxes. Raises DatasetError where some are: YOLO has one kind in a data set."""
    texts = [text for row in dataset.column("box_outlines") for text in row or () if text]
    turned = sum(map(is_oriented, texts))
    if turned not in (0, len(texts)):
        raise DatasetError(
            f"{dataset.root}: {turned} of {counted(len(texts), 'outline')} are oriented boxes and the others are not; "
            "YOLO has one kind in a data set. Write coco."
        )
    return turned > 0


def _ring_unit(outline: Outline | None, box: Box, size_wh: tuple[int, int]) -> list[float]:
    x1, y1, x2, y2 = box
    ring = joined_ring(outline, size_wh) if outline else (x1, y1, x2, y1, x2, y2, x1, y2)
    return [float(value) / size_wh[number % 2] for number, value in enumerate(ring)]


def _config_file(path: Path) -> Path | None:
    files = [path] if path.is_file() else [path / "data.yaml", *map(Path, listed(path).ending(*_CONFIGS))]
    for file in files:
        if file.suffix.lower() in _CONFIGS and _DECLARES_CLASSES.search(first_text(file, _LOOK_AT_BYTES)):
            return file
    return None


def _label_folders(path: Path) -> Iterator[Path]:
    """The folders in which labels without a YAML file may lie: with the pictures, or as `labels` beside them."""
    yield from (path, path / "labels")
    yield from (Path(entry.path) for entry in subfolders(path / "labels"))
    yield from (Path(entry.path, "labels") for entry in subfolders(path) if split_name(entry.name) is not None)


def _label_files(path: Path) -> Iterator[str]:
    for folder in _label_folders(path):
        texts = listed(folder).ending(".txt")
        stems = {os.path.splitext(entry.name)[0] for entry in listed(folder).pictures} if texts else set()
        for entry in texts:
            if folder != path or entry.name[:-4] in stems:
                yield os.path.join(folder, entry.name)


def _labels_without_config(path: Path) -> bool:
    return path.is_dir() and any(map(looks_like_labels, islice(_label_files(path), _LABEL_FILES_TRIED)))


def _listed_names(path: Path, reading: Reading) -> dict[int, str] | None:
    """The classes of a list beside the labels, one a line; None where there is none."""
    for folder in (path, path / "labels"):
        for name in _CLASS_LISTS:
            if (folder / name).is_file():
                lines = (reading.text_of(folder / name) or "").splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
    what, remedy = "no file says what the classes are called; they get their numbers", "Write the names to classes.txt"
    reading.tell_once("no-class-names", path, what, remedy, severity=Severity.WARNING)
    return None


def _declared_form(config: Mapping[str, Any], file: Path, reading: Reading) -> LineForm:
    """What the configuration says about lines; of key points, else what the first of them show."""
    task = str(config.get("task") or "").strip().casefold() or None
    shape = config.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(str(n).isdecimal() and len(str(n)) < 5 for n in shape):
        return LineForm(points=(int(shape[0]), int(shape[1])))
    if task in ("segment", "obb", "detect"):
        return LineForm(task=task)
    root = file if file.is_dir() else file.parent
    form = form_of_lines(_label_files(root))
    if form.points is not None:
        points, each = form.points
        what = f"each box seems to be followed by {counted(points, 'key point')}, {counted(each, 'number')} each"
        remedy = f"Write `kpt_shape: [{points}, {each}]`, or `task: segment` if the lines are polygons"
        reading.tell_once("key-points-guessed", file, what, remedy, severity=Severity.WARNING)
    return form


def _names(config: Mapping[str, Any], file: Path, reading: Reading) -> dict[int, str]:
    """Class names by their number: a list, a mapping, or only their count."""
    names = config.get("names")
    count = config.get("nc", "")
    if isinstance(names, dict) and all(key.isdecimal() for key in names):
        numbered = {int(key): name for key, name in names.items()}
    elif isinstance(names, list):
        numbered = dict(enumerate(names))
    elif names is None and isinstance(count, str) and count.isdecimal() and len(count) < 6:
        numbered = {number: str(number) for number in range(int(count))}
    else:
        numbered = {}
    if not numbered or not all(isinstance(name, str) for name in numbered.values()):
        reading.tell("unparsable-file", file, "it declares no classes", "Write `names:` with a list of class names")
        return {}
    return dict(sorted(numbered.items()))


def _without_config(path: Path, parser: LabelParser, reading: Reading) -> Iterator[Example]:
    folder = path / "images" if (path / "images").is_dir() else path
    pictures = [os.path.normpath(picture) for picture in pictures_below(folder, [])]

    def split_of(picture: str) -> str | None:
        above = os.path.relpath(picture, path).split(os.sep)[:-1]
        return next((split for part in above if (split := split_name(part)) is not None), None)

    return labelled_pictures(((split_of(picture), picture) for picture in pictures), path, parser, reading)


def _examples(file: Path, config: Mapping[str, Any], parser: LabelParser, reading: Reading) -> Iterator[Example]:
    named = familiar(str(config.get("path") or ""))
    root = file.parent / named
    if not root.is_dir():
        root = file.parent
    return labelled_pictures(_pictures(file, root, config, reading), file.parent, parser, reading)


def _pictures(file: Path, root: Path, config: Mapping[str, Any], reading: Reading) -> Iterator[tuple[str | None, str]]:
    """Split and path of each picture of each split."""
    given = [(key, value) for key, value in config.items() if key == "train" or split_name(key) is not None]
    if not any(value for _, value in given):
        for path in pictures_below(root / "images", []):
            yield None, os.path.normpath(path)
    for key, value in given:
        for name in map(str, value if isinstance(value, list) else [value]):
            if not name:
                continue
            target = _target(name, root, file)
            if target is None:
                _tell_missing(key, name, file, reading)
            elif target.is_dir():
                for path in pictures_below(target, []):
                    yield split_name(key), os.path.normpath(path)
            elif is_picture(target.name):
                yield split_name(key), os.path.normpath(target)
            else:
                for path in listed_pictures(target, Finder([target.parent, root], root, reading), reading):
                    yield split_name(key), path


def _target(name: str, root: Path, file: Path) -> Path | None:
    """The folder, list or picture that the YAML file names; as another system wrote it, too."""
    tries = [root / name, file.parent / name]
    if not is_of_another_machine(name):
        parts = familiar(name).split("/")
        tries += [root.joinpath(*parts), file.parent.joinpath(*parts)]
        # CVAT writes data/images/train, and Roboflow ../train/images, which means train/images whatever lies there
        below = [file.parent.joinpath(*parts[start:]) for start in range(1, len(parts)) if parts[start:] != [""]]
        tries = [*below, *tries] if parts[0] == ".." else [*tries, *below]
    return next((path for path in tries if path.exists()), None)


def _tell_missing(key: str, name: str, file: Path, reading: Reading) -> None:
    if is_of_another_machine(name):
        what = f"{key} names {name!r}, a path of another machine"
        remedy = f"Write the path from this file's folder on, `{key}: images/{key}` for example"
        reading.tell_once("missing-file", file, what, remedy, severity=Severity.ERROR)
        return
    # exports often name a test folder that they do not hold
    severity = Severity.WARNING if split_name(key) == "test" else Severity.ERROR
    what, remedy = f"{key} names {name!r}, which is missing", "Correct the path, or remove the line"
    reading.tell("missing-file", file, what, remedy, severity=severity)
