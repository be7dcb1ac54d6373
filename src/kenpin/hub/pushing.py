"""A run or package pushed to a repository of the hub: what others may see of it, with its model card, in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kenpin.errors import DownloadError, OptionError, RunError
from kenpin.files import read_json
from kenpin.hub.card import CardSubject, Licences, card_of, hub_data, is_hub_id
from kenpin.hub.fetching import is_repository
from kenpin.hub.refusing import check_installed, endpoint, quiet, told
from kenpin.hub.staging import stage
from kenpin.models.package.record import PACKAGE, RUN, PackageRecord, read_package_record
from kenpin.network import is_offline, why_silent
from kenpin.records_json import evaluation_from_json
from kenpin.run.layout import evaluation_files
from kenpin.run.record import base_ids, read_record, record_hash

CARD = "README.md"
_OF_THE_HUB = (".gitattributes",)
_BASES = {"lite0": "apache-2.0", "toy": "none: random numbers"}
"""Licences of the bases that kenpin names itself."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the hub has now."""

    id: str
    commit: str
    url: str

    @property
    def name(self) -> str:
        """Id and commit, by which it is loaded as it was pushed: `owner/name@commit`."""
        return f"{self.id}@{self.commit}"


def push(
    run: str | Path,
    to: str,
    *,
    public: bool = False,
    pictures: bool = False,
    branch: str | None = None,
    licences: Licences = Licences(),  # noqa: B008 it is frozen
    message: str | None = None,
) -> Pushed:
    """Push a run or a package to the repository `owner/name`, which is made where there is none, in one commit.

    public: make a new repository for all to see; one that exists stays as it is. pictures: thumbnails, maps and
    pictures of the training go along. branch: in place of main, made where there is none. licences: where they are
    not given, those of base and data are asked of the hub. Checkpoints, reports and paths of this machine stay here.
    Raises RunError, OptionError, DownloadError, MissingExtraError.
    """
    folder = Path(run)
    check_installed("pushing to the Hugging Face hub")
    if not is_repository(to):
        raise OptionError(f"{to}: is no id of a repository; give owner/name, and a branch by its own option.")
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / "staged"
        was = stage(folder, staged, pictures=pictures)
        if is_offline():
            raise DownloadError(f"{to}: HF_HUB_OFFLINE is set, and nothing is pushed; unset it.")
        if (reason := why_silent(endpoint())) is not None:
            raise DownloadError(f"{to}: {endpoint()} does not answer ({reason}); connect to the network.")
        from huggingface_hub import HfApi

        api = HfApi(endpoint=endpoint())
        subject = _subject(to, staged, record_hash(was))
        with told(to, branch):
            api.create_repo(to, private=not public, exist_ok=True)
            if branch is not None:
                api.create_branch(to, branch=branch, exist_ok=True)
            card = card_of(subject, _known(api, subject, licences))
            (staged / CARD).write_text(card, encoding="utf-8")
            return _commit(api, to, staged, branch or "main", message or f"Push {folder.resolve().name}")


def _subject(id: str, staged: Path, seal: str) -> CardSubject:
    package = read_package_record(staged) if (staged / PACKAGE).is_file() else None
    run = staged / RUN if package is not None else staged
    kept = evaluation_files(run).evaluation
    if not kept.is_file():
        raise RunError(f"{kept.name}: is missing, and a model card is made of it; train again, or restore it.")
    evaluation = evaluation_from_json(read_json(kept), kept.name)
    return CardSubject(id, read_record(run), evaluation, seal, None if package is None else _made_for(package))


def _made_for(package: PackageRecord) -> str:
    return f"{package.made_for} in {package.precision}"


def _known(api: Any, subject: CardSubject, given: Licences) -> Licences:
    """The licences, with those of base and data from their own cards where they are on the hub and say them."""
    data = hub_data(subject.record)
    return Licences(
        given.own,
        given.base or _of_bases(api, base_ids(subject.record)),
        given.data or (data and _licence(api.dataset_info, data)),
    )


def _of_bases(api: Any, ids: Sequence[str]) -> str | None:
    """The licence of a base, or what is known of that of each of its networks."""
    found = {id: _BASES.get(id) or (_licence(api.model_info, id) if is_hub_id(id) else None) for id in ids}
    if len({*found.values()}) == 1:
        return found[ids[0]]
    return "; ".join(f"{id}: {licence or 'not stated'}" for id, licence in found.items())


def _licence(ask: Any, id: str) -> str | None:
    with suppress(Exception):  # whatever hinders it: then it is not stated
        found = ask(id).card_data
        return None if found is None or not found.get("license") else str(found.get("license"))
    return None


def _commit(api: Any, id: str, staged: Path, branch: str, message: str) -> Pushed:
    """All files of the folder in one commit, and none that was there before."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    files = {path.relative_to(staged).as_posix(): path for path in staged.rglob("*") if path.is_file()}
    there = [name for name in api.list_repo_files(id, revision=branch) if name not in _OF_THE_HUB]
    operations = [
        *(CommitOperationAdd(name, str(path)) for name, path in sorted(files.items())),
        *(CommitOperationDelete(name) for name in sorted({*there} - {*files})),
    ]
    with quiet():
        done = api.create_commit(id, operations, commit_message=message, revision=branch)
    return Pushed(id, str(done.oid), f"{endpoint()}/{id}")
