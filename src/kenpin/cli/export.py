"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import OUTPUT, REQUIRED
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Checkpoint


def export(
    run: Path,
    out: Path,
    /,
    *,
    to: Annotated[
        Literal["merged", "npz", "openvino", "onnx"],
        Parameter(
            group=REQUIRED,
            help="openvino, onnx: a package that judges without torch; merged: a folder for transformers and for "
            "--base; npz: a PaliGemma file as big_vision publishes it.",
        ),
    ],
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        Parameter(
            group=OUTPUT, help="Number format of the weights of merged and npz; only float32, the default, rounds none."
        ),
    ] = None,
    precision: Annotated[
        Literal["fp32", "fp16", "bf16"] | None,
        Parameter(
            group=OUTPUT,
            help="Number format of a package: fp32, the default, gives the run's scores; fp16 halves its size; bf16 is "
            "faster on some processors.",
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    overwrite: Overwrite = False,
) -> int:
    """Write a run as a package for inspection machines, or its network, adapters merged, for use elsewhere.

    Parameters
    ----------
    run:
        Run folder.
    out:
        Folder, or .npz file, to write.
    """
    from kenpin.errors import OptionError
    from kenpin.export import export_merged, export_npz, export_package

    if to in ("merged", "npz"):
        if precision is not None:
            raise OptionError(f"option `--precision` is of packages; with --to {to} take --dtype.")
        write = export_merged if to == "merged" else export_npz
        _show.row(str(write(run, out, dtype=dtype or "float32", checkpoint=checkpoint, overwrite=overwrite)))
        return 0
    if dtype is not None or checkpoint is not None:
        name, remedy = ("dtype", "take --precision") if dtype is not None else ("checkpoint", "export a finished run")
        raise OptionError(f"option `--{name}` is of networks; for a package {remedy}.")
    engine: Literal["openvino", "onnx"] = "openvino" if to == "openvino" else "onnx"
    _show.row(str(export_package(run, out, to=engine, precision=precision or "fp32", overwrite=overwrite)))
    return 0
