"""Picture files: listing them, finding the one that an annotation names, and copying them byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath

from kenpin.data.images import FORMATS, SUFFIXES, read_header
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.reading import Note
from kenpin.data.reading.content import tell
from kenpin.data.reading.names import UniqueNames
from kenpin.plural import counted
from kenpin.records import Example, ImageSource, Severity

StrPath = str | os.PathLike[str]


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture, by its ending."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def entries(folder: StrPath) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by name, without hidden ones; empty where there is no such folder."""
    try:
        with os.scandir(folder) as listing:
            return sorted((e for e in listing if not e.name.startswith(".")), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def subfolders(folder: StrPath) -> list[os.DirEntry[str]]:
    """The folders in a folder, sorted by name."""
    return [entry for entry in entries(folder) if entry.is_dir()]


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
            if _is_folder(entry):
                inside.append(entry.path)
            else:
                yield entry.path
        waiting.extend(reversed(inside))


def _is_folder(entry: os.DirEntry[str]) -> bool:
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


def tell_others(note: Note, root: Path, others: list[str]) -> None:
    """Note the files among the pictures that are not pictures."""
    if others:
        what = f"it holds {counted(len(others), 'file')} without the ending of a picture, the first is {others[0]}"
        remedy = "Nothing to do if they are not meant to be"
        tell(note, "other-file", root, what, remedy, severity=Severity.INFO)


def tell_unlisted(note: Note, listed: set[str]) -> None:
    """Note the pictures beside the listed ones that no annotation names. `listed`: paths, normalised."""
    for folder in sorted({os.path.dirname(path) for path in listed}):
        unlisted = [e.path for e in entries(folder) if is_picture(e.name) and e.path not in listed]
        if unlisted:
            what = f"it holds {counted(len(unlisted), 'picture')} without an annotation, the first is {unlisted[0]}"
            remedy = "Annotate them, or remove them from the folder"
            tell(note, "orphan-image", folder, what, remedy, severity=Severity.WARNING)


def finder(folders: Iterable[Path]) -> Callable[[str], str | None]:
    """A search for a named file in these folders, in their order; it returns None where no folder has the file."""
    candidates = tuple(dict.fromkeys(str(folder) for folder in folders))

    def find(name: str) -> str | None:
        # an absolute name is found in any folder
        paths = (os.path.normpath(os.path.join(folder, name)) for folder in candidates)
        return next((path for path in paths if os.path.isfile(path)), None)

    return find


def id_below(path: str, root: StrPath) -> str:
    """A picture's id: its path below the root with forward slashes, or the whole path where it lies elsewhere."""
    start = os.path.join(os.path.normpath(root), "")
    path = os.path.normpath(path)
    return PurePath(path.removeprefix(start)).as_posix()


def file_name(example: Example) -> str:
    """The file name for an example's picture: its own, with the ending of its real format where it has none."""
    name = PurePath(example.image.path or example.id).name or "picture"
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
