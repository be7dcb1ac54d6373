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
        Literal["merged", "npz"],
        Parameter(
            group=REQUIRED,
            help="merged: a folder for transformers and for --base; npz: a PaliGemma file as big_vision publishes it.",
        ),
    ],
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"],
        Parameter(group=OUTPUT, help="Number format of the weights; only float32 does not round."),
    ] = "float32",
    checkpoint: Checkpoint = None,
    overwrite: Overwrite = False,
) -> int:
    """Write a trained network, its adapters merged, for use elsewhere and as a base.

    Parameters
    ----------
    run:
        Run folder.
    out:
        Folder, or .npz file, to write.
    """
    from kenpin.export import export_merged, export_npz

    write = {"merged": export_merged, "npz": export_npz}[to]
    _show.row(str(write(run, out, dtype=dtype, checkpoint=checkpoint, overwrite=overwrite)))
    return 0
