"""A small data set on disk in each format, also in those that kenpin reads and does not write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from kenpin.data import Dataset, load_dataset, write_dataset
from tests.builders import write_mask, write_picture
from tests.data.shards import write_parquets, write_tars
from tests.data.test_formats import full_data
from tests.pictures import write_parts

BOX = (8, 6, 24, 18)


def write_sample(folder: Path, format: str) -> Path:
    """Write a few pictures with everything that the format carries; returns the folder."""
    if format in _READ_ONLY:
        folder.mkdir(parents=True)
        _READ_ONLY[format](folder)
    else:
        source = folder.with_name(f"{folder.name}-source")
        data = _parts(source) if format == "items" else full_data(source, format)
        write_dataset(data, folder, format, allow_loss=True)
    return folder


def _parts(folder: Path) -> Dataset:
    folder.mkdir(parents=True)
    rows = "".join(f"p{n},ok,{10 + n / 10},{5 - n / 7:.3f}\n" for n in range(6))
    (folder / "parts.csv").write_text(f"id,label,length,width\n{rows}")
    return load_dataset(folder)


def _masked(picture: Path, mask: Path | None, seed: int) -> None:
    write_picture(picture, seed)
    if mask is not None:
        write_mask(mask, (BOX,), size_wh=(32, 20))


def _dagm(folder: Path) -> None:
    for split in ("Train", "Test"):
        for number in range(3):
            label = folder / "Class1" / split / "Label" / f"{number:04d}_label.png"
            _masked(folder / "Class1" / split / f"{number:04d}.png", label if number else None, number)


def _kolektor(folder: Path) -> None:
    for item in range(3):
        _masked(folder / f"kos{item:02d}" / "Part0.jpg", folder / f"kos{item:02d}" / "Part0_label.bmp", item)


def _masked_folders(folder: Path) -> None:
    for number in range(3):
        _masked(folder / "images" / f"{number}.png", folder / "masks" / f"{number}.png" if number else None, number)


def _real_iad(folder: Path) -> None:
    rows = [("OK/a.jpg", "OK", None), ("NG/HS/b.jpg", "HS", "NG/HS/b.png")]
    for seed, (name, _, mask) in enumerate(rows):
        _masked(folder / "toy" / name, folder / "toy" / mask if mask else None, seed)
    listed = [{"category": "toy", "anomaly_class": c, "image_path": n, "mask_path": m} for n, c, m in rows]
    content = {"meta": {"normal_class": "OK", "prefix": "toy/"}, "train": listed[:1], "test": listed[1:]}
    (folder / "toy.json").write_text(json.dumps(content))


def _visa(folder: Path) -> None:
    rows = ["image,label,mask"]
    for number in range(3):
        _masked(folder / "Data/Images/Normal" / f"{number}.JPG", None, number)
        mask = folder / "Data/Masks/Anomaly" / f"{number}.png"
        _masked(folder / "Data/Images/Anomaly" / f"{number}.JPG", mask, 50 + number)
        rows.append(f"{folder.name}/Data/Images/Normal/{number}.JPG,normal,")
        rows.append(
            f'{folder.name}/Data/Images/Anomaly/{number}.JPG,"bent,melt",{folder.name}/{mask.relative_to(folder)}'
        )
    (folder / "image_anno.csv").write_text("\n".join(rows) + "\n")


def _parquet(folder: Path) -> None:
    write_parquets(_folders(folder), folder / "shards", 3)


def _webdataset(folder: Path) -> None:
    write_tars(_folders(folder), folder / "shards", 3)


def _folders(folder: Path) -> Dataset:
    return load_dataset(write_parts(folder.with_name(f"{folder.name}-source"), count=3))


_READ_ONLY: dict[str, Callable[[Path], None]] = {
    "dagm": _dagm,
    "kolektor": _kolektor,
    "masked_folders": _masked_folders,
    "parquet": _parquet,
    "real_iad": _real_iad,
    "visa": _visa,
    "webdataset": _webdataset,
}
