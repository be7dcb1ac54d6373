"""Verification of a pack: whether it, and the files that it is about, are as they were when it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kenpin.audit.archive import MANIFEST, MOST_BYTES, PAGE, SIGNATURE, apart, first_other_byte, read_zip
from kenpin.audit.fingerprints import FileChange, Opens, changes, of_bytes, of_path
from kenpin.audit.manifest import Manifest, read_manifest
from kenpin.audit.signing import PublicKey, check_signature
from kenpin.audit.subjects import beside, files_of, roots_of
from kenpin.errors import OptionError, RunError
from kenpin.inspection.policy import read_policy
from kenpin.station.folder import StationFolder
from kenpin.strict_json import read_bounded

_ZIP = b"PK"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of a pack."""

    problems: tuple[FileChange, ...]
    """What is not as it was; empty where all is."""
    files: int
    """Files that were looked at, those of the pack among them."""
    not_looked_at: tuple[str, ...] = ()
    """Places of what was audited, whose files were not given."""
    signer: str | None = None
    """Id of the key that signed it."""
    is_known: bool = False
    """Whether that is the key that was given."""
    made: str = ""
    name: str = ""
    comment: str = field(default="", repr=False)


def verify_pack(
    pack: str | Path,
    *,
    of: str | Path | None = None,
    station: str | Path | None = None,
    records: str | Path | None = None,
    key: PublicKey | None = None,
) -> Verified:
    """Whether a pack is as kenpin wrote it, and whether the files that it is about are as they were.

    of: the run's or the package's folder, or the policy's file; station, records: as they were given for the pack; what
    is not given is not looked at. key: who must have signed it. Raises RunError where it is no pack, OptionError for
    `of` of another kind.
    """
    path = Path(pack)
    data = _read(path)
    contents, manifest_data, signature = _opened(data, str(path))
    try:
        manifest = read_manifest(manifest_data)
    except RunError as error:
        return Verified((FileChange(MANIFEST, str(error)),), 1)
    problems = [*changes(manifest.pack, {name: of_bytes(content) for name, content in contents.items()})]
    told = _signed(manifest, manifest_data, signature, key)
    problems += told.problems
    if not problems and data.startswith(_ZIP):
        whole = contents | {MANIFEST: manifest_data} | ({} if signature is None else {SIGNATURE: signature.encode()})
        if (problem := first_other_byte(data, whole)) is not None:
            problems.append(FileChange(path.name, problem))
    roots = _roots(manifest, of, station, records)
    count = len(manifest.pack) + 1 + (signature is not None)
    for place, root in roots.items():
        was = manifest.outside[place]
        count += len(was)
        problems += (FileChange(f"{place}/{one.file}", one.problem) for one in _outside(place, root, manifest))
    left = tuple(place for place in manifest.outside if place not in roots)
    return Verified(
        tuple(problems), count, left, told.signer, told.is_known, manifest.made, manifest.name, told.comment
    )


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MOST_BYTES)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file; give a pack that `kenpin audit` wrote.") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); give a pack that `kenpin audit` wrote.") from error


def _opened(data: bytes, where: str) -> tuple[dict[str, bytes], bytes, str | None]:
    """What a pack holds, its manifest, and its signature. Raises RunError."""
    if not data.startswith(_ZIP):
        page, manifest, signature = apart(data, where)
        return {PAGE: page}, manifest, signature
    contents = read_zip(data, where)
    if MANIFEST not in contents:
        raise RunError(
            f"{where}: holds no {MANIFEST}, so that it is no pack, or a damaged one; restore it from a copy."
        )
    manifest, signed = contents.pop(MANIFEST), contents.pop(SIGNATURE, None)
    return contents, manifest, None if signed is None else signed.decode("utf-8", "backslashreplace")


def _signed(manifest: Manifest, data: bytes, signature: str | None, key: PublicKey | None) -> Verified:
    """What of the signature is wrong, and whose it is."""
    if manifest.signer is None or signature is None:
        if signature is not None:
            return Verified((FileChange(SIGNATURE, "was added"),), 0)
        problem = "is missing" if manifest.signer is not None else "there is none, and a key was given"
        return Verified((FileChange(SIGNATURE, problem),) if key is not None or manifest.signer is not None else (), 0)
    signer = PublicKey.from_text(manifest.signer, MANIFEST)
    try:
        comment = check_signature(data, signature, key or signer)
    except RunError as error:
        return Verified((FileChange(SIGNATURE, str(error)),), 0, signer=signer.name)
    return Verified((), 0, signer=signer.name, is_known=key is not None, comment=comment)


def _roots(
    manifest: Manifest, of: str | Path | None, station: str | Path | None, records: str | Path | None
) -> dict[str, Path]:
    """Where the files lie that are to be looked at. Raises OptionError."""
    given: Mapping[str, Path] = beside(
        None if station is None else StationFolder(Path(station)), None if records is None else Path(records)
    )
    roots = dict(given)
    if of is not None:
        path = Path(of)
        if (manifest.kind == "policy") is path.is_dir():
            folders = {"package": "the folder of a package", "run": "the folder of a run"}
            wanted = folders.get(manifest.kind, "a policy's file")
            raise OptionError(f"option `--of`: the pack is about {wanted}, and {path} is none; name that.")
        if manifest.kind == "policy":
            policy = read_policy(path)
            roots |= roots_of(path, policy, {name: options.run for name, options in policy.runs.items()})
        else:
            roots |= {place: path for place in manifest.outside if place.startswith("runs/")}
    if unknown := [place for place in roots if place not in manifest.outside]:
        raise OptionError(f"the pack is not about {', '.join(unknown)}; leave that out, or make another pack.")
    return roots


def _outside(place: str, root: Path, manifest: Manifest) -> Iterator[FileChange]:
    was = manifest.outside[place]
    if not root.exists():
        yield from (FileChange(name, "is missing") for name in was)
        return
    try:
        found: dict[str, Opens] = {name: of_path(file) for name, file, _ in files_of(place, root)}
    except (RunError, FileNotFoundError) as error:
        yield FileChange("", str(error))
        return
    for one in changes(was, found):
        # a station goes on: a later version has records of its own
        if place not in ("station", "records") or one.problem != "was added":
            yield one
