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
        help="Pixels a millimetre of the pictures as they are taken; given twice, across and down.",
    ),
]


def typed_scale(numbers: tuple[float, ...] | None) -> PxPerMm | None:
    """The scale that was typed. Raises OptionError."""
    from kenpin.errors import OptionError
    from kenpin.regions.region import scale_of

    try:
        return scale_of(numbers)
    except OptionError as error:
        raise OptionError(f"command line: {error}".replace("`px_per_mm`", "`--px-per-mm`")) from error
