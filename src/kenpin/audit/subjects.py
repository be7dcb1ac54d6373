"""What is audited: a run, a package, or a policy with its runs; and the station and records beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kenpin.audit.figures import Document
from kenpin.audit.fingerprints import files_below
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError, RunError
from kenpin.files import read_json
from kenpin.inspection.journal import JOURNAL
from kenpin.inspection.policy import Policy, read_policy
from kenpin.models.package import folder_of_report, is_package
from kenpin.run.criteria import FixedCriteria, read_fixed
from kenpin.run.layout import LINEAGE, RECORD, evaluation_files, further_evaluations
from kenpin.run.lineage import read_lineage
from kenpin.run.record import RunRecord, is_run, read_record
from kenpin.station.folder import StationFolder
from kenpin.yaml_file import read_yaml

DOCTOR = "doctor.json"
_UNFIT = re.compile(r"[^\w.+-]")
Kind = Literal["run", "package", "policy"]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a run, and the criteria that were fixed before it."""

    name: str
    """Empty for the run's own."""
    document: Document
    criteria: FixedCriteria | None
    criteria_document: Document | None

    @property
    def is_test(self) -> bool:
        """Whether it is of parts that were kept for a test: neither of those that it learned from or was chosen by, nor
        of folds of them."""
        split, judged = str(self.document.get("split")), self.document.get("judged", default=())
        if not self.name:
            return split == "test"
        return not split.endswith(" folds") and not any(part.get("seen") for part in judged)


@dataclass(frozen=True)
class AuditedRun:
    """A run, or a package of one."""

    name: str
    """In the policy, or of its folder."""
    folder: Path
    place: str
    """Its folder in the pack: `runs/NAME`."""
    inner: str
    """Where in it the run's record lies: `run/` in a package, else empty."""
    record: RunRecord
    document: Document
    """`run.json`."""
    package: Document | None
    """`package.json`, of a package."""
    evaluations: tuple[Evaluated, ...]
    doctor: Document | None
    lineage: Lineage | None
    """None where it was not recorded."""

    @property
    def test(self) -> Evaluated | None:
        """The evaluation of parts that were kept for a test, one with criteria first; None where there is none."""
        tests = [one for one in self.evaluations if one.is_test]
        return next((one for one in tests if one.criteria is not None), tests[0] if tests else None)


@dataclass(frozen=True)
class AuditSubject:
    """What a pack is about."""

    kind: Kind
    name: str
    path: Path
    runs: tuple[AuditedRun, ...]
    policy: Policy | None = None
    policy_document: Document | None = None
    station: StationFolder | None = None
    product: str | None = None
    """Of the station, where the policy is that of a version."""
    version: int | None = None
    records: Path | None = None
    """Folder of the records of an inspection."""

    @property
    def roots(self) -> Mapping[str, Path]:
        """Where its files lie, by their place in the pack."""
        return roots_of(self.path, self.policy, {run.name: run.folder for run in self.runs}) | beside(
            self.station, self.records
        )


def read_subject(path: Path, *, station: Path | None = None, records: Path | None = None) -> AuditSubject:
    """A run's or a package's folder, or a policy's file, all seals checked. Raises RunError, OptionError."""
    if path.is_dir():
        if station is not None:
            raise OptionError("option `--station` is of a policy; give the policy of the version that judges there.")
        kind: Kind = "package" if is_package(path) else "run"
        name = path.resolve().name
        return AuditSubject(kind, name, path, (_read_run(name, path),), records=_checked_records(records))
    if not path.exists():
        raise OptionError(f"{path}: no such run, package or policy; give a run's folder or a policy's file.")
    policy = read_policy(path)
    runs = tuple(_read_run(name, options.run) for name, options in policy.runs.items())
    above = path.resolve().parents
    found = station or (above[3] if len(above) > 3 and above[2].name == "versions" else None)
    is_version = found is not None and len(above) > 3 and above[3] == found.resolve() and above[0].name.isdigit()
    folder = None if found is None else StationFolder(found)
    if folder is not None and not folder.trails.is_dir():
        if station is not None:
            raise OptionError(f"{station}: there is no trail in it; name the folder of a station.")
        folder = None
    return AuditSubject(
        "policy",
        path.name,
        path,
        runs,
        policy,
        Document("policy/policy.yaml", read_yaml(path)),
        folder,
        above[1].name if folder is not None and is_version else None,
        int(above[0].name) if folder is not None and is_version else None,
        _checked_records(records),
    )


def roots_of(path: Path, policy: Policy | None, runs: Mapping[str, Path]) -> dict[str, Path]:
    """Where the files of a run, a package or a policy lie, by their place in the pack."""
    roots = {place_of(name): folder for name, folder in runs.items()}
    if policy is not None and policy.describe is not None:
        roots["describer"] = policy.describe.run
    return roots if policy is None else {"policy": path, **roots}


def place_of(run: str) -> str:
    """The folder of a run in the pack: names of folders may hold what no archive should."""
    return f"runs/{_UNFIT.sub('_', run)}"


def beside(station: StationFolder | None, records: Path | None) -> dict[str, Path]:
    """Where trails, journals and records lie, by their place in the pack."""
    found = {"station": station.path} if station is not None else {}
    return found | ({"records": records} if records is not None else {})


def files_of(place: str, root: Path) -> Iterator[tuple[str, Path, bool]]:
    """Name, path, and whether lines are appended to it, of each file of a root. Raises RunError."""
    if place == "policy":
        yield "policy.yaml", root, False
    elif place == "station":
        folder = StationFolder(root)
        for path in (*sorted(folder.trails.glob("*.jsonl")), *sorted(folder.records.glob(f"*/*/{JOURNAL}"))):
            yield path.relative_to(root).as_posix(), path, True
    elif place == "records":
        yield JOURNAL, root / JOURNAL, True
    else:
        yield from ((name, path, False) for name, path in files_below(root))


def _read_run(name: str, folder: Path) -> AuditedRun:
    if not folder.is_dir() or not (is_run(folder) or is_package(folder)):
        read_record(folder)  # says what is wrong with it
    inner_folder = folder_of_report(folder)
    packaged = is_package(folder)
    place, inner = place_of(name), f"{inner_folder.name}/" if packaged else ""

    def document(file: Path) -> Document:
        return Document(f"{place}/{inner}{file.name}", read_json(file))

    evaluations = []
    for one in (None, *further_evaluations(inner_folder)):
        files = evaluation_files(inner_folder, one)
        fixed = files.criteria.is_file()
        evaluations.append(
            Evaluated(
                one or "",
                document(files.evaluation),
                read_fixed(files.criteria) if fixed else None,
                document(files.criteria) if fixed else None,
            )
        )
    doctor = inner_folder / DOCTOR
    has_lineage = (folder / LINEAGE).is_file()
    return AuditedRun(
        name,
        folder,
        place,
        inner,
        read_record(inner_folder),
        document(inner_folder / RECORD),
        Document(f"{place}/package.json", read_json(folder / "package.json")) if packaged else None,
        tuple(evaluations),
        document(doctor) if doctor.is_file() else None,
        read_lineage(folder) if has_lineage else None,
    )


def _checked_records(folder: Path | None) -> Path | None:
    if folder is not None and not (folder / JOURNAL).is_file():
        raise RunError(f"{folder}: holds no records; give the folder that `kenpin inspect --out` wrote.")
    return folder
