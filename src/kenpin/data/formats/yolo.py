"""YOLO: `data.yaml` with class names and picture folders, and one text file of boxes for each picture.

A line is `class cx cy w h`: the class's number from 0, then the box's centre and size as fractions of the displayed
picture. Boxes come out as x1 y1 x2 y2 in pixels, with the picture's size from its header. The text file lies where the
picture's path has `labels` instead of its last `images`, else beside it. A picture without one is annotated as empty.
A line with more numbers is a polygon: its surrounding box is kept. Boxes survive up to floating-point rounding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from kenpin.boxes import cxcywh_unit_from_xyxy_px
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.names import require_standard_split, split_name
from kenpin.data.reading.pictures import Finder, PictureCopier, entries, id_below, is_picture, pictures_below
from kenpin.errors import DatasetError
from kenpin.plural import counted, is_are
from kenpin.records import Box, Detections, Example, ImageSource, Severity

SUMMARY = "YOLO: data.yaml, images/ and labels/ with one text file a picture"
CARRIES = frozenset({"split", "boxes", "classes"})

_KEYS = {"train": "train", "validation": "val", "test": "test"}
_DECLARES_CLASSES = re.compile(r"^(names|nc)\s*:", re.MULTILINE)
_NO_ANNOTATIONS = re.compile(r"(classes|readme.*|notes)\.txt", re.IGNORECASE)


def recognises(path: Path) -> bool:
    """Whether there is a YAML file that declares classes."""
    return _config_file(path) is not None


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all splits that the YAML file names; where it names none, the pictures below `images`."""
    file = _config_file(path) or (path / "data.yaml" if path.is_dir() else path)
    config = _config(file, reading)
    names = _names(config, file, reading)
    examples = _examples(file, config, names, reading)
    return Dataset.from_examples(examples, classes=list(names.values()), root=path, format="yolo")


def write(dataset: Dataset, path: Path) -> None:
    """Write `images/<split>/`, `labels/<split>/` and `data.yaml`. Raises DatasetError for unusual splits."""
    copier = PictureCopier(path)
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    splits = {None if s is None else _KEYS[require_standard_split(s, "yolo")] for s in dataset.column("split")}
    if None in splits and len(splits) > 1:
        raise DatasetError(f"{dataset.root}: some pictures have a split and some have none. Split all of them.")
    copier.make("images")
    copier.make("labels")
    for example in dataset:
        folder = "" if example.split is None else f"/{_KEYS[example.split]}"
        written = Path(copier.copy(example, f"images{folder}"))
        copier.make(f"labels{folder}")
        detections = example.boxes or Detections()
        boxes = (
            cxcywh_unit_from_xyxy_px(detections.boxes_xyxy_px, displayed_size(example.image)).tolist()
            if detections
            else []
        )
        lines = [
            " ".join([str(numbers[label]), *map(repr, box)]) + "\n"
            for label, box in zip(detections.labels, boxes, strict=True)
        ]
        (path / f"labels{folder}" / f"{written.stem}.txt").write_text("".join(lines), "utf-8")
    folders = {key: f"images/{key}" for key in _KEYS.values() if key in splits}
    config = {**folders, "nc": len(numbers), "names": list(numbers)}
    # legible where it can be: YAML takes some characters, bare, for line breaks
    legible = all(name.isprintable() for name in numbers)
    (path / "data.yaml").write_text(yaml.safe_dump(config, allow_unicode=legible, sort_keys=False), "utf-8")


def _config_file(path: Path) -> Path | None:
    files = [path] if path.is_file() else [path / "data.yaml", *map(Path, entries(path))]
    for file in files:
        if file.suffix in (".yaml", ".yml") and file.is_file():
            text = file.read_text("utf-8", errors="replace")
            if _DECLARES_CLASSES.search(text):
                return file
    return None


def _config(file: Path, reading: Reading) -> dict[str, Any]:
    text = reading.text_of(file)
    try:
        # everything as text: YAML would turn classes called NO, off or 1.0 into something else
        config = yaml.load(text or "{}", Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reading.tell("unparsable-file", file, f"it is not YAML ({' '.join(str(error).split())})", "Correct that line")
        return {}
    if not isinstance(config, dict):
        reading.tell("unparsable-file", file, "it holds no keys", "Write `names:`, `train:` and `val:`")
        return {}
    return config


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


def _examples(file: Path, config: Mapping[str, Any], names: Mapping[int, str], reading: Reading) -> Iterator[Example]:
    root = file.parent / str(config.get("path") or "")
    if not root.is_dir():
        root = file.parent
    labels = _LabelFiles(reading)
    parser = _Parser(names, reading)
    seen: set[str] = set()
    for split, path in _pictures(file, root, config, reading):
        if path in seen:
            remedy = "List each picture once, in one split"
            reading.tell("duplicate-id", path, "the picture is listed a second time", remedy)
            continue
        seen.add(path)
        source = ImageSource(path)
        label_file = labels.of_picture(path)
        size = reading.size_of(source)
        boxes = None if size is None else Detections() if label_file is None else parser.parse(label_file, size)
        origin = path if label_file is None else str(label_file)
        yield Example(id_below(path, file.parent), source, split, boxes=boxes, size_wh=size, origin=origin)
    labels.tell_orphans()


def _pictures(file: Path, root: Path, config: Mapping[str, Any], reading: Reading) -> Iterator[tuple[str | None, str]]:
    """Split and path of each picture of each split."""
    given = [(key, value) for key, value in config.items() if key == "train" or split_name(key) is not None]
    if not any(value for _, value in given):
        for path in pictures_below(root / "images", []):
            yield None, os.path.normpath(path)
    for key, value in given:
        for folder in map(str, value if isinstance(value, list) else [value]):
            if not folder:
                continue
            tries = [root / folder, file.parent / folder]
            if folder.startswith("../"):  # Roboflow writes ../train/images and means train/images, whatever lies there
                tries.insert(0, file.parent / re.sub(r"^(\.\./)+", "", folder))
            target = next((path for path in tries if path.exists()), None)
            if target is None:
                # exports often name a test folder that they do not hold
                severity = Severity.WARNING if split_name(key) == "test" else Severity.ERROR
                what, remedy = f"{key} names {folder!r}, which is missing", "Correct the path, or remove the line"
                reading.tell("missing-file", file, what, remedy, severity=severity)
            elif target.is_dir():
                for path in pictures_below(target, []):
                    yield split_name(key), os.path.normpath(path)
            else:
                for path in _listed(target, root, reading):
                    yield split_name(key), path


def _listed(file: Path, root: Path, reading: Reading) -> Iterator[str]:
    """The pictures that a text file names, one a line."""
    finder = Finder([file.parent, root], root, reading)
    for number, line in enumerate((reading.text_of(file) or "").splitlines(), start=1):
        if not (name := line.strip()):
            continue
        if (path := finder.find(name)) is None:
            finder.tell_missing(f"{file}:{number}", name, "Correct the line, or put the picture there")
        else:
            yield path


class _LabelFiles:
    """Finds the label file of a picture with one listing of each folder, and reports the files left over."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._left: dict[str, dict[str, str]] = {}  # label folder -> stem -> file name
        self._pictures: dict[str, str] = {}  # label folder -> picture folder

    def of_picture(self, path: str) -> Path | None:
        folder, name = os.path.split(path)
        parts = folder.split(os.sep)
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            parts[last] = "labels"
        labels = os.sep.join(parts)
        if labels not in self._left:
            names = [entry.name for entry in entries(labels or ".")]
            texts = (name for name in names if name.endswith(".txt") and not _NO_ANNOTATIONS.fullmatch(name))
            self._left[labels] = {name[:-4]: name for name in texts}
            self._pictures[labels] = folder
        label_file = self._left[labels].pop(os.path.splitext(name)[0], None)
        return None if label_file is None else Path(labels, label_file)

    def tell_orphans(self) -> None:
        for labels, left in self._left.items():
            if not left:
                continue
            # a list may leave a picture out on purpose; then its label file is no orphan
            names = [entry.name for entry in entries(self._pictures[labels])]
            stems = {os.path.splitext(name)[0] for name in names if is_picture(name)}
            for stem in sorted(left.keys() - stems):
                remedy = "Put its picture there, or remove the file"
                where = os.path.join(labels, left[stem])
                self._reading.tell(
                    "orphan-annotation",
                    where,
                    "it belongs to no picture",
                    remedy,
                    severity=Severity.WARNING,
                )


class _Parser:
    """Reads label files with the class names of one data set."""

    def __init__(self, names: Mapping[int, str], reading: Reading) -> None:
        self._names = names
        self._reading = reading

    def parse(self, file: Path, size_wh: tuple[int, int]) -> Detections:
        boxes: list[Box] = []
        labels: list[str] = []
        for number, line in enumerate((self._reading.text_of(file) or "").splitlines(), start=1):
            values = line.split()
            if not values:
                continue
            where = f"{file}:{number}"
            four = self._centre_and_size(values[1:], where)
            if four is None:
                what = f"{line[:80]!r} is not `class cx cy w h`"
                self._reading.tell("unparsable-line", where, what, "Write a class number and four fractions")
            elif (label := self._names.get(_class_number(values[0]))) is None:
                declared = len(self._names)
                what = f"it names class {values[0]}, but {counted(declared, 'class')} {is_are(declared)} declared"
                self._reading.tell("unknown-class-id", where, what, "Fix the number, or add the class to `names`")
            else:
                boxes.append((self._reading.boxes or BoxForm.CXCYWH_UNIT).to_xyxy_px(four, size_wh))
                labels.append(label)
        return Detections(tuple(boxes), tuple(labels))

    def _centre_and_size(self, values: list[str], where: str) -> Box | None:
        if len(values) == 4:
            return four_numbers(values)
        if len(values) < 6 or len(values) % 2:
            return None
        try:
            xs, ys = [float(v) for v in values[0::2]], [float(v) for v in values[1::2]]
        except ValueError:
            return None
        what = "polygons are not read, only the boxes around them"
        self._reading.tell_once("segmentation-not-read", where, what, "Nothing to do if boxes are enough")
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
        return four_numbers(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))


def _class_number(text: str) -> int:
    try:
        number = float(text)  # some tools write 3.0
    except ValueError:
        return -1
    return int(number) if number.is_integer() else -1
