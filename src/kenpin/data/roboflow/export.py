"""From a reference to a data set on this machine, as exported or in another format, complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kenpin.data.archive import Progress, unpack
from kenpin.data.formats import get_format
from kenpin.data.loading import write_dataset
from kenpin.data.roboflow.api import Reference, download, export_link, parse_reference
from kenpin.data.unpacking import LIMIT_GIB, Unpacked, bytes_of, read_inside
from kenpin.errors import DatasetError, OptionError
from kenpin.files import cannot_write, hidden_folder, put_in_place, refuse_to_destroy
from kenpin.nearest import did_you_mean

EXPORT_FORMATS = {
    "coco": "coco",
    "yolov8": "yolo",
    "paligemma": "paligemma_jsonl",
    "florence2-od": "florence2_jsonl",
    "folder": "folders",
}
"""Roboflow's names of the export formats that lose nothing on the way, and kenpin's names of them."""


def is_reference(text: str) -> bool:
    """Whether a text has the form of an export's reference."""
    return text.startswith("roboflow:")


def download_export(
    reference: str,
    out: str | Path,
    *,
    export_format: str = "coco",
    to: str | None = None,
    overwrite: bool = False,
    allow_loss: bool = False,
    limit_gib: float = LIMIT_GIB,
    progress: Progress = lambda *_: None,
) -> Unpacked:
    """Fetch `roboflow:workspace/project/version` into a new folder, written in the format `to` or kept as exported.

    The key is taken from ROBOFLOW_API_KEY. Raises OptionError, OutputExistsError, DownloadError, and DatasetError where
    the export cannot be written as `to`; whatever is raised, nothing is left behind.
    """
    version = parse_reference(reference)
    if export_format not in EXPORT_FORMATS:
        raise OptionError(
            f"export format {export_format!r} is not known; {did_you_mean(export_format, EXPORT_FORMATS)}"
        )
    if to is not None:
        get_format(to)
    limit_bytes = bytes_of(limit_gib)
    target = Path(out).expanduser().absolute()
    refuse_to_destroy(target, [Path.cwd()], overwrite=overwrite)
    with cannot_write(target), hidden_folder(target) as hidden:
        archive, folder = hidden / "export.zip", hidden / "export"
        link = export_link(version, export_format, progress)
        download(link, archive, reference=version, limit_bytes=limit_bytes, progress=progress)
        unpack(archive, folder, limit_bytes=limit_bytes, progress=progress)
        archive.unlink()  # the disk may be needed for what is written next
        with _named(version, folder):
            dataset, errors = read_inside(folder, {"format": EXPORT_FORMATS[export_format]})
            if to is None:
                refuse_to_destroy(target, [Path.cwd()], overwrite=overwrite)  # a download takes time
                put_in_place(folder, target, overwrite=overwrite)
                return Unpacked(len(dataset), dataset.format, len(errors))
            if errors:
                raise DatasetError(
                    f"{errors[0]}. Without --to the export is kept as it is, and kenpin doctor says what else is wrong."
                )
            write_dataset(dataset, target, to, overwrite=overwrite, allow_loss=allow_loss)
    return Unpacked(len(dataset), to, 0)


@contextmanager
def _named(reference: Reference, folder: Path) -> Iterator[None]:
    """Makes errors name the export instead of the temporary folder, which is then gone."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(str(error).replace(os.fspath(folder), str(reference))) from None
