"""`package.json`: what a package holds, which run it was made from, and the seal over all of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kenpin.data.tiling import Tiling
from kenpin.errors import RunError
from kenpin.files import read_json, write_json
from kenpin.models.resizing import Resizing
from kenpin.run.record import seal_of
from kenpin.run.seal import file_hash

PACKAGE = "package.json"
"""File of a package's record; written last."""
NETWORK, DECISION, RUN = "network", "decision", "run"
"""Folders of the network, of everything that turns its outputs into verdicts, and of the run's record with what its
report shows."""
SCHEMA_VERSION: Literal[1] = 1
REMEDY = "Copy it again, or export it again"


class Quantised(BaseModel):
    """What INT8 changes on the pictures that judged it: the package in 32 bits before, and this one now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calibrated_on: int
    """Pictures that the ranges of numbers come from, which the run learned from."""
    exact_layers: int
    """Convolutions, from the picture on, that compute in 32 bits."""
    controlled: bool
    """Whether the other layers that cost most were left in 32 bits too."""
    corrected: bool
    """Whether the features are corrected towards those in 32 bits, by a regression on the calibrating pictures."""
    parts: int
    changed: int
    """Verdicts, or labels where nothing is judged, that are others now."""
    cost_before: float
    cost_now: float
    """Mean of a part, in the currency of the threshold's costs; without those each wrong verdict costs 1."""
    auroc_before: float | None
    auroc_now: float | None
    low: float | None
    high: float | None
    """95 % interval of the change of the AUROC, on the same parts."""


class TileInput(BaseModel):
    """Tiles of pictures that a package's network takes one by one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tile_px: int = Field(ge=1)
    """Side in pixels of the picture."""
    overlap: float = Field(ge=0, lt=1)
    unit_px: int = Field(ge=1)

    @property
    def tiling(self) -> Tiling:
        """Where they lie."""
        return Tiling(self.tile_px, self.overlap, self.unit_px)


class FrameInput(BaseModel):
    """What of pictures a package looks at; reference and region of interest are among its decision files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aligned: bool
    roi: bool
    object: Literal["none", "brightness"]
    regions: str | None = None
    """Where the region of each picture is found; `roi` is then that of pictures without one."""
    whole: bool = False
    """Whether pictures without a region are looked at as a whole."""


class PictureInput(BaseModel):
    """Pictures as a package's network takes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_wh: tuple[int, int]
    """In pixels."""
    resample: int = Field(ge=0, le=5)
    shortest_px: int | None = Field(None, ge=1)
    frame: FrameInput | None = None
    """What of a picture is looked at, where it is not the whole."""
    tiles: TileInput | None = None
    """What of that is brought to the network's size, where it is not all of it."""

    @property
    def resizing(self) -> Resizing:
        """How pictures are brought to the network's size."""
        return Resizing(self.size_wh, self.resample, self.shortest_px)


class TableInput(BaseModel):
    """Rows of numbers as a package's network takes them, and what it says of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[str, ...] = Field(min_length=1)
    """Names of a row's numbers, in the order in which the network takes them."""
    distance_unit: str
    score_unit: str
    """Of the output `score`, which the threshold is for: the distance's, or `probability` where it is calibrated."""


class PackageRecord(BaseModel):
    """What a package holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    made_for: Literal["openvino", "onnx"]
    precision: Literal["fp64", "fp32", "fp16", "bf16", "int8"]
    output: str
    """Name of the network's output; of several, of the one that decides."""
    input: PictureInput | TableInput
    run_seal: str
    """Hash of the record of the run that it was made from: it identifies the run."""
    versions: dict[str, str]
    created: str
    files: dict[str, str]
    """Hash of every other file, by its path below the package, with forward slashes."""
    quantised: Quantised | None = None
    network_key: str | None = None
    """Equal for packages whose networks compute the same of a picture; None where that is not known."""


def write_package_record(folder: Path, record: PackageRecord) -> None:
    """Write `package.json`, sealed by a hash over its own content."""
    values = record.model_dump(mode="json")
    write_json(folder / PACKAGE, values | {"seal": seal_of(values)})


def read_package_record(folder: Path) -> PackageRecord:
    """The record of a package, all of whose files are as they were written. Raises RunError."""
    file = folder / PACKAGE
    values = read_json(file)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{file}: has schema version {version}, this kenpin reads {SCHEMA_VERSION}. Export the run again with this "
            "version, or use the one that made it."
        )
    if values.pop("seal", None) != seal_of(values):
        raise RunError(f"{file}: is not what the export wrote. {REMEDY}.")
    try:
        record = PackageRecord.model_validate(values)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{file}: {field} is missing or wrong. {REMEDY}.") from error
    _check_files(folder, record.files)
    return record


def hashes_below(folder: Path) -> dict[str, str]:
    """Hash of each file in and below a folder, but of the record, by its path with forward slashes. Raises RunError
    for a link, which leads to what no seal covers."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise RunError(f"{path}: is a link, which a package has none of. {REMEDY}.")
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != PACKAGE:
            found[name] = file_hash(path)
    return found


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    try:
        found = hashes_below(folder)
    except OSError as error:
        raise RunError(f"{error.filename or folder}: cannot be read ({error.strerror}). {REMEDY}.") from error
    for name in sorted({*files, *found}):
        if name not in found:
            raise RunError(f"{folder / name}: is missing. {REMEDY}.")
        if name not in files:
            raise RunError(f"{folder / name}: was not written by the export. Remove it.")
        if found[name] != files[name]:
            raise RunError(f"{folder / name}: is not the file that was exported. {REMEDY}.")
