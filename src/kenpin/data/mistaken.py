"""What a path is that was given as a data set and is none, and what to give instead."""

from __future__ import annotations

from pathlib import Path

from kenpin.data.reading.pictures import is_picture

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".wmv", ".webm", ".m4v", ".mpg", ".mpeg")
_RECORD, _MODEL = "run.json", "model"


def is_a_run(path: Path) -> bool:
    """Whether it is the folder of a finished run, whose own files may look like a data set."""
    return (path / _RECORD).is_file() and (path / _MODEL).is_dir()


def run_in_place_of_data(path: Path) -> str:
    """That a run is no data set, and where each of the two goes."""
    return (
        f"{path}: it is a run, and a data set is needed here. Give the folder or file of the pictures or numbers; data "
        f"and run may be exchanged. `kenpin report {path}` shows what the run was trained on."
    )


def what_it_is(path: Path) -> str | None:
    """In a sentence what a file is that is no data set, and what to give instead; None where nothing tells."""
    ending = path.suffix.lower()
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
