"""The option `--roi` where pictures are judged: the regions of interest of these pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import DATA

if TYPE_CHECKING:
    from kenpin.predictor import Predictor

RoiOption = Annotated[
    str | None,
    Parameter(
        group=DATA,
        help="Regions of interest of these pictures, for runs that were trained on a region by picture: a folder of "
        "masks that are named as the pictures, or a table (.csv, .jsonl) with the column of the training, else `roi`.",
    ),
]


def tell_regions(predictor: Predictor, roi: str | None, *, on_cluster: bool = False) -> None:
    """Let a run find regions of interest there. Raises OptionError."""
    from kenpin.errors import OptionError
    from kenpin.models.framed import look_in

    if roi is None:
        return
    if on_cluster:
        raise OptionError("option `--roi`: workers of a cluster look where the run itself does; leave one of them out.")
    look_in(predictor.model, roi)
