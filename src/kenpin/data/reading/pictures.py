"""Picture files: listing them, finding the one that an annotation names, and copying them byte for byte."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath

from kenpin.data.images import FORMATS, SUFFIXES, read_header
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.reading import Reading
from kenpin.data.reading.names import UniqueNames, familiar, folded, is_of_another_machine, readable
from kenpin.records import Example, ImageSource

StrPath = str | os.PathLike[str]

_BY_PRODUCTS = {
    "@eadir", "#recycle", "#snapshot", "@recycle", "@tmp",  # NAS of Synology and QNAP: thumbnails, bins
    "__macosx",  # an archive packed on a Mac
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
    "lost+found", "__pycache__", "_gsdata_",
}  # fmt: skip

_LARGEST_KEPT = 200_000  # entries of a folder; of a larger one the memory is worth more
_kept: ContextVar[dict[str, list[os.DirEntry[str]]] | None] = ContextVar("kept listings", default=None)
_LONGEST_PATH = 4096  # of Linux; a longer name is no path


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture, by its ending."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


@contextmanager
def listings_kept() -> Iterator[None]:
    """Within it a folder is listed once, whoever asks how often: many formats look at one data set."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def entries(folder: StrPath) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by name, without hidden ones and those of `is_by_product`; empty where there is
    no such folder."""
    kept, path = _kept.get(), os.fspath(folder)
    if kept is not None and path in kept:
        return kept[path]
    try:
        with os.scandir(path) as listing:
            found = sorted((e for e in listing if not is_by_product(e.name)), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        found = []
    if kept is not None and len(found) <= _LARGEST_KEPT:
        kept[path] = found
    return found


def is_by_product(name: str) -> bool:
    """Whether a file or folder of this name is nobody's data: hidden, or left by a NAS, a Mac, Windows or Jupyter."""
    return name.startswith(".") or name.casefold() in _BY_PRODUCTS


def subfolders(folder: StrPath) -> list[os.DirEntry[str]]:
    """The folders in a folder, sorted by name."""
    return [entry for entry in entries(folder) if is_folder(entry)]


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
        inside: list[str] = []
        try:
            listed = entries(current)
        except OSError:
            if unlisted is None:
                raise
            unlisted.append(current)
            continue
        for entry in listed:
            if is_folder(entry):
                inside.append(entry.path)
            else:
                yield entry.path
        waiting.extend(reversed(inside))


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
        self._folders = tuple(dict.fromkeys(str(folder) for folder in folders))
        self._root, self._reading = os.path.normpath(root), reading
        self._by_name: dict[str, list[str]] | None = None
        self._folder_names: dict[str, bool] = {}  # thousands of names begin with the same folder

    def find(self, name: str) -> str | None:
        """Path of the picture; None where there is none, or several."""
        if "\0" in name:
            return None
        # an absolute name is found in any folder
        paths = (os.path.normpath(os.path.join(folder, name)) for folder in self._folders)
        found = next((path for path in paths if os.path.isfile(path)), None)
        if found is not None or is_of_another_machine(name):
            return found
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
    start = os.path.join(os.path.normpath(root), "")
    path = os.path.normpath(path)
    return readable(PurePath(path.removeprefix(start)).as_posix())


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
