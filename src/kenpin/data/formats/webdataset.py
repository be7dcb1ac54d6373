"""WebDataset shards: tar archives of `key.png` beside `key.cls`, `key.json` or `key.txt`, read in place.

They lie in a folder or behind an address as s3://, and are not compressed. `.cls` is the label of the picture; `.txt`
is an answer (`suffix`); `.json` is an object with `label`, `split`, `group`, `id`, `prefix`, `suffix` and `objects`,
whose `bbox` are left, top, width and height in pixels and whose `category` are their labels; its other plain values are
attributes. A split is told by the name of the shard (`train-000.tar`) or of its folder. Members are listed once, and a
picture's bytes are read when it is opened.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.data.images import SUFFIXES
from kenpin.data.in_shards import TAR, ShardFile, is_address, of_tar, shards_below, stream_of
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.library_tables import split_of
from kenpin.data.reading.mask_pictures import only_read
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import listed, subfolders
from kenpin.errors import first_line
from kenpin.records import Detections, Example, ImageSource
from kenpin.strict_json import parse_json

SUMMARY = "WebDataset shards read in place: tar archives of pictures beside their .cls, .json or .txt"
CARRIES: frozenset[str] = frozenset()
_TEXTS = ("cls", "json", "txt")
_LONGEST_TEXT = 1024**2
_LOOKED_AT = 16  # members of the first shard
_OWN = {"label", "split", "group", "id", "prefix", "suffix", "objects"}


def recognises(path: Path) -> bool:
    """Whether its first archive holds a picture beside a text of the same key."""
    first = next(_archives(path), None)
    if first is None:
        return False
    pictures, texts = set(), set()
    try:
        with tarfile.open(first, "r:") as archive:
            for _ in range(_LOOKED_AT):
                if (member := archive.next()) is None:
                    break
                key, ending = _key_of(member.name)
                if member.isfile() and _is_picture(ending):
                    pictures.add(key)
                elif member.isfile() and ending in _TEXTS:
                    texts.add(key)
    except (OSError, tarfile.TarError):
        return False
    return not pictures.isdisjoint(texts)


def _archives(path: Path) -> Iterator[str]:
    if path.is_file():
        yield from (str(path),) if path.name.endswith(TAR) else ()
        return
    for folder in (path, *(Path(entry.path) for entry in subfolders(path))) if path.is_dir() else ():
        yield from (entry.path for entry in listed(folder).ending(TAR))


def read(path: Path, reading: Reading) -> Dataset:
    """The samples of all shards in their order."""
    return read_shards(str(path), reading)


def read_shards(root: str, reading: Reading) -> Dataset:
    """The same of a folder, a file or an address. Raises OSError."""
    shards = shards_below(root, TAR)
    if not shards:
        reading.tell("unparsable-file", root, "there is no tar archive in it", "Correct the path, or name its format")
    ids: dict[str, int] = {}
    rows = (example for shard in shards for example in _samples(shard, ids, reading))
    return Dataset.from_examples(rows, root=root, format="webdataset")


def _samples(shard: ShardFile, ids: dict[str, int], reading: Reading) -> Iterator[Example]:
    """The samples of an archive: members that follow one another under one key."""
    reading.use(shard.path)
    key, picture, texts = None, None, dict[str, bytes]()
    try:
        for name, place, text in _members(shard):
            of, ending = _key_of(name)
            if of != key:
                if picture is not None and key is not None:
                    yield _example(shard, key, picture, texts, ids, reading)
                elif texts:
                    what = f"sample {key} has no picture"
                    reading.tell("missing-image", shard.path, what, "Put it there, or leave the sample out")
                key, picture, texts = of, None, {}
            if _is_picture(ending):
                picture = picture or place
            elif text is not None:
                texts[ending] = text
        if picture is not None and key is not None:
            yield _example(shard, key, picture, texts, ids, reading)
    except (tarfile.TarError, OSError, EOFError) as error:
        what = f"it cannot be read to its end as a tar archive ({first_line(error)})"
        reading.tell("unparsable-file", shard.path, what, "Copy it again from its source; it must not be compressed")


def _members(shard: ShardFile) -> Iterator[tuple[str, str, bytes | None]]:
    """Name, place and, of a text, content of each file in an archive. What lies behind an address is read through."""
    with stream_of(shard.path) if is_address(shard.path) else open(shard.path, "rb") as file:
        mode: Any = "r|" if is_address(shard.path) else "r:"
        with tarfile.open(fileobj=file, mode=mode) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else every member of a large archive is held
                if not member.isfile():
                    continue
                text = None
                if _key_of(member.name)[1] in _TEXTS and member.size <= _LONGEST_TEXT:
                    opened = archive.extractfile(member)
                    text = b"" if opened is None else opened.read()
                yield member.name, of_tar(shard.path, member.offset_data, member.size, member.name), text
            if archive.offset + tarfile.BLOCKSIZE > shard.size:  # tarfile takes the end of a cut archive for its end
                raise tarfile.ReadError("the mark of its end is missing")


def _is_picture(ending: str) -> bool:
    return f".{ending.rpartition('.')[2]}" in SUFFIXES


def _key_of(name: str) -> tuple[str, str]:
    """The sample of a member, and its ending in lower case.

    >>> _key_of("lot 7/part.1.png")
    ('lot 7/part', '1.png')
    >>> _key_of("lot 7/part.CLS")
    ('lot 7/part', 'cls')
    """
    folder, _, file = name.removeprefix("./").rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}/{stem}" if folder else stem, ending.lower()


def _example(
    shard: ShardFile, key: str, picture: str, texts: Mapping[str, bytes], ids: dict[str, int], reading: Reading
) -> Example:
    where = f"{shard.path}: {key}"
    said = _object(texts.get("json"), where, reading)
    label = _text(texts, "cls", where, reading) or _plain(said.get("label"))
    split = _plain(said.get("split"))
    return Example(
        _unique(_plain(said.get("id")) or f"{shard.below.removesuffix(TAR)}/{key}", ids),
        ImageSource(picture),
        split=split_of(PurePath(shard.below)) if split is None else split_name(split) or split,
        label=label,
        boxes=_boxes(said.get("objects"), picture, where, reading),
        group=_plain(said.get("group")),
        prefix=_plain(said.get("prefix")),
        suffix=_plain(said.get("suffix")) or _text(texts, "txt", where, reading),
        attributes={name: text for name, value in said.items() if name not in _OWN and (text := _plain(value))},
        origin=where,
    )


def _unique(id: str, taken: dict[str, int]) -> str:
    taken[id] = taken.get(id, 0) + 1
    return id if taken[id] == 1 else f"{id}#{taken[id]}"


def _text(texts: Mapping[str, bytes], ending: str, where: str, reading: Reading) -> str | None:
    content = texts.get(ending)
    return None if content is None else (reading.decoded(content, f"{where}.{ending}") or "").strip() or None


def _object(content: bytes | None, where: str, reading: Reading) -> dict[str, Any]:
    if content is None:
        return {}
    try:
        found = parse_json((reading.decoded(content, f"{where}.json") or "").encode())
    except ValueError as error:
        reading.tell("unparsable-file", f"{where}.json", f"it is not JSON ({first_line(error)})", "Write it again")
        return {}
    if not isinstance(found, dict):
        reading.tell("unparsable-file", f"{where}.json", "it is not a JSON object", "Write names with their values")
        return {}
    return found


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value) or None if isinstance(value, str | int | float) else None


def _boxes(objects: object, picture: str, where: str, reading: Reading) -> Detections | None:
    if objects is None:
        return None
    given = objects.get("bbox") if isinstance(objects, dict) else None
    names = objects.get("category") if isinstance(objects, dict) else None
    if not isinstance(given, list) or not isinstance(names, list) or len(given) != len(names):
        what = "its `objects` are not boxes with as many categories"
        reading.tell("box-unparsable", where, what, "Write lists `bbox` and `category` of one length")
        return None
    boxes, labels = [], []
    for number, (values, name) in enumerate(zip(given, names, strict=True)):
        box, label = reading.box(values, BoxForm.XYWH, ImageSource(picture)), _plain(name)
        if box is None or label is None:
            what = f"bbox {values!r} with category {name!r} is not a labelled box"
            remedy = "Write left, top, width and height in pixels, and a category"
            reading.tell("box-unparsable", f"{where}, object {number}", what, remedy)
            continue
        boxes.append(box)
        labels.append(label)
    return Detections(tuple(boxes), tuple(labels))


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("webdataset")
