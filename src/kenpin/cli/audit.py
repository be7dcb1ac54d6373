"""Commands for auditors: `audit`, `audit verify`, `audit show`, `audit key`."""

from __future__ import annotations

import csv
import getpass
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._found import given_findings
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.plural import counted

if TYPE_CHECKING:
    from kenpin.audit import SecretKey
    from kenpin.station.trail import Entry

app = cyclopts.App(name="audit")


PasswordFile = Annotated[
    Path | None,
    Parameter(group=DATA, help="File whose first line is the password of the key; by default it is asked for."),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PackOptions:
    """What is put into a pack, who signs it, and where it goes."""

    out: Annotated[
        Path,
        Parameter(
            group=REQUIRED, help="File to write: .html for one page, .zip for the page with records, figures and more."
        ),
    ]
    criteria: Annotated[
        Path | None,
        Parameter(
            group=DATA,
            help="YAML file of acceptance criteria, for a run that holds none; they count as set after its test.",
        ),
    ] = None
    findings: Annotated[tuple[Path, ...], given_findings("gage or drift")] = ()
    station: Annotated[
        Path | None,
        Parameter(
            group=DATA, help="Folder of the station that judges by the policy; by default the one that it lies in."
        ),
    ] = None
    records: Annotated[
        Path | None, Parameter(group=DATA, help="Folder of the records of `kenpin inspect` by the policy.")
    ] = None
    sign: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Secret key that signs the pack, as `kenpin audit key` writes it.")
    ] = None
    password_file: PasswordFile = None
    language: PageLanguage = "en"
    overwrite: Overwrite = False


@app.default
def audit(subject: Path, /, *, options: PackOptions) -> int:
    """Write what an auditor asks of an inspector: criteria, data, evaluation, studies, history, software, hashes.

    Parameters
    ----------
    subject:
        Run or package folder, or file of a policy.
    """
    from kenpin.audit import Beside, write_pack
    from kenpin.errors import OptionError

    if options.sign is None and options.password_file is not None:
        raise OptionError("option `--password-file` is of the key that signs; give that with --sign.")
    beside = Beside(
        criteria=options.criteria, studies=options.findings, station=options.station, records=options.records
    )
    key = None if options.sign is None else _secret(options.sign, options.password_file)
    pack = write_pack(
        subject, options.out, beside=beside, key=key, language=options.language, overwrite=options.overwrite
    )
    _show.row(str(options.out))
    for section, one in pack.missing:
        _show.say(f"not there, {section.title}: {one.what} {one.remedy}")
    return 0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """How a key is kept."""

    no_password: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Write a key that whoever can read its file can use.")
    ] = False
    password_file: PasswordFile = None
    overwrite: Overwrite = False


@app.command
def key(secret: Path, /, *, options: KeyOptions = KeyOptions()) -> None:
    """Make a key of the plant, which signs packs: the secret key, and the public one beside it.

    Parameters
    ----------
    secret:
        File of the secret key to write, such as plant.key; the public one is plant.pub.
    """
    from kenpin.audit import make_key
    from kenpin.errors import OptionError

    if options.no_password and options.password_file is not None:
        raise OptionError("options `--no-password` and `--password-file` exclude each other; give one of them.")
    password = "" if options.no_password else _password(secret, options.password_file, twice=True)
    if not options.no_password and not password:
        raise OptionError("the password is empty; type one, or take --no-password.")
    public = make_key(secret, password, overwrite=options.overwrite)
    _show.row(str(secret.with_suffix(".pub")), public.name, public.text)


def _secret(file: Path, password_file: Path | None) -> SecretKey:
    from kenpin.audit import read_secret
    from kenpin.audit.signing import is_encrypted

    return read_secret(file, _password(file, password_file) if is_encrypted(file) else "")


def _password(key: Path, file: Path | None, *, twice: bool = False) -> str:
    """The password of a key, from a file or asked for. Raises OptionError."""
    from kenpin.errors import OptionError

    if file is not None:
        try:
            return file.read_text("utf-8-sig").partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError as error:
            raise OptionError(f"{file}: is not text in UTF-8; write the password as its first line.") from error
    if not sys.stdin.isatty():
        raise OptionError("there is no terminal to type the password at; name a file with --password-file.")
    typed = getpass.getpass(f"Password of {key}: ")
    if twice and typed != getpass.getpass("The same again: "):
        raise OptionError("the two passwords differ; repeat the command.")
    return typed


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What the files are compared with, and where the findings go."""

    of: Annotated[
        Path | None,
        Parameter(
            group=DATA, help="Of a pack: the run, package or policy that it is about, whose files are compared too."
        ),
    ] = None
    key: Annotated[Path | None, Parameter(group=DATA, help="Of a pack: the public key of who must have signed it.")] = (
        None
    )
    station: Annotated[
        Path | None, Parameter(group=DATA, help="Of a pack: the station whose trails and records it covers.")
    ] = None
    records: Annotated[Path | None, Parameter(group=DATA, help="Of a pack: the records that it covers.")] = None
    against: Annotated[
        Path | None,
        Parameter(
            group=DATA,
            help="Of a station: what --json wrote earlier, kept elsewhere: nothing of that may have changed or gone "
            "since, at the end of a file either.",
        ),
    ] = None
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the findings to this JSON file.")] = None
    overwrite: Overwrite = False


@app.command
def verify(path: Path, /, *, options: VerifyOptions = VerifyOptions()) -> int:
    """Check that an audit pack, or all trails and journals of a station, are as they were written.

    The exit status is 1 where one is not, 0 otherwise.

    Parameters
    ----------
    path:
        File of a pack; or folder of a station, which may be running.
    """
    from kenpin.errors import OptionError
    from kenpin.files import check_writable

    if not path.exists():
        raise OptionError(
            f"{path}: no such file or folder; name a pack that `kenpin audit` wrote, or a station's folder."
        )
    of_pack = ("of", "key", "station", "records")
    wrong = of_pack if path.is_dir() else ("against",)
    if named := [name for name in wrong if getattr(options, name) is not None]:
        is_what, remedy = ("a folder", "give a pack") if path.is_dir() else ("no folder", "give a station's")
        raise OptionError(f"option `--{named[0]}`: {path} is {is_what}; leave the option out, or {remedy}.")
    check_writable(options.json, options.overwrite)
    return _verify_station(path, options) if path.is_dir() else _verify_pack(path, options)


def _verify_pack(path: Path, options: VerifyOptions) -> int:
    from dataclasses import asdict

    from kenpin.audit import read_public, verify_pack
    from kenpin.files import write_json

    key = None if options.key is None else read_public(options.key)
    found = verify_pack(path, of=options.of, station=options.station, records=options.records, key=key)
    for one in found.problems:
        _show.row(one.file, one.problem)
    wrong = len(found.problems)
    _show.say(f"{path}: {counted(found.files, 'file')}, {wrong or 'none'} not as it was.")
    if found.signer is None:
        _show.say("It is not signed: who can change it can also write other hashes.")
    elif found.is_known:
        _show.say(f"Signed by the key that you gave, {found.signer}.")
    else:
        _show.say(f"Signed by the key {found.signer}; whether that is the plant's, tell with --key and the public key.")
    if found.not_looked_at:
        _show.say(f"Not looked at: {', '.join(found.not_looked_at)}; name them with --of, --station or --records.")
    if options.json is not None:
        write_json(options.json, {"schema": 1, **asdict(found)})
    return FINDINGS if wrong else 0


def _verify_station(folder: Path, options: VerifyOptions) -> int:
    from kenpin.files import write_json
    from kenpin.station.auditing import audit_files, read_report, report_of
    from kenpin.station.folder import StationFolder

    earlier = None if options.against is None else read_report(options.against)
    found = []
    for one in audit_files(StationFolder(folder), earlier):
        written = ", being written" if one.unfinished_bytes else ""
        between = (one.first or "–", one.last or "–")
        _show.row(one.file, counted(one.entries, "entry"), *between, one.problem or f"sound{written}")
        found.append(one)
    wrong = sum(one.problem is not None for one in found)
    _show.say(f"{folder}: {counted(len(found), 'file')}, {wrong or 'none'} not as it was written.")
    if options.json is not None:
        write_json(options.json, report_of(found))
    return FINDINGS if wrong else 0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """Which entries are shown, and where they go."""

    who: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Only entries of this account, token or `console`; may be given again.",
        ),
    ] = ()
    what: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Only entries of this kind, such as signed-in; may be given again.",
        ),
    ] = ()
    since: Annotated[
        str | None, Parameter(group=DATA, help="Only entries from this day or time on; UTC, unless it names a zone.")
    ] = None
    until: Annotated[
        str | None, Parameter(group=DATA, help="Only entries up to the end of this day, or before this time.")
    ] = None
    csv: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the entries to this CSV file.")] = None
    overwrite: Overwrite = False


@app.command
def show(folder: Path, /, *, options: ShowOptions = ShowOptions()) -> None:
    """Show what people and the station decided: one line each, in the order of time.

    Parameters
    ----------
    folder:
        Folder of the station, which may be running.
    """
    from kenpin.files import check_writable
    from kenpin.station.auditing import EntryFilter, cells, entries_of, moment
    from kenpin.station.folder import StationFolder

    check_writable(options.csv, options.overwrite)
    wanted = EntryFilter(
        frozenset(name.casefold() for name in options.who),
        frozenset(options.what),
        "" if options.since is None else moment(options.since),
        "" if options.until is None else moment(options.until, end=True),
    )
    entries = entries_of(StationFolder(folder), wanted)
    if options.csv is not None:
        _show.say(f"{options.csv}: {counted(_write_csv(options.csv, entries, options.overwrite), 'entry')}.")
        return
    shown = 0
    for entry in entries:
        _show.row(*cells(entry))
        shown += 1
    if not shown:
        _show.say("no entry fits these conditions.")


def _write_csv(path: Path, entries: Iterable[Entry], overwrite: bool) -> int:
    from kenpin.data.spreadsheets import as_text_cell
    from kenpin.files import new_file
    from kenpin.station.auditing import COLUMNS, cells

    count = 0
    # with a mark in front spreadsheets take it for UTF-8
    with (
        new_file(path, overwrite=overwrite) as unfinished,
        unfinished.open("w", encoding="utf-8-sig", newline="") as to,
    ):
        table = csv.writer(to)
        table.writerow(COLUMNS)
        for entry in entries:
            count += 1
            table.writerow(map(as_text_cell, cells(entry)))
    return count
