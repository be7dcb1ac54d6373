"""A run as a package: its network for an engine, and all that decides, for machines without torch."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from kenpin.data.framing import Framing
from kenpin.errors import MissingExtraError, OptionError, OutputExistsError, first_line
from kenpin.files import check_free, new_folder, refuse_to_destroy
from kenpin.installing import installing
from kenpin.models import get_family
from kenpin.models.beside import NetworkBeside
from kenpin.models.calibrated import write_calibration
from kenpin.models.contract import Calibrated, Packable, PackableWithNetworks
from kenpin.models.framed import framing_of
from kenpin.models.networks.converting import write_network
from kenpin.models.networks.on_engine import OnEngine, rows_of
from kenpin.models.package import PackageRecord, is_package
from kenpin.models.package.record import (
    DECISION,
    NETWORK,
    RUN,
    FrameInput,
    PictureInput,
    TableInput,
    TileInput,
    hashes_below,
    write_package_record,
)
from kenpin.models.tables import PackableTable, is_table
from kenpin.models.tiles import tiling_of
from kenpin.predictor import load_predictor
from kenpin.regions.region import PxPerMm, scale_of
from kenpin.run.layout import METRICS, RECORD, evaluation_files
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import RunRecord, read_record, record_hash
from kenpin.run.scale import write_scale
from kenpin.runtime import chosen_engine, version_of
from kenpin.runtime.network import NETWORK_FILES

Target = Literal["openvino", "onnx"]
Precision = Literal["fp32", "fp16", "bf16"]
_ONNX_WRITERS = ("onnx", "onnxscript")


def export_package(
    run: str | Path,
    out: str | Path,
    *,
    to: Target,
    precision: Precision = "fp32",
    px_per_mm: float | tuple[float, ...] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a package that judges as the run does; returns its folder.

    to: the engine that it is for; OpenVINO reads packages for onnx too. precision: fp32 gives the run's scores up to
    rounding; fp16 keeps weights in 16 bits, half the size; bf16 computes in 16 bits where the processor can. px_per_mm:
    pixels a millimetre that the package keeps, in place of the run's. Raises
    RunError, OptionError, OutputExistsError, MissingExtraError.
    """
    run, out = Path(run), Path(out)
    chosen_engine(to)
    record = read_record(run)
    scale = scale_of(px_per_mm)
    if scale is not None and not _measures(record):
        raise OptionError(f"option `px_per_mm`: {run} finds no regions that would be measured; leave it out.")
    if is_table(record) and (to != "onnx" or precision != "fp32"):
        raise needs_64_bits(run)
    if to == "onnx" and precision != "fp32":
        raise OptionError(f"option `precision`: a package for onnx is fp32; take --to openvino for {precision}.")
    if to == "onnx" and (missing := [name for name in _ONNX_WRITERS if find_spec(name) is None]):
        raise MissingExtraError(f"a package for onnx is written by {missing[0]}: {installing('onnx-export')}")
    check_out(run, record, out, overwrite)
    inspector = load_predictor(run, device="cpu", engine="torch").inspector
    if not isinstance(inspector, Packable):
        raise OptionError(
            f"{run}: of family {record.family} no package is made, for its language model is computed by torch alone; "
            "use the run itself, or train florence2 where boxes are asked for."
        )
    if isinstance(inspector, PackableTable) and inspector.table_items:
        return _of_table(run, record, inspector, out, overwrite)
    frozen = inspector.packed()
    assert isinstance(frozen, OnEngine)
    stored = frozen.stored()
    if stored is None or stored.resizing is None:
        raise OptionError(
            f"{run}: the picture processor of base {record.base_id} does more than resizing, cropping and scaling, "
            "which is all that a package does; use the run itself."
        )
    width, height = stored.size_wh
    example = torch.randint(256, (1, height, width, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with new_folder(out, overwrite=overwrite) as folder:
        (folder / NETWORK).mkdir()
        (folder / DECISION).mkdir()
        try:
            graph = frozen.graph(stored)
            outputs = (frozen.output, *frozen.beside)
            write_network(to, graph, example, folder / NETWORK, outputs, half=precision == "fp16")
            if isinstance(inspector, PackableWithNetworks):
                inspector.write_networks(folder / DECISION, to, half=precision == "fp16")
        except Exception as error:  # converters raise whatever breaks first
            if isinstance(error, OSError):
                raise
            raise OptionError(f"{run}: {to} cannot take this network ({first_line(error)}).") from error
        resizing = stored.resizing
        tiling, framing = tiling_of(inspector), framing_of(inspector)
        pictures = PictureInput(
            size_wh=stored.size_wh,
            resample=resizing.resample,
            shortest_px=resizing.shortest_px,
            frame=None if framing is None else _frame_of(framing),
            tiles=None if tiling is None else TileInput(**asdict(tiling)),
        )
        made_by = ("kenpin", "torch", "numpy", "pillow")
        holds = _Holds(to, precision, frozen.output, pictures, made_by, _key_of(graph, example), scale)
        _complete(folder, run, record, inspector, holds)
    return out


def _measures(record: RunRecord) -> bool:
    """Whether the family of a run takes a scale, and the run judges pictures."""
    return "px_per_mm" in get_family(record.family).Options.model_fields and not is_table(record)


def _frame_of(framing: Framing) -> FrameInput:
    regions, aligned = framing.by_picture, framing.alignment is not None
    if regions is None:
        return FrameInput(aligned=aligned, roi=framing.roi is not None, object=framing.object)
    return FrameInput(
        aligned=aligned,
        roi=regions.default is not None,
        object=framing.object,
        regions=regions.source,
        whole=regions.whole,
    )


def _of_table(run: Path, record: RunRecord, inspector: PackableTable, out: Path, overwrite: bool) -> Path:
    """A package of a run of a table, for onnx: a graph in 64 bits, where OpenVINO computes in 32."""
    with new_folder(out, overwrite=overwrite) as folder:
        (folder / NETWORK).mkdir()
        (folder / DECISION).mkdir()
        unit = inspector.write_table_graph(folder / NETWORK / NETWORK_FILES["onnx"])
        calibrated = isinstance(inspector, Calibrated) and inspector.calibration is not None
        table = TableInput(
            items=inspector.table_items, distance_unit=unit, score_unit="probability" if calibrated else unit
        )
        _complete(folder, run, record, inspector, _Holds("onnx", "fp64", "score", table, ("kenpin", "numpy")))
    return out


@dataclass(frozen=True)
class _Holds:
    """What the network of a package is."""

    made_for: Target
    precision: Precision | Literal["fp64"]
    output: str
    input: PictureInput | TableInput
    packages: tuple[str, ...]
    """Those that made it, beside the engine's."""
    network_key: str | None = None
    scale: PxPerMm | None = None
    """Pixels a millimetre, where they are others than those of the run."""


def _complete(folder: Path, run: Path, record: RunRecord, inspector: Packable, holds: _Holds) -> None:
    """Write what decides, what the run's report shows, and the record, beside a network."""
    inspector.write_decision(folder / DECISION)
    if (framing := framing_of(inspector)) is not None:
        framing.write(folder / DECISION)
    if isinstance(inspector, Calibrated) and inspector.calibration is not None:
        write_calibration(folder / DECISION, inspector.calibration)
    _copy_record(run, folder / RUN)
    if holds.scale is not None:
        write_scale(folder / RUN, holds.scale)
    write_lineage(folder, read_lineage(run), read_lineage(run, of_network=True))
    engine = {holds.made_for: version_of(holds.made_for) or ""}
    package_record = PackageRecord(
        made_for=holds.made_for,
        precision=holds.precision,
        output=holds.output,
        input=holds.input,
        run_seal=record_hash(record),
        versions={name: version(name) for name in holds.packages} | engine,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files=hashes_below(folder),
        network_key=holds.network_key,
    )
    write_package_record(folder, package_record)


def _key_of(graph: nn.Module, example: Tensor) -> str:
    """Equal for networks that compute the same, by their answers to three pictures: noise, dark noise, and a ramp.

    Their files differ all the same, for engines number what has no name, and weights that no answer uses do too.
    """
    with torch.inference_mode():
        answers = [
            rows_of(graph(picture)).float().numpy() for picture in (example, example // 8, example.sort(dim=2).values)
        ]
    return hashlib.blake2b(b"".join(answer.tobytes() for answer in answers), digest_size=16).hexdigest()


def needs_64_bits(run: Path) -> OptionError:
    """What is said of a run of a table where another package is asked for."""
    return OptionError(f"{run}: the distances of a table need 64 bits; take --to onnx, and leave --precision out.")


def check_out(run: Path, record: RunRecord, out: Path, overwrite: bool) -> None:
    """Whether a package may be written there. Raises OutputExistsError, OptionError."""
    check_free(out, overwrite)
    if out.exists() and not is_package(out):
        raise OutputExistsError(f"{out} is not a package and was not replaced; choose another name.")
    beside = (NetworkBeside.of(text).name for text in record.options.get("beside", ()))
    refuse_to_destroy(out, (run, record.options["base"], *beside, Path.cwd()), overwrite=overwrite)


def _copy_record(run: Path, folder: Path) -> None:
    """The run's record, and what its report shows."""
    folder.mkdir()
    kept = evaluation_files(run)
    for file in (run / RECORD, run / METRICS, *kept.all, kept.criteria):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
