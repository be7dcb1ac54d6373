"""Reading and writing data sets in any of the known formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from kenpin.data.dataset import Dataset
from kenpin.data.formats import format_names, get_format, huggingface, parquet, webdataset
from kenpin.data.in_shards import PARQUET, TAR, is_address, shards_below
from kenpin.data.leftovers import inside, tell_leftovers
from kenpin.data.mistaken import is_a_run, run_in_place_of_data
from kenpin.data.reading import Note, Reading
from kenpin.data.reading.pictures import listings_kept
from kenpin.data.recognising import Attempt, chosen, has_errors, located, of_a_table, unknown
from kenpin.data.taking import DataSource, taken
from kenpin.errors import DatasetError, KenpinError, LabelError, OptionError, first_line
from kenpin.files import new_folder, refuse_to_destroy
from kenpin.network import check_hub
from kenpin.outlines import is_oriented
from kenpin.records import Finding, Severity

if TYPE_CHECKING:  # who judges waits for no options of a training
    from kenpin.config import TrainOptions

_HUB = "huggingface"
_SHARDS = {"parquet": (PARQUET, parquet.read_shards), "webdataset": (TAR, webdataset.read_shards)}
"""Ending and reader of the formats that are read behind an address, such as s3://bucket/folder."""
_COLUMNS = {
    "split": "split",
    "label": "label",
    "boxes": "boxes_xyxy_px",
    "segments": "box_segments",
    "crowd": "box_crowd",
    "outlines": "box_outlines",
    "group": "group",
    "prefix": "prefix",
    "suffix": "suffix",
    "mask": "mask",
    "items": "items",
}
"""Column of each kind of content that a format may carry."""
_ANNOTATIONS = {"label", "boxes", "prefix", "suffix", "mask"}
_IN_WORDS = {
    "split": "splits",
    "label": "labels of whole pictures",
    "segments": "codes of segments",
    "crowd": "crowd marks",
    "outlines": "outlines, only the boxes around them",
    "oriented": "the turn of oriented boxes",
    "group": "groups",
    "prefix": "instructions (prefix)",
    "suffix": "answers (suffix)",
    "mask": "masks",
    "items": "measured items in place of pictures",
    "attributes": "further columns",
    "classes": "classes without a picture",
    "unannotated": "which pictures are not annotated",
}


class HowToRead(TypedDict, total=False):
    """The keywords of `load_dataset` that settle how files are read, for functions that hand them on."""

    format: str | None
    encoding: str | None
    boxes: str | None
    outside: bool


def load_dataset(
    source: DataSource,
    *,
    format: str | None = None,
    encoding: str | None = None,
    boxes: str | None = None,
    outside: bool = False,
    note: Note | None = None,
) -> Dataset:
    """A data set from its path or hub id, in the named format or in the one that explains it, or of `as_dataset`.

    encoding: of texts that are not marked as Unicode; boxes: what the four numbers of a box are (`BoxForm`), whatever
    the format says; outside: pictures outside of the data set's folder are wanted. Every problem goes to `note`, and
    stays with the data set as its `findings`; without a `note`, the first error ends the reading. Raises DatasetError,
    and OptionError for an unknown format, encoding or form.
    """
    if not isinstance(source, str | os.PathLike):
        if format is not None:
            raise OptionError(f"option `format`: {format!r} is of a file or folder; leave it out of data in memory.")
        return as_dataset(source, note=note)
    if is_address(source):
        return _behind(os.fspath(source), format, Reading(_unheard, encoding=encoding, boxes=boxes), note)
    path = Path(source).expanduser()
    attempt = partial(_attempt, encoding=encoding, boxes=boxes)
    if format is not None:
        get_format(format)
    of_hub = not path.exists() and (format == _HUB or (format is None and huggingface.looks_like_hub_id(path)))
    if of_hub:
        huggingface.check_installed(path)
        check_hub(path.as_posix(), "datasets")
    elif not path.exists():
        raise _missing(path)
    try:
        with listings_kept():
            if format is not None:
                return _finished(attempt(path, format), path, outside, note)
            if is_a_run(path):
                raise DatasetError(run_in_place_of_data(path))
            folder, names = (path, [_HUB]) if of_hub else located(path)
            if of_a_table(folder, names):
                names = ["csv"]
            if not names:
                raise unknown(path)
            done = attempt(folder, names[0]) if len(names) == 1 else chosen(folder, names, partial(attempt, folder))
            return _finished(done, folder, outside, note, below=None if folder == path else path)
    except OSError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{error.filename or path}: it cannot be read ({error.strerror or error}).") from error


def _behind(address: str, format: str | None, reading: Reading, note: Note | None) -> Dataset:
    """The shards behind an address, read in place. Raises DatasetError, OptionError, MissingExtraError."""
    findings: list[Finding] = []
    reading.note = findings.append
    if format not in (None, *_SHARDS):
        get_format(str(format))
        raise OptionError(
            f"option `--format`: {address} is read in the formats {' and '.join(_SHARDS)} alone; copy data of format "
            f"{format} to a folder."
        )
    try:
        names = [name for name, (ending, _) in _SHARDS.items() if format == name or shards_below(address, ending)]
        if format is None and len(names) != 1:
            what = "holds shards of two formats" if names else "holds neither Parquet files nor tar archives"
            raise DatasetError(f"{address}: {what}. Name the format with --format, or the files by a folder.")
        dataset = _SHARDS[format or names[0]][1](address, reading)
    except (OSError, ValueError) as error:  # Arrow's own
        if isinstance(error, KenpinError):
            raise
        raise DatasetError(f"{address}: it cannot be read ({first_line(error)}); check address and rights.") from error
    hand_on = note or _raise_errors(address)
    for finding in findings:
        hand_on(finding)
    return dataset.with_findings(findings, reading.box_form)


def _attempt(path: Path, name: str, *, encoding: str | None, boxes: str | None) -> Attempt:
    """What reading in one format gives, problems and all."""
    findings: list[Finding] = []
    reading = Reading(findings.append, encoding=encoding, boxes=boxes)
    dataset = get_format(name).read(path, reading)
    return Attempt(name, dataset, reading, tuple(findings))


def _finished(attempt: Attempt, path: Path, outside: bool, note: Note | None, *, below: Path | None = None) -> Dataset:
    """The data set with all findings, those on what was left unread among them; each is handed to `note`.

    below: the folder that was named, where the data set lies deeper in it.
    """
    findings = [*attempt.findings]
    reading, dataset = attempt.reading, attempt.dataset
    reading.note = findings.append
    if below is not None:
        what = f"the data set is taken from {path}, the only one in it"
        reading.tell("folder-in-folder", below, what, "Nothing to do if it is this one", severity=Severity.INFO)
    root = path if path.is_dir() else path.parent
    if path.exists():
        dataset = inside(dataset, root, reading, outside=outside)
        tell_leftovers(dataset, path, reading, had_errors=has_errors(attempt.findings))
    hand_on = note or _raise_errors(path)
    for finding in findings:
        hand_on(finding)
    return dataset.with_findings(findings, reading.box_form)


def as_dataset(source: DataSource, *, note: Note | None = None) -> Dataset:
    """Any source of `taking.DataSource` as a data set; a `Dataset` is returned as it is.

    Every problem goes to `note`; without one, the first error ends the reading. Raises DatasetError.

    >>> from PIL import Image
    >>> grey, white = Image.new("L", (8, 8), 128), Image.new("L", (8, 8), 255)
    >>> as_dataset({"train": [(grey, "ok"), (white, "void")], "test": [(white, "void")]}).splits
    ('test', 'train')
    """
    if isinstance(source, Dataset):
        if note is not None:
            for finding in source.findings:
                note(finding)
        return source
    if isinstance(source, str | os.PathLike):
        return load_dataset(source, note=note)
    findings: list[Finding] = []
    noting = _collecting(findings, note or _raise_errors(None))
    dataset = taken(source, Reading(noting), lambda part: as_dataset(part, note=note))
    return dataset.with_findings([*dataset.findings, *findings])


def write_dataset(
    dataset: DataSource,
    path: str | Path,
    format: str,
    *,
    overwrite: bool = False,
    allow_loss: bool = False,
    then: Callable[[Path], None] | None = None,
) -> None:
    """Write a data set into a new folder, complete or not at all; pictures are copied byte for byte. then: what is done
    with the folder before it appears.

    Raises OutputExistsError where something is there and `overwrite` does not say to replace it, DatasetError where the
    format does not carry what the data set holds and `allow_loss` does not say to drop it, and OptionError.
    """
    target = Path(path).expanduser().absolute()
    data_format = get_format(format)
    dataset = as_dataset(dataset)
    refuse_to_destroy(target, (dataset.root, Path.cwd()), overwrite=overwrite)
    if "" in dataset.classes:
        raise LabelError(f"{dataset.root}: a label is empty. Give the class a name, or no label to the picture.")
    held_kinds = holdings(dataset)
    lost = _lost(held_kinds, data_format.CARRIES)
    if "items" in lost:
        raise DatasetError(
            f"{dataset.root}: it holds numbers, but the format {format} holds pictures. Choose the format items."
        )
    if (annotations := held_kinds & _ANNOTATIONS) and annotations <= lost:
        raise DatasetError(
            f"{dataset.root}: the format {format} carries none of its annotations ({_words(annotations)}). "
            f"Choose another format{_carriers(annotations)}."
        )
    if lost and not allow_loss:
        raise DatasetError(
            f"{dataset.root}: the format {format} does not carry {_words(lost)}. "
            f"Choose another format{_carriers(held_kinds)}, or allow the loss with --allow-loss."
        )
    with new_folder(target, overwrite=overwrite) as folder:
        data_format.write(dataset, folder)
        if then is not None:
            then(folder)


def _lost(held_kinds: frozenset[str], carried: frozenset[str]) -> frozenset[str]:
    """What a format that carries these kinds would lose."""
    lost = held_kinds - carried
    if "outlines" in lost:
        lost -= {"oriented"}
    if "boxes" not in carried:
        lost -= {"unannotated"}  # where no boxes are, none is taken for an empty annotation
    return lost


def _carriers(kinds: frozenset[str]) -> str:
    """The formats of pictures that lose none of these kinds, to be named beside a refusal."""
    carried = {name: get_format(name).CARRIES for name in format_names()}
    found = [name for name, its in carried.items() if "items" not in its and not _lost(kinds, its)]
    return f" ({', '.join(found)})" if found else ""


def holdings(dataset: Dataset) -> frozenset[str]:
    """Kinds of content that the data set holds beyond its pictures, in the words of `formats.CARRIABLE`."""
    columns = {kind: dataset.column(column) for kind, column in _COLUMNS.items()}
    kinds = {kind for kind, values in columns.items() if any(value is not None for value in values)}
    if any(value is None for value in columns["boxes"]):
        kinds.add("unannotated")
    if any(text and is_oriented(text) for texts in columns["outlines"] for text in texts or ()):
        kinds.add("oriented")
    if any(value != "{}" for value in dataset.column("attributes")):
        kinds.add("attributes")
    used = {label for label in columns["label"] if label is not None}
    for labels in dataset.column("box_labels"):
        used.update(labels or ())
    if not used.issuperset(dataset.declared_classes):
        kinds.add("classes")
    return frozenset(kinds)


def _words(holdings: Iterable[str]) -> str:
    return ", ".join(_IN_WORDS.get(kind, kind) for kind in sorted(holdings))


def _missing(path: Path) -> DatasetError:
    if str(path).startswith("roboflow:"):
        return DatasetError(f"{path}: it is not on this machine. Download it: kenpin convert {path} FOLDER.")
    return DatasetError(f"{path}: there is no such file or folder. Correct the path.")


def _raise_errors(path: Path | str | None) -> Note:
    more = "Examine it with kenpin.examine" if path is None else f"Run `kenpin doctor {path}`"

    def note(finding: Finding) -> None:
        if finding.severity is Severity.ERROR:
            raise DatasetError(f"{finding}. {more} to look for more.")

    return note


def _unheard(finding: Finding) -> None:
    pass


def _collecting(findings: list[Finding], note: Note) -> Note:
    """A `note` that also appends each finding to `findings`."""

    def keep(finding: Finding) -> None:
        note(finding)
        findings.append(finding)

    return keep


def how_to_read(options: TrainOptions) -> HowToRead:
    """What the options settle about the files of the data set, as keywords of `load_dataset`."""
    return {
        "format": options.data_format,
        "encoding": options.data_encoding,
        "boxes": options.data_boxes,
        "outside": options.data_outside,
    }
