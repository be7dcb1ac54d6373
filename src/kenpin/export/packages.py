"""A run as a package: its network for an engine, and all that decides, for machines without torch."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch

from kenpin.errors import OptionError, OutputExistsError, first_line
from kenpin.files import check_free, new_folder, refuse_to_destroy
from kenpin.models.calibrated import write_calibration
from kenpin.models.contract import Calibrated, Packable, PackableWithNetworks
from kenpin.models.networks.converting import write_network
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.package import PackageRecord, is_package
from kenpin.models.package.record import DECISION, NETWORK, RUN, hashes_below, write_package_record
from kenpin.predictor import load_predictor
from kenpin.run.layout import METRICS, RECORD, evaluation_files
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import RunRecord, read_record, record_hash
from kenpin.runtime import chosen_engine, version_of

Target = Literal["openvino", "onnx"]
Precision = Literal["fp32", "fp16", "bf16"]


def export_package(
    run: str | Path, out: str | Path, *, to: Target, precision: Precision = "fp32", overwrite: bool = False
) -> Path:
    """Write a package that judges as the run does; returns its folder.

    to: the engine that it is for; OpenVINO reads packages for onnx too. precision: fp32 gives the run's scores up to
    rounding; fp16 keeps weights in 16 bits, half the size; bf16 computes in 16 bits where the processor can. Raises
    RunError, OptionError, OutputExistsError, MissingExtraError.
    """
    run, out = Path(run), Path(out)
    chosen_engine(to)
    if to == "onnx" and precision != "fp32":
        raise OptionError(f"option `precision`: a package for onnx is fp32; take --to openvino for {precision}.")
    record = read_record(run)
    check_out(run, record, out, overwrite)
    inspector = load_predictor(run, device="cpu", engine="torch").inspector
    if not isinstance(inspector, Packable):
        raise OptionError(
            f"{run}: of family {record.family} no package is made, for its language model is computed by torch alone; "
            "use the run itself, or train florence2 where boxes are asked for."
        )
    frozen = inspector.packed()
    assert isinstance(frozen, OnEngine)
    stored = frozen.stored()
    if stored is None or stored.resizing is None:
        raise OptionError(
            f"{run}: the picture processor of base {record.base_id} does more than resizing, cropping and scaling, "
            "which is all that a package does; use the run itself."
        )
    width, height = stored.size_wh
    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with new_folder(out, overwrite=overwrite) as folder:
        (folder / NETWORK).mkdir()
        (folder / DECISION).mkdir()
        try:
            graph = frozen.graph(stored)
            write_network(to, graph, example, folder / NETWORK, frozen.output, half=precision == "fp16")
            if isinstance(inspector, PackableWithNetworks):
                inspector.write_networks(folder / DECISION, to, half=precision == "fp16")
        except Exception as error:  # converters raise whatever breaks first
            if isinstance(error, OSError):
                raise
            raise OptionError(f"{run}: {to} cannot take this network ({first_line(error)}).") from error
        inspector.write_decision(folder / DECISION)
        if isinstance(inspector, Calibrated) and inspector.calibration is not None:
            write_calibration(folder / DECISION, inspector.calibration)
        _copy_record(run, folder / RUN)
        write_lineage(folder, read_lineage(run), read_lineage(run, of_network=True))
        packages = ("kenpin", "torch", "numpy", "pillow")
        write_package_record(
            folder,
            PackageRecord(
                made_for=to,
                precision=precision,
                output=frozen.output,
                size_wh=stored.size_wh,
                resample=stored.resizing.resample,
                shortest_px=stored.resizing.shortest_px,
                run_seal=record_hash(record),
                versions={name: version(name) for name in packages} | {to: version_of(to) or ""},
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                files=hashes_below(folder),
            ),
        )
    return out


def check_out(run: Path, record: RunRecord, out: Path, overwrite: bool) -> None:
    """Whether a package may be written there. Raises OutputExistsError, OptionError."""
    check_free(out, overwrite)
    if out.exists() and not is_package(out):
        raise OutputExistsError(f"{out} is not a package and was not replaced; choose another name.")
    refuse_to_destroy(out, (run, record.options["base"], Path.cwd()), overwrite=overwrite)


def _copy_record(run: Path, folder: Path) -> None:
    """The run's record, and what its report shows."""
    folder.mkdir()
    for file in (run / RECORD, run / METRICS, *evaluation_files(run).all):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
