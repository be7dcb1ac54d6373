"""What a reader left: pictures and annotations of the folder that are not in the data set, and files outside of it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.in_shards import file_of
from kenpin.data.not_opened import in_words, kinds_of
from kenpin.data.reading import Reading
from kenpin.data.reading.foreign import names_one_of, tool_of
from kenpin.data.reading.names import AbsolutePaths, readable
from kenpin.data.reading.pictures import listed
from kenpin.plural import counted, is_are
from kenpin.records import Severity

_TEXTS = {".json", ".jsonl", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".yml"}
_FILES_TRIED = 50  # files of a folder and ending that are opened
_SHOWN = 8  # names of by-products in a sentence


@dataclass(slots=True)
class Listing:
    """The files of a data set's folder, all levels of it."""

    pictures: dict[str, list[str]] = field(default_factory=dict)
    """Absolute paths by their folder."""
    others: list[str] = field(default_factory=list)
    by_products: Counter[str] = field(default_factory=Counter)
    """Names of what is nobody's data, with their number."""


def listing_of(path: Path, folders: set[str]) -> Listing:
    """The files in and below a folder; of a data set that is a file, the pictures in these folders."""
    listing = Listing()
    is_folder_of_data = path.is_dir()
    # as its reader named it, for then it is listed already
    waiting = [(os.fspath(path), os.path.abspath(path))] if is_folder_of_data else [(f, f) for f in sorted(folders)]
    seen: set[str] = set()
    while waiting:
        current, absolute = waiting.pop()
        real = os.path.realpath(current)
        if real in seen:  # a link to a folder above would never end
            continue
        seen.add(real)
        try:
            found = listed(current)
        except OSError:
            continue
        for name in found.by_products:
            listing.by_products[readable(name)] += 1
        start = os.path.join(absolute, "")
        if found.pictures:
            listing.pictures[absolute] = [start + entry.name for entry in found.pictures]
        if is_folder_of_data:
            pictures = {entry.name for entry in found.pictures}
            listing.others += [start + entry.name for entry in found.files if entry.name not in pictures]
            waiting += [(entry.path, start + entry.name) for entry in found.folders]
    return listing


def inside(dataset: Dataset, root: Path, reading: Reading, *, outside: bool) -> Dataset:
    """The data set without pictures and masks that are reached through a link that leads out of its folder.

    Each of them is told, and those that annotations name outside of the folder; outside: both are wanted.
    """
    if outside or not root.exists():
        return dataset
    start = os.path.join(os.path.realpath(root), "")
    real_folders: dict[str, str] = {}

    def is_inside(picture: str) -> bool:
        path = file_of(picture)
        folder = path[: path.rfind(os.sep) + 1]
        if (real := real_folders.get(folder)) is None:
            real = real_folders[folder] = os.path.join(os.path.realpath(folder), "")
        return (os.path.realpath(path) if os.path.islink(path) else real).startswith(start)

    own = os.path.join(os.path.abspath(root), "")
    linked: list[tuple[int, str]] = []
    named: list[tuple[int, str]] = []
    for row, paths in enumerate(zip(dataset.files(), dataset.masks(), strict=True)):
        for path in filter(None, paths):
            if not is_inside(path):
                (linked if os.path.abspath(path).startswith(own) else named).append((row, path))
    if linked:
        what = f"{counted(len(linked), 'picture')} {is_are(len(linked))} behind a link that leads out of the data set"
        what += f", the first is {readable(linked[0][1])}"
        remedy = "Copy the files into the data set, or allow it with --outside if the links are yours"
        reading.tell("link-outside", root, what, remedy)
        for _, path in linked:
            reading.use(path)
        gone = {row for row, _ in linked}
        dataset = dataset.select(row for row in range(len(dataset)) if row not in gone)
    if named:
        what = f"{counted(len(named), 'picture')} that {'is' if len(named) == 1 else 'are'} named in it lie elsewhere"
        what += f", the first is {readable(named[0][1])}"
        remedy = "Nothing to do if the annotations are yours, which --outside says; else do not pass these pictures on"
        reading.tell("picture-outside", root, what, remedy, severity=Severity.WARNING)
    return dataset


def tell_leftovers(dataset: Dataset, path: Path, reading: Reading, *, had_errors: bool) -> None:
    """Note what is in the folder and not in the data set. had_errors: the reader told what is wrong already."""
    absolute = AbsolutePaths()
    read = set(map(absolute.of, filter(None, dataset.files())))
    listing = listing_of(path, set() if path.is_dir() else set(map(os.path.dirname, read)))
    read.update(map(absolute.of, filter(None, dataset.masks())))
    read |= reading.used
    left = {
        folder: lacking for folder, all_ in listing.pictures.items() if (lacking := [p for p in all_ if p not in read])
    }
    others = [other for other in listing.others if other not in read]
    is_unread = _tell_others(path, others, listing, reading)
    for folder, lacking in sorted(left.items()):
        what = f"it holds {counted(len(lacking), 'picture')} that the data set does not name, the first is {lacking[0]}"
        remedy = "Annotate them, or remove them from the folder"
        reading.tell("orphan-image", folder, what, remedy, severity=Severity.WARNING)
    if listing.by_products:
        names = [f"{name} ({number})" for name, number in listing.by_products.most_common(_SHOWN)]
        what = f"files and folders that are no data were passed over: {', '.join(names)}"
        reading.tell("by-product", path, what, "Nothing to do", severity=Severity.INFO)
    _tell_emptiness(dataset, path, reading, is_unread=is_unread, had_errors=had_errors)


def _tell_others(path: Path, others: list[str], listing: Listing, reading: Reading) -> bool:
    """Note the files that no reader took; whether annotations are among them."""
    if not others:
        return False
    kinds: dict[tuple[str, str], list[str]] = {}
    for other in others:
        folder, name = os.path.split(other)
        kinds.setdefault((folder, os.path.splitext(name)[1].lower()), []).append(other)
    names = {
        folder: [os.path.basename(picture) for picture in pictures] for folder, pictures in listing.pictures.items()
    }
    every = [name for all_ in names.values() for name in all_]
    stems = {os.path.splitext(name)[0] for name in every}
    plain: list[str] = []
    annotations: dict[tuple[str, str], list[str]] = {}
    for (folder, suffix), files in kinds.items():
        for number, file in enumerate(files):
            why = _why_annotation(file, suffix, names.get(folder, every), stems) if number < _FILES_TRIED else None
            if why is None:
                plain.append(file)
            else:
                annotations.setdefault(why, []).append(file)
    for (what, remedy), files in annotations.items():
        which = f"{counted(len(files), 'file')} of the kind {what}, the first is {files[0]}" if len(files) > 1 else what
        where = path if len(files) > 1 else files[0]
        reading.tell("annotation-not-read", where, f"it is not read: {which}", remedy, severity=Severity.WARNING)
    of_kinds = kinds_of(plain)
    for kind, files in of_kinds.items():
        what, remedy = in_words(kind, files)
        reading.tell("picture-not-opened", path, what, remedy, severity=Severity.WARNING)
    not_opened = {file for files in of_kinds.values() for file in files}
    if plain := [file for file in plain if file not in not_opened]:
        what = f"it holds {counted(len(plain), 'file')} without the ending of a picture, the first is {plain[0]}"
        reading.tell("other-file", path, what, "Nothing to do if they are no annotations", severity=Severity.INFO)
    return bool(annotations)


def _why_annotation(file: str, suffix: str, names: list[str], stems: set[str]) -> tuple[str, str] | None:
    """What kind of annotation a file seems to be, and the remedy; None where it seems to be none."""
    if (tool := tool_of(file)) is not None:
        return tool.name, tool.remedy
    remedy = "Settle its format with --format, or export it as COCO, YOLO or CSV; nothing to do if it is a note"
    if suffix in _TEXTS and os.path.splitext(os.path.basename(file))[0] in stems:
        return "a text with a picture's name", remedy
    if suffix in _TEXTS and names_one_of(file, names):
        return "a text that names pictures", remedy
    return None


def _tell_emptiness(dataset: Dataset, path: Path, reading: Reading, *, is_unread: bool, had_errors: bool) -> None:
    """Note a data set without a picture, or without any of the annotations that lie in it."""
    if had_errors:
        return
    if not len(dataset):
        what = "there is no picture to learn from or to judge in it"
        reading.tell("no-pictures", path, what, "Name another folder, or settle the format with --format")
        return
    if is_unread and not dataset.has_any("label", "boxes_xyxy_px", "suffix", "items").any():
        what = "none of its pictures has an annotation, and annotations that lie in it were not read"
        reading.tell("nothing-annotated", path, what, "See what was not read, and settle the format with --format")
