"""JSON lines of `image`, `prefix` and `suffix`: the common part of the PaliGemma and the Florence-2 form.

A suffix with location tokens is decoded to boxes x1 y1 x2 y2 in pixels, at the bins' centres, with the picture's size
from its header; with an empty suffix the picture is annotated as empty; any other suffix is kept as free text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

from kenpin.codecs import Decoded
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.reading import Reading
from kenpin.data.reading.names import folder_of_split, split_name, split_of_folder
from kenpin.data.reading.pictures import Finder, PictureCopier, id_below, listed, subfolders
from kenpin.data.reading.reading import json_value
from kenpin.errors import DatasetError
from kenpin.records import Detections, Example, ImageSource

LOCATION = re.compile(r"<loc_?[0-9]+>")
_FLORENCE2_TASK = re.compile(r"<[A-Z_]+>.*", re.DOTALL)
_ROBOFLOW = re.compile(r"_?annotations\.(.+)")
_LOOK_AT_CHARACTERS = 65_536


class AnswerCodec(Protocol):
    """The interface of the modules of `kenpin.codecs`."""

    def encode(self, detections: Detections, size_wh: tuple[int, int]) -> str: ...
    def decode(self, text: str, size_wh: tuple[int, int]) -> Decoded: ...


def decoded(
    suffix: str, source: ImageSource, codec: AnswerCodec, where: str, reading: Reading
) -> tuple[Detections | None, str | None, tuple[int, int] | None]:
    """Boxes, free text and picture size of one answer; parts that cannot be parsed become findings."""
    if not suffix:
        return Detections(), None, None
    if LOCATION.search(suffix) is None:
        return None, suffix, None
    size = reading.size_of(source)
    if size is None:
        return None, None, None
    answer = codec.decode(suffix, size)
    if answer.rejected:
        what = f"{', '.join(map(repr, answer.rejected))} is not a label with four locations"
        reading.tell("answer-not-understood", where, what[:300], "Correct that part of the suffix")
    return answer.detections, None, size


def line_files(path: Path) -> list[Path]:
    """The JSON-lines files of a data set: the file itself, or the files in the folder and one level below."""
    if path.is_file():
        return [path] if path.suffix == ".jsonl" else []
    files = [entry for folder in (path, *subfolders(path)) for entry in listed(folder).ending(".jsonl")]
    # metadata.jsonl is the Hugging Face image folder's
    return [Path(entry.path) for entry in files if entry.name != "metadata.jsonl"]


def opening_lines(path: Path) -> list[dict[str, Any]]:
    """The first lines that hold an image and a suffix, of the first file that has such lines."""
    for file in line_files(path):
        with file.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = stream.read(_LOOK_AT_CHARACTERS).split("\n")
        values = [json_object(line) for line in lines]
        if answers := [value for value in values if value is not None and {"image", "suffix"} <= value.keys()]:
            return answers
    return []


def is_florence2(lines: list[dict[str, Any]]) -> bool:
    """Whether lines of image and suffix hold Florence-2's location tokens, or its task tokens such as `<OD>`."""
    tokens = [match.group() for line in lines if (match := LOCATION.search(str(line["suffix"])))]
    if tokens:
        return tokens[0].startswith("<loc_")
    return any(_FLORENCE2_TASK.fullmatch(str(line.get("prefix"))) for line in lines)


def read(path: Path, reading: Reading, codec: AnswerCodec, format: str) -> Dataset:
    """The pictures of all JSON-lines files; the file's or the folder's name gives the split."""
    return Dataset.from_examples(_examples(path, reading, codec), root=path, format=format)


def write(dataset: Dataset, path: Path, codec: AnswerCodec, instruction: Callable[[Dataset], str]) -> None:
    """Write `_annotations.<split>.jsonl`, without a split `annotations.jsonl`, and the pictures beside them.

    Boxes without a prefix get the instruction that the model's own tools expect. Raises LabelError, and DatasetError
    for a picture with both boxes and a free text.
    """
    copier = PictureCopier(path)
    usual_prefix = instruction(dataset)
    files: dict[str | None, TextIOWrapper] = {}
    try:
        for example in dataset:
            if example.split not in files:
                split = example.split
                name = "annotations.jsonl" if split is None else f"_annotations.{folder_of_split(split)}.jsonl"
                files[split] = (path / name).open("w", encoding="utf-8")
            line: dict[str, str] = {"image": copier.copy(example)}
            if example.prefix is not None:
                line["prefix"] = example.prefix
            elif example.boxes is not None:
                line["prefix"] = usual_prefix
            if (suffix := _suffix(example, codec)) is not None:
                line["suffix"] = suffix
            files[example.split].write(json.dumps(line, ensure_ascii=False) + "\n")
    finally:
        for file in files.values():
            file.close()


def _suffix(example: Example, codec: AnswerCodec) -> str | None:
    if example.boxes is None:
        if example.suffix is not None and (not example.suffix or LOCATION.search(example.suffix)):
            what = "is empty" if not example.suffix else "holds location tokens"
            raise DatasetError(f"{example.id}: its text {what} and would read as boxes. Change or remove the text.")
        return example.suffix
    if example.suffix is not None:
        raise DatasetError(f"{example.id}: it has boxes and a text, but a line holds only one of them. Remove one.")
    return codec.encode(example.boxes, displayed_size(example.image)) if example.boxes else ""


def json_object(line: str) -> dict[str, Any] | None:
    """The JSON object of a line; None where the line is none."""
    try:
        value = json_value(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def split_of_file(file: Path, root: Path) -> str | None:
    """The split in the name of a file, or in that of its folder."""
    if match := _ROBOFLOW.fullmatch(file.stem):
        return split_of_folder(match.group(1))
    return split_name(file.stem) or (split_name(file.parent.name) if file.parent != root else None)


def _examples(path: Path, reading: Reading, codec: AnswerCodec) -> Iterator[Example]:
    files = line_files(path)
    if not files:
        reading.tell("missing-file", path, "there is no JSON-lines file in it", "Name the .jsonl file itself")
    root = path if path.is_dir() else path.parent
    listed: set[str] = set()
    for file in files:
        split = split_of_file(file, root)
        finder = Finder([file.parent, file.parent / "images", root, root / "images"], root, reading)
        for number, line in enumerate((reading.text_of(file) or "").split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{file}:{number}"
            row = json_object(line)
            if row is None or not isinstance(row.get("image"), str):
                what = "the line is not a JSON object with an image"
                reading.tell("unparsable-line", where, what, 'Write {"image": …, "prefix": …, "suffix": …}')
                continue
            if (picture := finder.find(row["image"])) is None:
                finder.tell_missing(where, row["image"], "Put it there, or remove the line")
                continue
            if picture in listed:
                what = f"the picture {row['image']!r} is listed a second time"
                reading.tell("duplicate-id", where, what, "Write one line for each picture")
                continue
            listed.add(picture)
            yield _example(row, picture, os.fspath(root), split, codec, where, reading)


def _example(
    row: dict[str, Any], path: str, root: str, split: str | None, codec: AnswerCodec, where: str, reading: Reading
) -> Example:
    source = ImageSource(path)
    prefix, suffix = row.get("prefix"), row.get("suffix")
    if not (isinstance(prefix, str | None) and isinstance(suffix, str | None)):
        what = "prefix or suffix is not a text"
        reading.tell("unparsable-line", where, what, "Write both as text")
        prefix, suffix = None, None
    boxes, text, size = (None, None, None) if suffix is None else decoded(suffix, source, codec, where, reading)
    return Example(
        id_below(path, root), source, split, boxes=boxes, prefix=prefix or None, suffix=text, size_wh=size, origin=where
    )
