"""The option `--px-per-mm`: how large the pixels of pictures are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import DATA

if TYPE_CHECKING:
    from kenpin.regions.region import PxPerMm

PxPerMmOption = Annotated[
    tuple[float, ...] | None,
    Parameter(
        group=DATA,
        negative=(),
        help="Pixels a millimetre of the pictures as they are taken; given twice, across and down; by default those "
        "that the run, package or policy keeps.",
    ),
]


def scale_in_force(typed: PxPerMm | None, kept: PxPerMm | None, keeper: str) -> PxPerMm | None:
    """The typed scale, else the kept one; where they differ a sentence says so. keeper: what keeps it, as it was
    named."""
    from kenpin.cli import _show
    from kenpin.regions.region import other_scale

    if (sentence := other_scale(typed, kept, keeper)) is not None:
        _show.say(f"kenpin: {sentence}")
    return typed or kept


def typed_scale(numbers: tuple[float, ...] | None) -> PxPerMm | None:
    """The scale that was typed. Raises OptionError."""
    from kenpin.errors import OptionError
    from kenpin.regions.region import scale_of

    try:
        return scale_of(numbers)
    except OptionError as error:
        raise OptionError(f"command line: {error}".replace("`px_per_mm`", "`--px-per-mm`")) from error
