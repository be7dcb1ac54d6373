"""JSON lines of chats on one picture each, in the form of OpenAI and TRL: `{"messages": […], "images": ["a.jpg"]}`.

The picture is named in a part of a message or in the column `images` or `image`, as a path or as a `data:` URL; nothing
is fetched. Each answer of a chat is an example: the earlier messages are the lines of its question. `label`, `group`
and `split` may stand beside the messages.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.answers import json_object, line_files, split_of_file
from kenpin.data.reading.names import folder_of_split, split_name
from kenpin.data.reading.pictures import Finder, PictureCopier, id_below
from kenpin.data.reading.turns import chat, exchanges, pictures_in
from kenpin.plural import counted
from kenpin.records import Example, ImageSource

SUMMARY = "JSON lines of chats on pictures: messages with roles and contents"
CARRIES = frozenset({"split", "label", "group", "prefix", "suffix"})

_LOOK_AT_CHARACTERS = 65_536
_FORM = 'Write {"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}], "images": ["a.jpg"]}'


def recognises(path: Path) -> bool:
    """Whether a line among the first of its JSON-lines files holds messages."""
    for file in line_files(path):
        with file.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = stream.read(_LOOK_AT_CHARACTERS).split("\n")
        if any("messages" in (json_object(line) or {}) for line in lines):
            return True
    return False


def read(path: Path, reading: Reading) -> Dataset:
    """An example for each answer; the file's or the folder's name gives the split where the line does not."""
    return Dataset.from_examples(_examples(path, reading), root=path, format="chat_jsonl")


def write(dataset: Dataset, path: Path) -> None:
    """Write `<split>.jsonl`, without a split `chat.jsonl`, and the pictures beside them."""
    copier = PictureCopier(path)
    files: dict[str | None, TextIOWrapper] = {}
    try:
        for example in dataset:
            split = example.split
            if split not in files:
                name = "chat" if split is None else folder_of_split(split)
                files[split] = (path / f"{name}.jsonl").open("w", encoding="utf-8")
            line: dict[str, Any] = {"messages": chat(example.prefix, example.suffix, copier.copy(example, "images"))}
            line |= {name: value for name in ("label", "group") if (value := getattr(example, name)) is not None}
            if split is not None and split_name(folder_of_split(split)) != split:
                line["split"] = split
            files[split].write(json.dumps(line, ensure_ascii=False) + "\n")
    finally:
        for file in files.values():
            file.close()


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    files = line_files(path)
    if not files:
        reading.tell("missing-file", path, "there is no JSON-lines file in it", "Name the .jsonl file itself")
    root = path if path.is_dir() else path.parent
    listed: set[str] = set()
    taken: dict[str, int] = {}
    for file in files:
        finder = Finder([file.parent, file.parent / "images", root, root / "images"], root, reading)
        split = split_of_file(file, root)
        for number, line in enumerate((reading.text_of(file) or "").split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{file}:{number}"
            row = json_object(line)
            turns = None if row is None else exchanges(row.get("messages"))
            if row is None or turns is None:
                reading.tell("unparsable-line", where, "the line is not a JSON object with messages", _FORM)
                continue
            source = _picture(row, finder, f"{file.stem}-{number:06d}", where, reading)
            if source is None:
                continue
            if source.data is None:
                listed.add(source.path or "")
            name = id_below(source.path or "", os.fspath(root))
            for question, answer in turns:
                taken[name] = taken.get(name, 0) + 1
                yield Example(
                    name if taken[name] == 1 else f"{name}#{taken[name]}",
                    source,
                    _cell_text(row, "split") or split,
                    _cell_text(row, "label"),
                    group=_cell_text(row, "group"),
                    prefix=question,
                    suffix=answer,
                    origin=where,
                )


def _cell_text(row: dict[str, Any], name: str) -> str | None:
    return None if row.get(name) in (None, "") else str(row[name])


def _picture(row: dict[str, Any], finder: Finder, name: str, where: str, reading: Reading) -> ImageSource | None:
    """The picture of a line; None and a finding where there is none or there are several."""
    column = row.get("images", row.get("image"))
    column = column if isinstance(column, list) else [column]
    beside = (entry.get("path") or entry.get("url") if isinstance(entry, dict) else entry for entry in column if entry)
    named = list(dict.fromkeys([*pictures_in(row["messages"]), *map(str, beside)]))
    if len(named) != 1:
        what = f"the chat has {counted(len(named), 'picture')}"
        reading.tell("several-pictures" if named else "missing-image", where, what, "Give each chat one picture")
        return None
    (reference,) = named
    if reference.startswith("data:"):
        try:
            return ImageSource(name, base64.b64decode(reference.partition(",")[2], validate=True))
        except binascii.Error as error:
            what = f"its picture's data: URL is broken ({error})"
            reading.tell("missing-image", where, what, "Write it again, or give a file")
            return None
    if "://" in reference and not reference.startswith("file://"):
        what = f"its picture {reference!r} is an address, and kenpin fetches nothing"
        reading.tell("missing-image", where, what, "Download it, and give the file")
        return None
    reference = reference.removeprefix("file://")
    path = finder.find(reference)
    if path is None:
        reading.tell("missing-image", where, f"there is no picture {reference!r}", "Put it there, or remove the line")
        return None
    return ImageSource(path)
