"""Runs and packages fetched from the hub: the files that their record names, of one commit, kept and never changed."""

from __future__ import annotations

import glob
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kenpin.errors import DownloadError, OptionError, RunError
from kenpin.files import new_folder, partial_folder, read_json, write_text
from kenpin.hub.refusing import check_installed, endpoint, quiet, told
from kenpin.models.networks.feature_store import default_folder
from kenpin.models.package.record import PACKAGE
from kenpin.network import is_offline, why_silent
from kenpin.run.layout import RECORD

_ID = re.compile(r"(?P<id>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAIN = "main"
_log = logging.getLogger("kenpin")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A run or package of the hub, on this machine."""

    folder: Path
    id: str
    commit: str

    @property
    def name(self) -> str:
        """Its id and the commit, by which it is fetched again as it is: `owner/name@commit`."""
        return f"{self.id}@{self.commit}"


def fetch(name: str, revision: str | None = None) -> Fetched:
    """The run or package of a repository of models on the hub, whose files lie on this machine then.

    name: `owner/name`, or `owner/name@revision`; revision: a branch, a tag or a commit; None: the main branch. A commit
    that was fetched before is taken from disk, and asks nobody. Nothing but the files that its record names is
    fetched; whoever opens it checks their hashes. Raises DownloadError, RunError, OptionError, MissingExtraError.
    """
    found = _found(name, revision)
    if found is None:
        raise RunError(f"{name}: holds neither {RECORD} nor {PACKAGE}, so it is not a run of kenpin; correct the id.")
    return found


def folder_of(run: str | Path) -> Path:
    """The folder of a run: itself, or, where no such folder is and the name can be one of the hub's, what is fetched.

    Raises as `fetch` does; a name that the hub cannot be asked about stays as it is.
    """
    path = Path(run)
    if not _is_id(path):
        return path
    if is_offline() and _kept(*_parts(path.as_posix())) is None:
        return path
    return fetch(path.as_posix()).folder


def folder_below(folder: Path, run: Path) -> Path:
    """The folder of a run that a file in `folder` names: below it, or of the hub by its commit, since what decides on a
    line changes only by a change of that file. Raises OptionError without a commit, and as `fetch` does."""
    below = folder / run
    name = run.as_posix()
    match = _ID.fullmatch(name)
    if match is None or match["revision"] is None or os.path.lexists(below) or below.parent.exists():
        return below
    id, revision = _parts(name)
    if _COMMIT.fullmatch(revision) is None:
        raise OptionError(
            f"{name}: there is no such folder below {folder}, and of the hub a run is named here by its commit, which "
            f"never changes; give {id}@COMMIT."
        )
    return below if is_offline() and _kept(id, revision) is None else fetch(name).folder


def fetched_if_run(name: str) -> Path | None:
    """The folder of a run of the hub; None where the name is none of the hub's, where what it names is no run, and
    where the hub does not answer and nothing of it was fetched before.

    Raises DownloadError where the hub gives no such repository.
    """
    if not _is_id(Path(name)):
        return None
    if (is_offline() or why_silent(endpoint())) and _kept(*_parts(Path(name).as_posix())) is None:
        return None
    found = _found(Path(name).as_posix(), None)
    return None if found is None else found.folder


def origin_of(folder: Path) -> str | None:
    """`owner/name@commit` of a folder that was fetched; None of any other."""
    home = _home()
    if not folder.is_relative_to(home) or len(parts := folder.relative_to(home).parts) != 3:
        return None
    return f"{parts[0]}/{parts[1]}@{parts[2]}"


def is_repository(name: str) -> bool:
    """Whether a name can be the id of a repository, without a revision."""
    match = _ID.fullmatch(name)
    return match is not None and match["revision"] is None


def _is_id(path: Path) -> bool:
    name = path.as_posix()
    if _ID.fullmatch(name) is None or os.path.lexists(path) or partial_folder(path).exists():
        return False
    return not path.parent.exists()  # a folder that is there, and no run in it: the name was mistyped


def _parts(name: str, revision: str | None = None) -> tuple[str, str]:
    """Id and revision of a name. Raises DownloadError."""
    match = _ID.fullmatch(name)
    if match is None:
        raise DownloadError(f"{name}: is no id of the hub; give owner/name, or owner/name@revision.")
    return match["id"], revision or match["revision"] or _MAIN


def _home() -> Path:
    return default_folder() / "hub"


def _kept(id: str, revision: str) -> Fetched | None:
    """What was fetched before, of this revision."""
    commit = revision
    if not _COMMIT.fullmatch(revision):
        ref = _ref(id, revision)
        commit = ref.read_text("utf-8").strip() if ref.is_file() else ""
    folder = _home() / id / commit
    return Fetched(folder, id, commit) if _COMMIT.fullmatch(commit) and folder.is_dir() else None


def _ref(id: str, revision: str) -> Path:
    return _home() / id / f"{revision.replace('/', '%2F')}.ref"


def _found(name: str, revision: str | None) -> Fetched | None:
    id, revision = _parts(name, revision)
    kept = _kept(id, revision)
    if kept is not None and (revision == kept.commit or is_offline()):
        return kept
    check_installed(f"{name}: there is no such folder, and asking the Hugging Face hub for it")
    if not is_offline() and (reason := why_silent(endpoint())) is not None:
        if kept is None:
            raise DownloadError(
                f"{name}: there is no such folder, and {endpoint()} does not answer ({reason}); correct the path, or "
                "connect to the network."
            )
        _log.warning("%s: %s does not answer; taking %s, fetched before.", name, endpoint(), kept.name)
        return kept
    return _asked(id, revision)


def _asked(id: str, revision: str) -> Fetched | None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    with told(id, revision):
        about = api.model_info(id, revision=revision)
    names = {file.rfilename for file in about.siblings or ()}
    record = next((name for name in (PACKAGE, RECORD) if name in names), None)
    if record is None:
        return None
    commit = str(about.sha)
    if not _COMMIT.fullmatch(commit):
        raise DownloadError(f"{id}: the hub names no commit of revision {revision}; repeat it later.")
    folder = _home() / id / commit
    if not folder.is_dir():
        with new_folder(folder) as unfinished, told(id, revision):
            _download(api, id, commit, record, names, unfinished)
    if revision != commit:
        write_text(_ref(id, revision), f"{commit}\n")
    return Fetched(folder, id, commit)


def _download(api: Any, id: str, commit: str, record: str, names: set[str], folder: Path) -> None:
    """The record, and the files that it names and the repository has."""
    where = folder / ".download"  # the library leaves files of its own beside what it downloads
    settings = {"repo_id": id, "revision": commit, "local_dir": where}
    with quiet():
        api.snapshot_download(**settings, allow_patterns=[record])
    files = read_json(where / record).get("files")
    if not isinstance(files, dict) or not all(map(_is_plain, files)):
        raise RunError(f"{id}: its {record} names no files, or files outside of its folder; ask who pushed it.")
    wanted = {record, *(name for name in files if name in names)}
    with quiet():
        api.snapshot_download(**settings, allow_patterns=[glob.escape(name) for name in sorted(wanted)])
    for name in wanted:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (where / name).rename(target)
    shutil.rmtree(where)


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name and name != ""
