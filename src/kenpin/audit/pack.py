"""An audit pack: made from a run, a package or a policy, as one page or as a zip."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kenpin.audit.acceptance import Checked, acceptance_section, check_criteria
from kenpin.audit.archive import BILL, FIGURES, MANIFEST, PAGE, SIGNATURE, with_manifest, write_zip
from kenpin.audit.bill import as_cyclonedx, components_of
from kenpin.audit.content import Missing, PackSection, sections_to_json
from kenpin.audit.data import data_section
from kenpin.audit.evaluations import evaluation_section
from kenpin.audit.figures import CitedFigure, Document, clock
from kenpin.audit.fingerprints import fingerprint, of_bytes, of_path
from kenpin.audit.history import history_section, references, trails_of
from kenpin.audit.inventory import bill_section, files_section, sealed_files
from kenpin.audit.manifest import Files, Manifest, manifest_bytes
from kenpin.audit.proofs import proofs
from kenpin.audit.requirements import Requirement, requirements
from kenpin.audit.signing import SecretKey
from kenpin.audit.studies import DRIFT, GAGE, Study, drift_section, gage_section
from kenpin.audit.subjects import AuditedRun, AuditSubject, files_of, read_subject
from kenpin.errors import OptionError, RunError
from kenpin.files import check_writable, new_file
from kenpin.report.document import fill
from kenpin.report.findings import findings_to_json, read_findings
from kenpin.run.criteria import FixedCriteria, fix_criteria
from kenpin.visible import visible
from kenpin.words import Language, Texts

SMALL_BYTES = 8 * 1024**2
"""Files up to this size are in the zip, where they are texts, or tell what was learned from."""
_TEXTS = (".json", ".jsonl", ".yaml", ".yml", ".txt")
_TAKEN = ("lineage.npz",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is put beside a run, a package or a policy."""

    criteria: Path | None = None
    """Criteria for runs that hold none; they count as set after the test."""
    studies: tuple[Path, ...] = ()
    """Findings that `gage` and `drift` wrote with --json."""
    station: Path | None = None
    records: Path | None = None


@dataclass(frozen=True, slots=True)
class AuditPack:
    """A pack before it is a file."""

    subject: AuditSubject
    made: str
    sections: tuple[PackSection, ...]
    requirements: tuple[Requirement, ...]
    bill: dict[str, Any]
    outside: Mapping[str, Files]
    checked: tuple[Checked, ...]
    beside: Mapping[str, bytes]
    """Files that were put beside it, by their place in the pack."""

    @property
    def missing(self) -> tuple[tuple[PackSection, Missing], ...]:
        """All that is not there."""
        return tuple((section, one) for section in self.sections for one in section.missing)


def write_pack(
    path: str | Path,
    out: str | Path,
    *,
    beside: Beside = Beside(),  # frozen
    key: SecretKey | None = None,
    language: Language = "en",
    overwrite: bool = False,
) -> AuditPack:
    """Write the audit pack of a run's or a package's folder, or a policy's file, to `out`: .html for one page, .zip for
    the page with its records, figures and bill of materials.

    key: signs it. Raises RunError where a file of the run is not as it was sealed, OptionError, OutputExistsError,
    MissingExtraError.
    """
    out = Path(out)
    if out.suffix not in (".html", ".zip"):
        raise OptionError(f"option `--out`: {out} is neither a page nor a zip; name a file that ends in .html or .zip.")
    check_writable(out, overwrite)
    pack = collect(Path(path), beside, key=key, texts=Texts(language))
    for root in pack.subject.roots.values():
        if root.is_dir() and out.resolve().is_relative_to(root.resolve()):
            raise OptionError(
                f"option `--out`: {out} lies in {root}, which would be another one by it; name another place."
            )
    page = visible(_rendered(pack, key, Texts(language)), keep="\n\t").encode("utf-8", "backslashreplace")
    contents = {PAGE: page}
    if out.suffix == ".zip":
        contents |= {
            FIGURES: _json(_figures(pack)),
            BILL: _json(pack.bill),
            **pack.beside,
            **_records(pack.subject, pack.outside),
        }
    manifest = manifest_bytes(
        Manifest(
            made=pack.made,
            by=f"kenpin {version('kenpin')}",
            kind=pack.subject.kind,
            name=pack.subject.name,
            signer=None if key is None else key.public.text,
            pack={name: fingerprint(of_bytes(data)) for name, data in sorted(contents.items())},
            outside=pack.outside,
        )
    )
    signature = None if key is None else key.sign(manifest, f"kenpin audit pack of {pack.made}")
    with new_file(out, overwrite=overwrite) as file, file.open("wb") as opened:
        if out.suffix == ".html":
            opened.write(with_manifest(page, manifest, signature))
        else:
            signed = {} if signature is None else {SIGNATURE: signature.encode()}
            write_zip(opened, contents | {MANIFEST: manifest} | signed)
    return pack


def collect(path: Path, beside: Beside, *, key: SecretKey | None, texts: Texts) -> AuditPack:
    """Read all that a pack says. Raises RunError, OptionError, DatasetError."""
    subject = read_subject(path, station=beside.station, records=beside.records)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    given = None if beside.criteria is None else _given(beside.criteria)
    studies, kept = [], dict[str, bytes]()
    for number, (file, findings) in enumerate(zip(beside.studies, read_findings(beside.studies), strict=True), start=1):
        if findings.kind not in (GAGE, DRIFT):
            raise OptionError(
                f"option `--with`: {file} holds findings of the kind {findings.kind}, of which a pack tells nothing; "
                "give what gage or drift wrote, and others to `kenpin report`."
            )
        values = findings_to_json(findings)
        document = Document(f"studies/{number}-{_plain(file.name)}", values)
        studies.append(Study(findings, document))
        kept[document.name] = _json(values)
    if given is not None:
        kept[given[1].name] = _json(given[1].values)
    trails = trails_of(subject)
    checked = [(run, _anchor(subject, run), check_criteria(run, given, studies, texts)) for run in subject.runs]
    outside = {
        place: {name: fingerprint(of_path(file), grows=grows) for name, file, grows in files_of(place, root)}
        for place, root in subject.roots.items()
    }
    versions = {name: number for run in subject.runs for name, number in run.record.versions.items()}
    components = components_of(versions)
    bill = as_cyclonedx(components, subject.name, made, str(uuid.uuid4()))
    fixed = [(one.fixed, one.document) for _, _, of_run in checked for one in of_run]
    sealed = [file for run in subject.runs for file in sealed_files(run.record, run.package, run.place)]
    sections = [section for run, anchor, of_run in checked for section in _of_run(subject, run, anchor, of_run, texts)]
    sections += [
        gage_section(studies, texts),
        drift_section(fixed, studies, references(subject, trails, texts), texts),
        history_section(subject, trails, texts),
        bill_section(components, Document(BILL, bill), texts),
        files_section(subject, outside, None if key is None else key.public, sealed, texts),
    ]
    proven = proofs(subject, checked, studies, trails, texts, signed=key is not None)
    every = tuple(one for _, _, of_run in checked for one in of_run)
    return AuditPack(subject, made, tuple(sections), requirements(proven.get, texts), bill, outside, every, kept)


def _of_run(
    subject: AuditSubject, run: AuditedRun, anchor: str, checked: Sequence[Checked], texts: Texts
) -> tuple[PackSection, PackSection, PackSection]:
    titles = [texts("Acceptance criteria"), texts("Data set and splits"), texts("Evaluation")]
    if len(subject.runs) > 1:
        titles = [texts("%(section)s of %(run)s", section=title, run=run.name) for title in titles]
    return (
        acceptance_section(run, checked, f"{anchor}acceptance", titles[0], texts),
        data_section(run, f"{anchor}data", titles[1], texts),
        evaluation_section(run, f"{anchor}evaluation", titles[2], texts),
    )


def _anchor(subject: AuditSubject, run: AuditedRun) -> str:
    return "" if len(subject.runs) == 1 else f"run-{subject.runs.index(run) + 1}-"


def _given(file: Path) -> tuple[FixedCriteria, Document]:
    fixed = fix_criteria(file)
    criteria = fixed.criteria.model_dump(mode="json", exclude_none=True)
    values = {"name": fixed.name, "sha256": fixed.sha256, "fixed_at": fixed.fixed_at, "criteria": criteria}
    return fixed, Document("studies/criteria.json", values)


def _records(subject: AuditSubject, outside: Mapping[str, Files]) -> dict[str, bytes]:
    """The small files of what was audited, by their place in the pack. Raises RunError where one changed meanwhile."""
    found: dict[str, bytes] = {}
    for place, root in subject.roots.items():
        for name, file, grows in files_of(place, root):
            was = outside[place].get(name)
            if was is None or was.bytes > SMALL_BYTES or (file.suffix not in _TEXTS and file.name not in _TAKEN):
                continue
            with file.open("rb") as opened:
                data = opened.read(was.bytes)
            if fingerprint(of_bytes(data), grows=grows) != was:
                raise RunError(f"{file}: was changed while it was packed; repeat the command.")
            found[f"{place}/{name}"] = data
    return found


def _rendered(pack: AuditPack, key: SecretKey | None, texts: Texts) -> str:
    frameworks: dict[str, list[Requirement]] = {}
    for one in pack.requirements:
        frameworks.setdefault(one.framework, []).append(one)
    return fill(
        "audit.html.jinja",
        texts,
        pack=pack,
        met=sum(result[3] is True for one in pack.checked for result in one.results),
        criteria=sum(len(one.results) for one in pack.checked),
        is_accepted=bool(pack.checked) and all(one.is_met for one in pack.checked),
        frameworks=frameworks,
        clock=clock,
        figures_file=FIGURES,
        titles={section.id: section.title for section in pack.sections},
        signer=None if key is None else key.public.name,
    )


def _figures(pack: AuditPack) -> dict[str, Any]:
    return {
        "form": "kenpin audit figures 1",
        "made": pack.made,
        "kind": pack.subject.kind,
        "name": pack.subject.name,
        "sections": sections_to_json(pack.sections),
        "requirements": [
            {
                "framework": line.framework,
                "place": line.place,
                "asks": line.asks,
                "met_by": [
                    {
                        "section": met.section,
                        "figures": [_figure(name, one) for name, one in met.figures],
                    }
                    for met in line.met
                ],
                "yours_to_do": line.yours,
            }
            for line in pack.requirements
        ],
    }


def _figure(name: str, one: CitedFigure) -> dict[str, Any]:
    return {"of": name, "value": one.value, "from": one.source}


def _json(values: Any) -> bytes:
    return (json.dumps(values, ensure_ascii=True, allow_nan=False, indent=1) + "\n").encode()


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+-]", "_", name)
