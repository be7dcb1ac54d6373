"""What a path is that was given as a data set and is none, and what to give instead."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from kenpin.data.reading.pictures import is_picture, subfolders

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".wmv", ".webm", ".m4v", ".mpg", ".mpeg")
_RECORD, _MODEL = "run.json", "model"
_DEEPEST, _MOST = 3, 50  # folders that are looked into for a data set further down


def is_a_run(path: Path) -> bool:
    """Whether it is the folder of a finished run, whose own files may look like a data set."""
    return (path / _RECORD).is_file() and (path / _MODEL).is_dir()


def run_in_place_of_data(path: Path) -> str:
    """That a run is no data set, and where each of the two goes."""
    return (
        f"{path}: it is a run, and a data set is needed here. Give the folder or file of the pictures or numbers; data "
        f"and run may be exchanged. `kenpin report {path}` shows what the run was trained on."
    )


def what_it_is(path: Path, recognised: Callable[[Path], bool]) -> str | None:
    """In a sentence what a file or folder without a data set in it is, and what to give instead; None where nothing
    tells. recognised: whether a format takes a folder."""
    ending = path.suffix.lower()
    if path.is_dir():
        inner: list[Path] = []
        for folder in islice(_below(path), _MOST):
            if not any(outer in folder.parents for outer in inner) and recognised(folder):
                inner.append(folder)
        if len(inner) == 1:
            return f"{path}: the data set lies in a folder within it. Give {inner[0]}."
        if inner:
            named = ", ".join(map(str, inner[:5])) + (f" and {len(inner) - 5} more" if len(inner) > 5 else "")
            return f"{path}: it holds several data sets ({named}). Give one of them."
        return None
    if is_picture(path.name):
        return (
            f"{path}: it is one picture, and a data set is needed here. Give the folder that the pictures lie in, such "
            f"as {path.absolute().parent}."
        )
    if ending in _ARCHIVES:
        return f"{path}: it is an archive. Unpack it, and give the folder that its files are unpacked into."
    if ending in _VIDEOS:
        return (
            f"{path}: it is a video. Write its frames as pictures, with `ffmpeg -i {path} -vf fps=1 FRAMES/%06d.png` "
            "for one a second, and give the folder FRAMES."
        )
    return None


def _below(folder: Path) -> Iterator[Path]:
    """The folders below, the nearest first, a few levels deep."""
    level = [folder]
    for _ in range(_DEEPEST):
        level = [Path(entry.path) for outer in level for entry in islice(_subfolders(outer), _MOST)]
        yield from level


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in subfolders(folder) if not entry.is_symlink()]
    except OSError:  # one that may not be listed is no data set
        return []
