"""A copy of a run or package as it may be seen by others: without pictures, paths, and names of this machine."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from kenpin.errors import OptionError
from kenpin.files import read_json, write_json
from kenpin.models.package.record import (
    DECISION,
    PACKAGE,
    RUN,
    hashes_below,
    read_package_record,
    write_package_record,
)
from kenpin.run.layout import CHECKPOINTS, EVOLUTION, LINEAGE, MODEL, RECORD, evaluation_files
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import TOGETHER, RunRecord, base_ids, read_record, record_hash, write_record
from kenpin.run.seal import check_seal, file_hash
from kenpin.strict_json import read_bounded

_ABSOLUTE = re.compile(
    r"""(?<![\w.:/\\<-])(?:~|[A-Za-z]:)?[/\\]{1,2}(?:[^\s/\\:*?"'<>|,;()]+[/\\])+(?P<last>[^\s/\\:*?"'<>|,;()]+)"""
)
"""A path in a text that begins at a root, a drive, a share or a home; `last` is what it names there."""
_OF_PATHS = re.compile(r"(?:^|_)(?:path|dir|file|folder)$|^(?:data|out|base|beside|validation|test|items|roi|align)$")
_HOMES = re.compile(rb"(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)[\w.-]+")
_SHORTEST = 6  # characters of a path that is looked for: `/` and `/tmp` are no secret
_EVERYBODYS = {"root", "user", "admin", "ubuntu", "runner", "kenpin"}


def stage(folder: Path, to: Path, *, pictures: bool) -> RunRecord:
    """Copy a run or package to a new folder; its seal there is of the copy. Returns the run's record as it was.

    Left out are checkpoints, and thumbnails, maps and pictures of the training unless `pictures` asks for them. Paths
    become the name of what they lead to; the names of pictures below the data's folder stay. Raises RunError where a
    file is damaged, OptionError where something local would go along.
    """
    if (folder / PACKAGE).is_file():
        record = read_package_record(folder)
        was = read_record(folder / RUN)
        shutil.copytree(folder, to)
        _scrub_run(to / RUN, was, pictures=pictures)
        _scrub_configurations(to / DECISION)
        _scrub_lineage(to)
        sealed = {"run_seal": record_hash(read_record(to / RUN)), "files": hashes_below(to)}
        write_package_record(to, record.model_copy(update=sealed))
    else:
        was = read_record(folder)
        check_seal(folder, was.files)
        _check_base(folder, was)
        to.mkdir(parents=True)
        for name in (RECORD, *(name for name in was.files if not name.startswith(f"{CHECKPOINTS}/"))):
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        _scrub_configurations(to / MODEL)
        _scrub_run(to, was, pictures=pictures)
    _refuse_local(to, folder, was)
    return was


def _check_base(folder: Path, record: RunRecord) -> None:
    """A run that needs what lies on this machine judges nowhere else. Raises OptionError."""
    is_run = (record.base_commit or "").startswith("seal ")
    here = [base for base in base_ids(record) if is_run or Path(base).is_absolute() or Path(base).exists()]
    if here:
        raise OptionError(
            f"{folder}: stands on {here[0]}, which lies on this machine; push a package of it, from `kenpin export RUN "
            "PACKAGE --to openvino`, which needs no base."
        )


def _scrub_run(run: Path, record: RunRecord, *, pictures: bool) -> None:
    """Rewrite what of a run's files tells of this machine, and its record last."""
    files = evaluation_files(run)
    if not pictures:
        for path in (files.thumbnails, files.maps, files.looked_at):
            if path is not None:
                path.unlink(missing_ok=True)
        shutil.rmtree(run / EVOLUTION, ignore_errors=True)
    if files.evaluation.is_file():
        values = read_json(files.evaluation)
        for part in values.get("judged", ()):
            part["path"] = None
        values["notes"] = [_without_paths(note) for note in values.get("notes", ())]
        write_json(files.evaluation, values)
    if (run / LINEAGE).is_file():
        _scrub_lineage(run)
    kept = {
        name: file_hash(run / name) if (run / name).is_file() else digest
        for name, digest in record.files.items()
        # in a package the network lies elsewhere, and its hashes still tell what makes its embeddings
        if (run / name).is_file() or (run.name == RUN and name.startswith(f"{MODEL}/"))
    }
    write_record(
        run,
        record.model_copy(
            update={
                "base_id": TOGETHER.join(map(_plain, base_ids(record))),
                "options": _each(record.options, _plain, _OF_PATHS.search),
                "dataset": _each(record.dataset, _plain, _OF_PATHS.search),
                "notes": tuple(map(_without_paths, record.notes)),
                "files": kept,
            }
        ),
    )


def _scrub_lineage(folder: Path) -> None:
    whole, network = read_lineage(folder), read_lineage(folder, of_network=True)
    write_lineage(folder, replace(whole, names=tuple(_plain(name) for name in whole.names)), network)


def _scrub_configurations(folder: Path) -> None:
    """Paths in the configurations of networks, tokenizers and adapters."""
    for file in folder.rglob("*config*.json"):
        values = read_json(file)
        scrubbed = _each(values, _plain, _OF_PATHS.search)
        if scrubbed != values:
            write_json(file, scrubbed)


def _each(value: Any, change: Callable[[str], str], asked: Callable[[str], Any], key: str = "") -> Any:
    """A copy of JSON values in which the texts under these keys are changed, at any depth."""
    if isinstance(value, dict):
        return {name: _each(inner, change, asked, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each(inner, change, asked, key) for inner in value]
    return change(value) if isinstance(value, str) and asked(key) else value


def _plain(name: str) -> str:
    """What a path names, without where it lies; another name stays."""
    if not name.startswith(("/", "~", "\\")) and not PureWindowsPath(name).drive:
        return name
    kind = PureWindowsPath if "\\" in name or PureWindowsPath(name).drive else PurePosixPath
    return kind(name).name or "-"


def _without_paths(sentence: str) -> str:
    """A sentence in which absolute paths are the names that they lead to."""
    return _ABSOLUTE.sub(lambda path: path["last"], sentence)


def _refuse_local(staged: Path, folder: Path, record: RunRecord) -> None:
    """Raises OptionError where a file still tells of this machine: what is pushed cannot be taken back."""
    marks = dict(_marks(folder, record))
    for file in sorted(path for path in staged.rglob("*") if path.is_file()):
        data = read_bounded(file, most_bytes=file.stat().st_size)
        home = _HOMES.search(data)
        what = "a home folder" if home else next((what for mark, what in marks.items() if mark in data), None)
        if what is not None:
            raise OptionError(
                f"{folder}: nothing was pushed, since {file.relative_to(staged).as_posix()} of it holds {what}; name "
                "the pictures by paths below one folder, and train on that."
            )


def _marks(folder: Path, record: RunRecord) -> Iterator[tuple[bytes, str]]:
    """What must not be found in a file, and what that is."""
    data = str(record.dataset.get("path") or "")
    for path, what in (
        (Path.home(), "your home folder"),
        (Path.cwd(), "the path of this folder"),
        (folder.resolve().parent, "the path of the run"),
        (Path(data).absolute() if data else Path("/"), "the path of the data"),
    ):
        if len(str(path)) >= _SHORTEST:
            yield str(path).encode(errors="surrogateescape"), what
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if len(token := os.environ.get(name, "")) >= _SHORTEST:
            yield token.encode(), f"the token {name}"
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        return
    if user not in _EVERYBODYS and len(user) >= 3:
        yield f"/{user}/".encode(), "your user name in a path"
