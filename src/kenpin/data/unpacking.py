"""An archive or a video that was given as a data set, as a folder: unpacked without trust, complete or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.archive import Progress, unpack
from kenpin.data.dataset import Dataset
from kenpin.data.formats import get_format
from kenpin.data.loading import HowToRead, load_dataset, write_dataset
from kenpin.data.not_opened import ARCHIVES, ending_of
from kenpin.errors import DatasetError, DownloadError, OptionError
from kenpin.files import cannot_write, hidden_folder, put_in_place, refuse_to_destroy
from kenpin.records import Finding, Severity

LIMIT_GIB = 10.0
"""Limit of an archive's size, packed and unpacked, unless the caller sets another."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A data set that was unpacked on this machine."""

    picture_count: int
    format: str
    error_count: int
    """Errors in annotations that were kept as they came; `kenpin doctor` lists them."""


def is_archive(data: str | Path) -> bool:
    """Whether it is the file of an archive that is unpacked."""
    return ending_of(str(data)) in ARCHIVES and Path(data).is_file()


def unpack_dataset(
    archive: str | Path,
    out: str | Path,
    *,
    to: str | None = None,
    how: HowToRead | None = None,
    overwrite: bool = False,
    allow_loss: bool = False,
    limit_gib: float = LIMIT_GIB,
    progress: Progress = lambda *_: None,
) -> Unpacked:
    """Unpack a zip or tar archive into a new folder, written in the format `to` or kept as it is.

    how: settles how its files are read, `encoding` the names in it too. Raises OptionError, OutputExistsError,
    DownloadError where the archive cannot be trusted, and DatasetError where no format recognises what is in it or it
    cannot be written as `to`; whatever is raised, nothing is left behind.
    """
    archive, target = Path(archive).expanduser(), Path(out).expanduser().absolute()
    settled: HowToRead = how or {}
    if to is not None:
        get_format(to)
    limit_bytes = bytes_of(limit_gib)
    refuse_to_destroy(target, [Path.cwd(), archive], overwrite=overwrite)
    with cannot_write(target), hidden_folder(target) as hidden:
        folder = hidden / target.name
        unpack(archive, folder, limit_bytes=limit_bytes, progress=progress, encoding=settled.get("encoding"))
        try:
            dataset, errors = read_inside(folder, settled)
            if to is None:
                put_in_place(folder, target, overwrite=overwrite)
                return Unpacked(len(dataset), dataset.format, len(errors))
            if errors:
                raise DatasetError(
                    f"{errors[0]}. Without --to all is kept as it is, and kenpin doctor says what else is wrong."
                )
            write_dataset(dataset, target, to, overwrite=overwrite, allow_loss=allow_loss)
        except DatasetError as error:  # the hidden folder is gone when it is read
            raise DatasetError(str(error).replace(os.fspath(folder), str(archive))) from None
    return Unpacked(len(dataset), to, 0)


def bytes_of(limit_gib: float) -> int:
    """A limit in bytes. Raises OptionError."""
    if not 0 < limit_gib < 2**20:
        raise OptionError(f"a limit of {limit_gib} GiB is impossible. Give a number above 0.")
    return int(limit_gib * 2**30)


def read_inside(folder: Path, how: HowToRead) -> tuple[Dataset, list[Finding]]:
    """The data set of a folder that a stranger packed, and the errors in it. Raises DatasetError, and DownloadError for
    files outside the folder."""
    findings: list[Finding] = []
    settled: HowToRead = {**how, "outside": False}
    dataset = load_dataset(folder, note=findings.append, **settled)
    inside = os.path.join(os.path.realpath(folder), "")
    # annotations may name any file of this machine, and writing the data set would copy it
    for file in dataset.files():
        if file is not None and not os.path.realpath(file).startswith(inside):
            raise DownloadError(f"the archive names {file!r}, outside of it; nothing was kept, report it.")
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not len(dataset):
        why = f" ({errors[0]})" if errors else ""
        raise DatasetError(f"{folder}: no picture was found in it{why}. Settle its format with --format.")
    return dataset, errors
