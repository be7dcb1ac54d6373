"""IDX, the form of MNIST: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, `t10k-…` for the test, also `.gz`.

Pictures are 8-bit grey, all of one size, and become PNG files in memory, small ones unpacked. A label is a byte: an
index into `classes.json` where that list exists, else the class's number is its name. There are no boxes.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_picture
from kenpin.data.plain_png import fits, plain_pngs
from kenpin.data.reading import Reading
from kenpin.data.reading.names import require_standard_split, split_name
from kenpin.data.reading.pictures import listed
from kenpin.errors import DatasetError
from kenpin.plural import counted
from kenpin.records import Example, ImageSource

SUMMARY = "IDX files of MNIST's form, *-images-idx3-ubyte and *-labels-idx1-ubyte, also gzipped"
CARRIES = frozenset({"split", "label", "classes"})

_IMAGES = re.compile(r"(?:(.+)-)?images([-.]idx3-ubyte(?:\.gz)?)")
_MNIST_NAMES = {"test": "t10k"}
_CLASSES = "classes.json"
LARGEST_BYTES = 1024**3
"""Bytes of pixels that a file may hold, unpacked; EMNIST's largest holds 547 million."""
_MOST_CLASSES = 256  # values of a byte


def recognises(path: Path) -> bool:
    """Whether there is a file named as IDX pictures are."""
    return any(_IMAGES.fullmatch(entry.name) for entry in listed(path).files)


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all pairs of files; the file name gives the split."""
    names = _class_names(path, reading)
    return Dataset.from_examples(_examples(path, names, reading), classes=names or (), root=path, format="idx")


def write(dataset: Dataset, path: Path) -> None:
    """Write a pair of files for each split, and `classes.json`. Raises DatasetError for pictures that do not fit in."""
    classes = dataset.classes
    if len(classes) > _MOST_CLASSES:
        raise DatasetError(
            f"{dataset.root}: {counted(len(classes), 'class')}; an IDX label is a byte and can name only 256. Write "
            "another format."
        )
    numbers = {name: number for number, name in enumerate(classes)}
    (path / _CLASSES).write_text(json.dumps(list(classes), ensure_ascii=False), "utf-8")
    for split in sorted(set(dataset.column("split")), key=str) or [None]:
        size: tuple[int, int] | None = None
        pixels = bytearray()
        labels = bytearray()
        for example in dataset:
            if example.split != split:
                continue
            grey = _grey(example)
            if example.label is None or (size := size or grey.size) != grey.size:
                what = "has no label" if example.label is None else f"has {grey.size} pixels and others {size}"
                raise DatasetError(f"{example.id}: it {what}; IDX needs labels and one size. Write another format.")
            pixels += grey.tobytes()
            labels.append(numbers[example.label])
        width, height = size or (0, 0)
        start = "" if split is None else f"{_MNIST_NAMES.get(split, require_standard_split(split, 'idx'))}-"
        _write_array(path / f"{start}images-idx3-ubyte", (len(labels), height, width), pixels)
        _write_array(path / f"{start}labels-idx1-ubyte", (len(labels),), labels)


def _grey(example: Example) -> Image.Image:
    picture = read_picture(example.image)
    if picture.header.mode not in ("L", "1"):
        raise DatasetError(
            f"{example.id}: its pixels are {picture.header.mode}; IDX holds 8-bit grey. Write another format."
        )
    return picture.rgb.getchannel(0)


def _write_array(file: Path, shape: tuple[int, ...], content: bytearray) -> None:
    # two zero bytes, the type (8: unsigned byte), the number of axes, then their lengths, big end first
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    file.write_bytes(head + content)


def _class_names(path: Path, reading: Reading) -> list[str] | None:
    if not (path / _CLASSES).is_file():
        return None
    names = reading.json_of(path / _CLASSES)
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    if names is not None:
        reading.tell(
            "unparsable-file", path / _CLASSES, "it is not a list of class names", "Write a JSON list of texts"
        )
    return None


def _array(file: Path, axes: int, reading: Reading) -> NDArray[np.uint8] | None:
    """The bytes of an IDX file in its shape; None and a finding where it holds something else."""
    reading.use(file)
    start = 4 + 4 * axes
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
            reading.tell("unparsable-file", file, "it is not a file", "Put the file in its place")
            return None
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            head = stream.read(start)
            lengths = np.frombuffer(head[4:], dtype=">u4") if len(head) == start else ()
            shape = tuple(int(length) for length in lengths)
            announced = math.prod(shape)
            if announced > LARGEST_BYTES:
                what = f"it announces {announced:,} bytes, more than the {LARGEST_BYTES:,} that are read"
                reading.tell("unparsable-file", file, what, "Divide it into smaller files")
                return None
            # a byte more than announced: a few may unpack to gigabytes
            content = stream.read(announced + 1)
    except FileNotFoundError:
        reading.tell("missing-file", file, "it is missing", "Put it beside the other file of its pair")
        return None
    except (OSError, EOFError, zlib.error) as error:
        reading.tell("unparsable-file", file, f"it cannot be unpacked ({error})", "Copy it again")
        return None
    if head[:4] != bytes([0, 0, 8, axes]) or len(content) != announced or not shape or (any(shape) and not announced):
        what = f"it is not an IDX file of {counted(axes, 'axis', 'axes')}, or is not as long as it states"
        reading.tell("unparsable-file", file, what, "Copy it again")
        return None
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _examples(path: Path, names: list[str] | None, reading: Reading) -> Iterator[Example]:
    for entry in listed(path).files:
        if (match := _IMAGES.fullmatch(entry.name)) is None:
            continue
        start, end = match.groups()
        # emnist-letters-train-images: only the last part is the split
        split = None if start is None else split_name(start.rpartition("-")[2])
        label_file = path / f"{start + '-' if start else ''}labels{end.replace('idx3', 'idx1')}"
        pixels, labels = _array(Path(entry.path), 3, reading), _array(label_file, 1, reading)
        if pixels is None:
            continue
        if labels is not None and len(labels) != len(pixels):
            what = f"it holds {counted(len(labels), 'label')} for {counted(len(pixels), 'picture')}"
            reading.tell("unparsable-file", label_file, what, "Copy both files of the pair again")
            labels = None
        height, width = pixels.shape[1:]
        for number, png in enumerate(_pngs(pixels)):
            where = f"{entry.path}: picture {number}"
            name = f"{start or 'picture'}/{number:06d}.png"
            label = None if labels is None else _label(int(labels[number]), names, where, reading)
            yield Example(name, ImageSource(name, png), split, label, size_wh=(width, height), origin=where)


def _label(number: int, names: list[str] | None, where: str, reading: Reading) -> str | None:
    if names is None:
        return str(number)
    if number >= len(names):
        what = f"its label is {number}, and {_CLASSES} names {counted(len(names), 'class')}"
        reading.tell("unknown-class-id", where, what, f"Add the class to {_CLASSES}")
        return None
    return names[number]


def _pngs(pixels: NDArray[np.uint8]) -> Iterator[bytes]:
    if fits(*pixels.shape[1:]):
        yield from plain_pngs(pixels)
        return
    for grey in pixels:
        file = io.BytesIO()
        Image.fromarray(grey).save(file, "PNG")
        yield file.getvalue()
