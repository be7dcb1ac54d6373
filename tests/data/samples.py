"""A small data set on disk in each format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kenpin.data import Dataset, load_dataset, write_dataset
from tests.data.test_formats import full_data

_TABLE = "id,label,length,width\n" + "".join(f"p{n},ok,{10 + n / 10},{5 - n / 7:.3f}\n" for n in range(6))
READ_ONLY: dict[str, Callable[[Path], None]] = {}
"""How the formats that kenpin does not write are written by their tools."""


def write_sample(folder: Path, format: str) -> Path:
    """Write a few pictures with everything that the format carries; returns the folder."""
    if format in READ_ONLY:
        folder.mkdir(parents=True)
        READ_ONLY[format](folder)
    else:
        source = folder.with_name(f"{folder.name}-source")
        data = _parts(source) if format == "items" else full_data(source, format)
        write_dataset(data, folder, format, allow_loss=True)
    return folder


def _parts(folder: Path) -> Dataset:
    folder.mkdir(parents=True)
    (folder / "parts.csv").write_text(_TABLE)
    return load_dataset(folder)
