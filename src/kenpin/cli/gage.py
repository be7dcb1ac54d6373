"""The command `gage`: how far verdicts and distances repeat themselves, by the manual of AIAG."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA, DECISION


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class GageOptions:
    """What the rows hold, and where the findings go."""

    mapping: Annotated[
        Path | None,
        Parameter(group=DATA, help="Table with the part, trial and appraiser of each predicted `id`."),
    ] = None
    value: Annotated[
        str | None, Parameter(group=DATA, help="Column of the measured value; by default value, or distance.")
    ] = None
    tolerance: Annotated[
        float | None,
        Parameter(
            group=DECISION,
            help="Width of the tolerance in the unit of the value, to tell which share of it the gage takes.",
        ),
    ] = None
    ok: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Verdict that means a good part; by default ok, good, pass, 良品 and the like. May be given again.",
        ),
    ] = ()
    to: FoundOptions = field(default_factory=FoundOptions)


def gage(files: Annotated[tuple[Path, ...], Parameter(negative=())], /, *, options: GageOptions = GageOptions()) -> int:
    """Gage R&R: whether verdicts and measurements of the same parts repeat themselves.

    A table (CSV, Parquet) has the columns part, appraiser, trial, and verdict or value or both, and reference where the
    truth is known.

    Parameters
    ----------
    files:
        Tables of verdicts or measurements, or JSON files of `kenpin predict` with --mapping.
    """
    from kenpin.studies import Rows, read_rows, study_gage

    check_targets(options.to)
    several = sum(file.suffix == ".json" for file in files) > 1  # inspectors, told apart by their files
    rows = Rows(
        [
            {"appraiser": file.stem, **row} if several and file.suffix == ".json" else row
            for file in files
            for row in read_rows(file, _show.say).rows
        ],
        ", ".join(map(str, files)),
    )
    if options.mapping is not None:
        rows = rows.joined(read_rows(options.mapping, _show.say))
    found = study_gage(rows, value=options.value, tolerance=options.tolerance, ok=options.ok, name=files[0].stem)
    hand_over(found, options.to)
    return 0
