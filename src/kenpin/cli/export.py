"""The command `export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import OUTPUT, REQUIRED
from kenpin.cli._scale import PxPerMmOption, typed_scale
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Checkpoint


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is written."""

    to: Annotated[
        Literal["merged", "npz", "openvino", "onnx"],
        Parameter(
            group=REQUIRED,
            help="openvino, onnx: a package that judges without torch; merged: a folder for transformers and for "
            "--base; npz: a PaliGemma file as big_vision publishes it.",
        ),
    ]
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        Parameter(
            group=OUTPUT, help="Number format of the weights of merged and npz; only float32, the default, rounds none."
        ),
    ] = None
    precision: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"] | None,
        Parameter(
            group=OUTPUT,
            help="Number format of a package: fp32, the default, gives the run's scores; fp16 halves its size; bf16 is "
            "faster on some processors; int8 is the fastest, and is judged on the validation pictures first.",
        ),
    ] = None
    tolerance: Annotated[
        float | None,
        Parameter(
            group=OUTPUT,
            help="Of int8: how much the cost per part may rise, as a share of the run's own; by default 0.1.",
        ),
    ] = None
    data: Annotated[
        Path | None,
        Parameter(
            group=OUTPUT,
            help="Of int8: the run's data set, where it lies elsewhere now, or pictures to judge by, where it had no "
            "validation pictures.",
        ),
    ] = None
    px_per_mm: PxPerMmOption = None
    checkpoint: Checkpoint = None
    overwrite: Overwrite = False


def export(run: Path, out: Path, /, *, options: ExportOptions) -> int:
    """Write a run as a package for inspection machines, or its network, adapters merged, for use elsewhere.

    Parameters
    ----------
    run:
        Run folder.
    out:
        Folder, or .npz file, to write.
    """
    from kenpin.errors import OptionError
    from kenpin.export import export_int8, export_merged, export_npz, export_package
    from kenpin.export.quantised import TOLERANCE, told

    to, dtype, precision = options.to, options.dtype, options.precision
    if precision != "int8" and (options.tolerance is not None or options.data is not None):
        name = "tolerance" if options.tolerance is not None else "data"
        raise OptionError(f"option `--{name}` is of packages in INT8; take --to openvino --precision int8.")
    typed_scale(options.px_per_mm)
    if to in ("merged", "npz"):
        if options.px_per_mm is not None:
            raise OptionError(f"option `--px-per-mm` is of packages; --to {to} writes a network, which has no scale.")
        if precision is not None:
            raise OptionError(f"option `--precision` is of packages; with --to {to} take --dtype.")
        write = export_merged if to == "merged" else export_npz
        written = write(run, out, dtype=dtype or "float32", checkpoint=options.checkpoint, overwrite=options.overwrite)
        _show.row(str(written))
        return 0
    if dtype is not None or options.checkpoint is not None:
        name, remedy = ("dtype", "take --precision") if dtype is not None else ("checkpoint", "export a finished run")
        raise OptionError(f"option `--{name}` is of networks; for a package {remedy}.")
    engine: Literal["openvino", "onnx"] = "openvino" if to == "openvino" else "onnx"
    if precision != "int8":
        written = export_package(
            run,
            out,
            to=engine,
            precision=precision or "fp32",
            px_per_mm=options.px_per_mm,
            overwrite=options.overwrite,
        )
        _show.row(str(written))
        return 0
    if engine == "onnx":
        raise OptionError("option `--precision`: a package in int8 is for openvino; take --to openvino.")
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    with _show.progress_line() as progress:
        found = export_int8(
            run,
            out,
            data=options.data,
            tolerance=tolerance,
            px_per_mm=options.px_per_mm,
            overwrite=options.overwrite,
            progress=progress,
        )
    _show.row(str(out))
    _show.lines(f"In INT8, {told(found)}.")
    return 0
