"""The command `gage`: how far verdicts and distances repeat themselves, by the manual of AIAG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA, DECISION

if TYPE_CHECKING:
    from kenpin.cli._rows import Row
    from kenpin.quality.attribute_gage import AttributeStudy
    from kenpin.quality.gage import GageStudy

_INSPECTOR = "inspector"


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
    from kenpin.cli._rows import joined, read_rows
    from kenpin.errors import DatasetError
    from kenpin.report.gage import gage_findings

    check_targets(options.to)
    where = ", ".join(map(str, files))
    several = sum(file.suffix == ".json" for file in files) > 1  # inspectors, told apart by their files
    rows = [
        {"appraiser": file.stem, **row} if several and file.suffix == ".json" else row
        for file in files
        for row in read_rows(file)
    ]
    if options.mapping is not None:
        rows = joined(rows, options.mapping)
    judged = [row for row in rows if row.get("verdict") is not None]
    measure = options.value or next(
        (name for name in ("value", "distance") if any(row.get(name) is not None for row in rows)), None
    )
    measured = [row for row in rows if measure is not None and row.get(measure) is not None]
    if options.value is not None and not measured:
        raise DatasetError(f"{where}: no row has `{options.value}`; name a column of numbers.")
    if not judged and not measured:
        raise DatasetError(f"{where}: no row has a verdict or a value; add such a column.")
    attribute = _attribute(judged, where, options.ok) if judged else None
    variable = (measure, _variable(measured, measure, where)) if measured and measure is not None else None
    hand_over(gage_findings(files[0].stem, attribute, variable, options.tolerance), options.to)
    return 0


def _attribute(rows: Sequence[Row], where: str, ok: Sequence[str]) -> AttributeStudy:
    from kenpin.cli._rows import column
    from kenpin.errors import DatasetError
    from kenpin.quality.attribute_gage import Appraisal, attribute_study

    parts, trials, verdicts = (column(rows, name, where) for name in ("part", "trial", "verdict"))
    appraisals = [
        Appraisal(part, str(row.get("appraiser") or _INSPECTOR), trial, _word(verdict, ok))
        for row, part, trial, verdict in zip(rows, parts, trials, verdicts, strict=True)
    ]
    truth: dict[str, str] = {}
    for part, row in zip(parts, rows, strict=True):
        if row.get("reference") is not None:
            word = _word(str(row["reference"]), ok)
            if truth.setdefault(part, word) != word:
                raise DatasetError(f"{where}: the reference of part {part} is both OK and NG; correct it.")
    return attribute_study(appraisals, truth or None)


def _variable(rows: Sequence[Row], measure: str, where: str) -> GageStudy:
    import numpy as np

    from kenpin.cli._rows import column, numbers
    from kenpin.errors import DatasetError
    from kenpin.quality.gage import gage_study

    parts, trials = (column(rows, name, where) for name in ("part", "trial"))
    appraisers = [str(row.get("appraiser") or _INSPECTOR) for row in rows]
    axes = [list(dict.fromkeys(names)) for names in (parts, appraisers, trials)]
    x = np.full([len(names) for names in axes], np.nan)
    for *key, number in zip(parts, appraisers, trials, numbers(rows, measure, where), strict=True):
        place = tuple(names.index(name) for names, name in zip(axes, key, strict=True))
        if not np.isnan(x[place]):
            raise DatasetError(f"{where}: part {key[0]}, {key[1]}, trial {key[2]} is there twice; number the trials.")
        x[place] = number
    if np.isnan(x).any():
        part, appraiser, trial = (names[i] for names, i in zip(axes, np.argwhere(np.isnan(x))[0], strict=True))
        raise DatasetError(
            f"{where}: {appraiser} has not measured part {part} in trial {trial}; every appraiser must measure every "
            "part equally often."
        )
    return gage_study(x)


def _word(verdict: str, ok: Sequence[str]) -> str:
    """OK, REVIEW or NG: people and inspectors use different words."""
    from kenpin.data.ok_labels import guess_ok_labels

    if verdict.casefold() in {word.casefold() for word in ok} if ok else guess_ok_labels([verdict]):
        return "OK"
    return "REVIEW" if verdict.upper() == "REVIEW" else "NG"
