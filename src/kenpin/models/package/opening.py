"""A package opened: its network on an engine, and the decoding of its family."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.framing import REFERENCE, ROI, read_framing
from kenpin.errors import OptionError, RunError, first_line
from kenpin.models.calibrated import read_calibration
from kenpin.models.contract import Judge, OpensNetworks, Task
from kenpin.models.package.judge import CellJudge, PackageJudge
from kenpin.models.package.record import (
    DECISION,
    NETWORK,
    PACKAGE,
    REMEDY,
    RUN,
    PackageRecord,
    TableInput,
    read_package_record,
)
from kenpin.models.tables import TableJudge, table_decoding
from kenpin.regions.by_picture import WHOLE
from kenpin.run.record import RunRecord, read_record, record_hash
from kenpin.run.seal import check_seal
from kenpin.runtime import chosen_engine, load_network, version_of
from kenpin.runtime.calls import Calls, load_calls
from kenpin.runtime.network import NETWORK_FILES, Network, Precision, Work
from kenpin.targets import Target

PACKABLE = ("classifier", "embedder", "florence2", "mahalanobis")
"""Families whose runs become packages."""


@dataclass(frozen=True)
class Package:
    """What judges, and the run that it was made from."""

    judge: Judge
    record: PackageRecord
    run: RunRecord
    """The record of the run."""
    target: Target
    """Of its predictions."""


def is_package(folder: Path) -> bool:
    """Whether the folder is a package."""
    return (folder / PACKAGE).is_file()


def folder_of_report(folder: Path) -> Path:
    """The folder that a report reads, after its seal was checked: the run, or the part of it in a package. Raises
    RunError."""
    if is_package(folder):
        read_package_record(folder)
        return folder / RUN
    check_seal(folder, read_record(folder).files)
    return folder


def open_package(folder: Path, device: str | None = None, engine: str = "auto") -> Package:
    """Open a package. device: of the engine, such as GPU or NPU of OpenVINO; engine: for a package made for onnx, which
    both read. Raises RunError, OptionError, MissingExtraError."""
    record = read_package_record(folder)
    run = read_record(folder / RUN)
    if record_hash(run) != record.run_seal or run.family not in PACKABLE:
        raise RunError(f"{folder / RUN}: is not the run that the package was made from. {REMEDY}.")
    if isinstance(record.input, TableInput):
        judge = _table_judge(folder, record, run, engine, device)
        return Package(judge, record, run, judge.target)
    resizing = record.input.resizing
    chosen = chosen_engine(_engine_for(record.made_for, engine))
    threads = _threads()
    file = folder / NETWORK / NETWORK_FILES[record.made_for]
    precision: Precision = "bf16" if record.precision == "bf16" else "fp32"

    def network(work: Work) -> Network:
        with _reading(file, chosen):
            return load_network(chosen, file, work=work, threads=threads, device=_device(device), precision=precision)

    def call(name: str) -> Calls:
        beside = folder / DECISION / name / file.name
        with _reading(beside, chosen):
            return load_calls(chosen, beside, threads=threads, device=_device(device), precision=precision)

    task = Task(run.labels, run.ok_labels)
    decoding = importlib.import_module(f"kenpin.models.{run.family}.decoding").of_package(
        folder / DECISION, task, run.options, resizing
    )
    decoding.calibration = read_calibration(folder / DECISION)
    tiling = None if record.input.tiles is None else record.input.tiles.tiling
    framing = None
    if (frame := record.input.frame) is not None:
        reference, roi = (folder / DECISION / name for name in (REFERENCE, ROI))
        kept = roi if frame.roi else None
        default = WHOLE if frame.whole else kept
        framing = read_framing(
            reference if frame.aligned else None,
            kept if frame.regions is None else frame.regions,
            frame.object,
            None if frame.regions is None else default,
        )
        decoding.framing = framing
    if isinstance(decoding, OpensNetworks):
        decoding.open_networks(call)
    kind = CellJudge if record.output == "map" else PackageJudge
    computed_by = f"{chosen} {version_of(chosen)} {record.precision}"
    key = record.network_key and f"{record.network_key} {record.output} {computed_by} {_device(device)} {resizing}"
    pictures = kind(decoding, resizing, network, record.output, computed_by, key)
    pictures.tiling, pictures.framing = tiling, framing
    with _trying():
        pictures.check()
    return Package(pictures, record, run, pictures.target)


def _table_judge(folder: Path, record: PackageRecord, run: RunRecord, engine: str, device: str | None) -> TableJudge:
    """What judges rows of numbers. Raises RunError, OptionError, MissingExtraError."""
    if engine == "openvino":  # it computes in 32, whatever a file holds
        raise OptionError(f"option `engine`: a package of a table is computed in 64 bits, by {record.made_for} alone.")
    chosen = chosen_engine(record.made_for)
    file = folder / NETWORK / NETWORK_FILES[record.made_for]
    decoding, items = table_decoding(folder / DECISION, run, of_network=True)
    with _reading(file, chosen):
        network = load_network(chosen, file, threads=_threads(), device=_device(device))
    judge = TableJudge(decoding, items, network, f"{chosen} {version_of(chosen)} {record.precision}")
    with _trying():
        judge.check()
    return judge


@contextmanager
def _reading(file: Path, engine: str) -> Iterator[None]:
    """Raises RunError where the engine cannot read a network's file."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(f"{file}: {engine} cannot read it ({first_line(error)}). {REMEDY}.") from error


@contextmanager
def _trying() -> Iterator[None]:
    """Raises RunError where the network and the decision files do not fit, by whatever breaks first."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        what = f"the package's network and its decision files do not fit ({first_line(error)})"
        raise RunError(f"{what}. Export the run again.") from error


def _threads() -> int | None:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else None


def _engine_for(made_for: str, wanted: str) -> str:
    """OpenVINO reads both forms; a package made for it is read by nothing else."""
    if made_for == "openvino" or wanted == "torch":
        return made_for
    if wanted == "auto":
        return "openvino" if version_of("openvino") is not None else "onnx"
    return wanted


def _device(wanted: str | None) -> str | None:
    """As the engine calls it: `cpu` and `auto` of torch are its default."""
    return None if wanted is None or wanted.lower() in ("cpu", "auto") else wanted
