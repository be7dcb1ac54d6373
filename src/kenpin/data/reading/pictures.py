"""Picture files: listing them, finding the one that an annotation names, and copying them byte for byte."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from kenpin.data.images import FORMATS, SUFFIXES, read_header
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.reading.names import UniqueNames, familiar, folded, is_of_another_machine, readable
from kenpin.records import Example, ImageSource

if TYPE_CHECKING:
    from kenpin.data.reading.reading import Reading

StrPath = str | os.PathLike[str]

_BY_PRODUCTS = {
    "@eadir", "#recycle", "#snapshot", "@recycle", "@tmp",  # NAS of Synology and QNAP: thumbnails, bins
    "__macosx",  # an archive packed on a Mac
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
    "lost+found", "__pycache__", "_gsdata_",
}  # fmt: skip

_MOST_KEPT = 200_000  # entries of all kept listings; of more, the memory is worth more than the time
_kept: ContextVar[_Kept | None] = ContextVar("kept listings", default=None)
_NOT_PLAIN = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")  # what normalising a path changes
_LONGEST_PATH = 4096  # of Linux; a longer name is no path


@dataclass(slots=True)
class Entries:
    """What lies in a folder, each list sorted by name."""

    folders: list[os.DirEntry[str]] = field(default_factory=list)
    """Links to folders are among them."""
    files: list[os.DirEntry[str]] = field(default_factory=list)
    by_products: list[str] = field(default_factory=list)
    """Names of what `is_by_product`; it is in neither of the others."""
    _pictures: list[os.DirEntry[str]] | None = None

    def __bool__(self) -> bool:
        return bool(self.folders or self.files)

    def ending(self, *endings: str) -> list[os.DirEntry[str]]:
        """Those files whose names end so, in letters of any case."""
        return [entry for entry in self.files if entry.name.lower().endswith(endings)]

    @property
    def pictures(self) -> list[os.DirEntry[str]]:
        """Those files that are pictures, by their ending."""
        if self._pictures is None:  # several formats ask for them, others never do
            self._pictures = [entry for entry in self.files if is_picture(entry.name)]
        return self._pictures


@dataclass(slots=True)
class _Kept:
    listings: dict[str, Entries] = field(default_factory=dict)
    count: int = 0


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture, by its ending."""
    # most names end without doubt, and of thousands each step counts
    return name[name.rfind(".") :].lower() in SUFFIXES and os.path.splitext(name)[1] != ""


@contextmanager
def listings_kept() -> Iterator[None]:
    """Within it a folder is listed once, whoever asks how often: many formats look at one data set."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set(_Kept())
    try:
        yield
    finally:
        _kept.reset(token)


def listed(folder: StrPath) -> Entries:
    """What lies in a folder; nothing where there is no such folder. Raises OSError where it cannot be listed."""
    kept, path = _kept.get(), os.fspath(folder)
    if kept is not None and (known := kept.listings.get(path)) is not None:
        return known
    listing = Entries()
    try:
        with os.scandir(path) as scan:
            found = sorted(scan, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        found = []
    for entry in found:
        if is_by_product(entry.name):
            listing.by_products.append(entry.name)
        else:
            (listing.folders if is_folder(entry) else listing.files).append(entry)
    if kept is not None and kept.count + len(found) <= _MOST_KEPT:
        kept.listings[path] = listing
        kept.count += len(found)
    return listing


def is_by_product(name: str) -> bool:
    """Whether a file or folder of this name is nobody's data: hidden, or left by a NAS, a Mac, Windows or Jupyter."""
    return name.startswith(".") or name.casefold() in _BY_PRODUCTS


def subfolders(folder: StrPath) -> list[os.DirEntry[str]]:
    """The folders in a folder, sorted by name."""
    return listed(folder).folders


def files_below(folder: StrPath, *, unlisted: list[str] | None = None) -> Iterator[str]:
    """Paths of all files in and below a folder, folder by folder, each sorted by name.

    unlisted: takes the folders that cannot be listed. Raises OSError for such a folder where it is None.
    """
    seen: set[str] = set()  # a link to a folder above would otherwise never end
    waiting = [os.fspath(folder)]
    while waiting:
        current = waiting.pop()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        try:
            listing = listed(current)
        except OSError:
            if unlisted is None:
                raise
            unlisted.append(current)
            continue
        for entry in listing.files:
            yield entry.path
        waiting.extend(entry.path for entry in reversed(listing.folders))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself: it fails where it is opened
        return False


def pictures_below(folder: StrPath, others: list[str], *, unlisted: list[str] | None = None) -> Iterator[str]:
    """Paths of all pictures in and below a folder. Other files are added to `others`, and folders that cannot be listed
    to `unlisted`. Raises OSError for such a folder where that is None."""
    for path in files_below(folder, unlisted=unlisted):
        if is_picture(path):
            yield path
        else:
            others.append(path)


class Finder:
    """Finds the picture that an annotation names: as it is written, or as another system or tool wrote it.

    Tried in this order: the name itself in each folder; with forward slashes and composed characters, whatever the case
    of its letters; and without the folders in front that the data set does not have, where just one picture of it ends
    so. A path from the root of another machine is not guessed.
    """

    def __init__(self, folders: Iterable[Path], root: Path, reading: Reading) -> None:
        self._root, self._reading = os.path.normpath(root), reading
        named = dict.fromkeys(map(os.path.normpath, folders))
        self._folders = tuple(filter(os.path.isdir, named)) or (self._root,)
        self._starts = tuple("" if folder == "." else os.path.join(folder, "") for folder in self._folders)
        self._by_name: dict[str, list[str]] | None = None
        self._folder_names: dict[str, bool] = {}  # thousands of names begin with the same folder

    def find(self, name: str) -> str | None:
        """Path of the picture; None where there is none, or several."""
        if "\0" in name:
            return None
        is_plain = os.sep == "/" and _NOT_PLAIN.search(name) is None
        for start in self._starts:
            # an absolute name is found in any folder
            path = start + name if is_plain else os.path.normpath(os.path.join(start, name))
            if os.path.isfile(path):
                return path
        if is_of_another_machine(name):
            return None
        return self._found_otherwise(familiar(name))

    def tell_missing(self, where: object, name: str, remedy: str) -> None:
        """Note that `find` found nothing."""
        if is_of_another_machine(name):
            what = f"its picture {name!r} is not there; that is a path of another machine"
            remedy = "Write the paths from the data set's own folder on, images/0001.png for example"
        else:
            what = f"there is no picture {name!r}"
        self._reading.tell("missing-image", where, what, remedy)

    def _found_otherwise(self, name: str) -> str | None:
        if not name or len(name) > _LONGEST_PATH:
            return None
        parts = [part for part in name.split("/") if part not in ("", ".")]
        same_name = self._same_name(parts[-1]) if parts else []
        if not same_name:
            return None
        wanted = [folded(part) for part in parts]
        for start in range(len(parts)):
            if start and self._is_folder(parts[start - 1]):
                return None  # the folder is there, and the picture is not in it
            ends = [path for path, ending in same_name if ending[-(len(parts) - start) :] == wanted[start:]]
            if ends:
                if start and len(ends) == 1:
                    what = f"pictures are found without the folders that are named before them, the first is {name!r}"
                    remedy = f"Nothing to do if {ends[0]!r} is that picture"
                    self._reading.tell_once("picture-found-below", self._root, what, remedy)
                return ends[0] if len(ends) == 1 else None
        return None

    def _same_name(self, name: str) -> list[tuple[str, list[str]]]:
        """Path of the pictures of this file name, each with its folded parts below the root."""
        if self._by_name is None:
            self._by_name = {}
            for path in files_below(self._root, unlisted=[]):
                self._by_name.setdefault(folded(os.path.basename(path)), []).append(path)
        start = len(self._root) + 1
        paths = self._by_name.get(folded(name), [])
        return [(path, [folded(part) for part in path[start:].split(os.sep)]) for path in paths]

    def _is_folder(self, name: str) -> bool:
        if name not in self._folder_names:
            places = (os.path.join(folder, name) for folder in (*self._folders, self._root))
            self._folder_names[name] = name != ".." and any(map(os.path.isdir, places))
        return self._folder_names[name]


class ByStem:
    """File names by their stems: as they are written, else whatever the case and the composition of their letters, as
    macOS and Windows hold two of them for one name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact: dict[str, list[str]] = {}
        for name in names:
            self._exact.setdefault(os.path.splitext(os.path.basename(name))[0], []).append(name)
        self._folded: dict[str, list[str]] | None = None

    def of(self, stem: str) -> list[str]:
        """The names of this stem, in their order."""
        if (found := self._exact.get(stem)) is not None:
            return found
        if self._folded is None:  # most data sets never need it
            self._folded = {}
            for exact, names in self._exact.items():
                self._folded.setdefault(folded(exact), []).extend(names)
        return self._folded.get(folded(stem), [])


def id_below(path: str, root: StrPath) -> str:
    """A picture's id: its path below the root with forward slashes, or the whole path where it lies elsewhere."""
    below = os.path.normpath(path).removeprefix(_start_of(os.fspath(root)))
    return readable(below if os.sep == "/" else below.replace(os.sep, "/"))


@lru_cache(maxsize=8)  # thousands of pictures have one root
def _start_of(root: str) -> str:
    return os.path.join(os.path.normpath(root), "")


def file_name(example: Example) -> str:
    """The file name for an example's picture: its own, with the ending of its real format where it has none."""
    name = readable(PurePath(example.image.path or example.id).name) or "picture"
    if not is_picture(name):
        name += FORMATS[read_header(example.image).format][0]
    return name


class PictureCopier:
    """Copies pictures below a new data folder under names that never collide."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = UniqueNames()
        self._made: set[str] = set()

    def copy(self, example: Example, folder: str = "") -> str:
        """Copy one picture; its path below the root, with forward slashes. Raises ImageError."""
        name = self._names.take(folder, file_name(example))
        self.make(folder)
        target = self._root / folder / name
        copy_bytes(example.image, target)
        return f"{folder}/{name}" if folder else name

    def make(self, folder: str) -> None:
        """Make a folder below the root, once."""
        if folder not in self._made:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


def copy_bytes(source: ImageSource, target: Path) -> None:
    """A picture's bytes as they are, never encoded again. Raises ImageError."""
    target.write_bytes(read_bytes_once(source).data)
