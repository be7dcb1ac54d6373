"""The sections on software and on files: the bill of materials, and what the manifest covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kenpin.audit.archive import BILL, MANIFEST
from kenpin.audit.bill import Component
from kenpin.audit.content import Cell, Grid, Missing, PackSection
from kenpin.audit.figures import CitedFigure, Document, pointer
from kenpin.audit.manifest import Files
from kenpin.audit.signing import PublicKey
from kenpin.audit.subjects import AuditSubject
from kenpin.report import words
from kenpin.run.record import RunRecord
from kenpin.words import Texts


def bill_section(components: Sequence[Component], bill: Document, texts: Texts) -> PackSection:
    """Every distribution with its version and licence, why it is there, what it stands on and its hash."""
    rows: list[tuple[Cell, ...]] = []
    for number, one in enumerate(components):
        licences = bill.get("components", number, "licenses", default=())
        path: tuple[str | int, ...] = ("components", number, "licenses", 0, "expression")
        if licences and "license" in licences[0]:
            path = (*path[:-1], "license", "name")
        rows.append(
            (
                one.name,
                bill.figure("components", number, "version"),
                bill.figure(*path) if licences else words.NONE,
                texts("yes") if one.is_recorded else texts("no"),
                bill.number_of("dependencies", number + 1, "dependsOn"),  # the first is what was audited
                bill.figure("components", number, "components", 0, "hashes", 0, "content")
                if one.record_sha256 is not None
                else words.NONE,
            )
        )
    missing = tuple(
        Missing(
            texts(
                "The run had %(name)s %(version)s, and %(installed)s is installed where the pack was made, so that the "
                "hash of its files is not known.",
                name=one.name,
                version=one.version,
                installed=one.installed,
            ),
            texts("Make the pack where the run was trained, or install the version that it had."),
        )
        for one in components
        if one.installed is not None
    )
    head = (
        texts("Package"),
        texts("Version"),
        texts("Licence as stated"),
        texts("In the record of the run"),
        texts("Packages that it stands on"),
        texts("SHA-256 of its list of files"),
    )
    told = texts(
        "What the run recorded, and what that stands on where the pack was made; in a zip as CycloneDX 1.6, %(file)s.",
        file=BILL,
    )
    told_of_all = texts.count(
        "%(count)s package: no licence is stated by %(unstated)s, and no list of files is known of %(unhashed)s.",
        "%(count)s packages: no licence is stated by %(unstated)s, and no list of files is known of %(unhashed)s.",
        len(components),
        unstated=sum(not one.licence for one in components),
        unhashed=sum(one.record_sha256 is None for one in components),
    )
    title = texts("Software bill of materials")
    return PackSection("bill", title, (told, told_of_all), grids=(Grid(head, tuple(rows)),), missing=missing)


def files_section(
    subject: AuditSubject, outside: Mapping[str, Files], signer: PublicKey | None, sealed: Sequence[str], texts: Texts
) -> PackSection:
    """All files of what was audited, with their sizes and hashes, and who signs. sealed: of these, those that a run's
    own seal covers."""
    rows = tuple(
        (
            f"{place}/{name}",
            CitedFigure(one.bytes, f"{one.bytes:,}", f"{MANIFEST}#{pointer(('outside', place, name, 'bytes'))}"),
            CitedFigure(one.sha256, one.sha256, f"{MANIFEST}#{pointer(('outside', place, name, 'sha256'))}"),
            texts("yes") if f"{place}/{name}" in sealed else texts("no"),
        )
        for place, files in outside.items()
        for name, one in files.items()
    )
    head = (texts("File"), texts("bytes"), "SHA-256", texts("In the seal of its run"))
    count, total = len(rows), sum(one.bytes for files in outside.values() for one in files.values())
    sentences = [
        texts.count(
            "The manifest covers %(count)s file of %(bytes)s bytes together, and this pack itself.",
            "The manifest covers %(count)s files of %(bytes)s bytes together, and this pack itself.",
            count,
            bytes=f"{total:,}",
        ),
        texts("Check all of it with: kenpin audit verify PACK --of %(what)s", what=subject.name),
    ]
    missing = []
    if signer is None:
        missing.append(
            Missing(
                texts("The pack is not signed: who can change it can also write other hashes."),
                texts("Make a key with kenpin audit key, and make the pack again with --sign KEY."),
            )
        )
    else:
        sentences.append(
            texts(
                "Signed (Ed25519, as minisign does) by the key %(key)s, public key %(public)s.",
                key=signer.name,
                public=signer.text,
            )
        )
    if subject.records is None and subject.station is None:
        missing.append(
            Missing(
                texts("No records of the line are there."),
                texts("Add them with --records FOLDER, or audit the policy of a station."),
            )
        )
    grids = (Grid(head, rows),)
    title = texts("Files, hashes and signature")
    return PackSection("files", title, tuple(sentences), grids=grids, missing=tuple(missing))


def sealed_files(record: RunRecord, package: Document | None, place: str) -> list[str]:
    """Paths in the pack of the files that a run's, or a package's, own seal covers."""
    files = package.get("files", default={}) if package is not None else record.files
    return [f"{place}/{name}" for name in files]
