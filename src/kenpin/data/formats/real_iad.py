"""Real-IAD: a JSON file a category, with `train` and `test` lists of pictures, their class of anomaly and their mask.

Paths count from the category's folder, the `prefix` of `meta`, which lies beside the file or in a folder beside
its own. The class that `meta` calls normal is the good one. Only read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import MaskedPicture, examples_of, only_read
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import Finder, listed
from kenpin.data.reading.reading import first_text
from kenpin.records import Example

SUMMARY = "Real-IAD: a JSON file a category with meta, train and test"
CARRIES: frozenset[str] = frozenset()

_KEYS = ('"meta"', '"normal_class"')
_LOOK_AT_BYTES = 4096


def recognises(path: Path) -> bool:
    """Whether there is a JSON file that says which class is normal."""
    return bool(_files(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all categories."""
    return Dataset.from_examples(_examples(path, reading), root=path, format="real_iad")


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("real_iad")


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else [Path(entry.path) for entry in listed(path).ending(".json")]
    texts = ((file, first_text(file, _LOOK_AT_BYTES)) for file in files if file.suffix.lower() == ".json")
    return [file for file, text in texts if all(key in text for key in _KEYS)]


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    root = path if path.is_dir() else path.parent
    for file in _files(path):
        content = reading.json_of(file)
        yield from examples_of(
            _pictures(content if isinstance(content, dict) else {}, file, root, reading), root, reading
        )


def _pictures(content: dict[str, Any], file: Path, root: Path, reading: Reading) -> Iterator[MaskedPicture]:
    meta = content.get("meta")
    prefix, normal = (str(meta.get(key) or "") if isinstance(meta, dict) else "" for key in ("prefix", "normal_class"))
    finder = Finder([above / prefix for above in (root, root.parent)], root, reading)
    for key, rows in content.items():
        for number, row in enumerate(rows if split_name(key) is not None and isinstance(rows, list) else []):
            where = f"{file}: {key} {number}"
            name = row.get("image_path") if isinstance(row, dict) else None
            if not isinstance(name, str):
                reading.tell("unparsable-line", where, "it has no image_path", "Give it one")
                continue
            if (picture := finder.find(name)) is None:
                finder.tell_missing(where, name, "Put it there, or remove the entry")
                continue
            label = str(row.get("anomaly_class") or normal)
            mask = row.get("mask_path")
            found = finder.find(mask) if isinstance(mask, str) and mask else None
            if found is None and mask:
                finder.tell_missing(where, str(mask), "Put the mask there, or remove its path")
            masks = () if found is None else (found,)
            category = str(row.get("category") or "")
            attributes = {"category": category} if category else {}
            yield MaskedPicture(picture, split_name(key), label, masks, is_masked=not mask, attributes=attributes)
