"""The gage study: how far verdicts and measurements of the same parts repeat themselves, by the manual of AIAG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from kenpin.data.ok_labels import guess_ok_labels
from kenpin.errors import DatasetError
from kenpin.plural import counted
from kenpin.quality.attribute_gage import Appraisal, AttributeStudy, attribute_study
from kenpin.quality.gage import GageStudy, gage_study
from kenpin.report.findings import Findings
from kenpin.report.gage import gage_findings
from kenpin.studies.rows import Rows
from kenpin.words.sentences import NAMELESS


def study_gage(
    rows: Rows,
    *,
    value: str | None = None,
    tolerance: float | None = None,
    ok: Sequence[str] = (),
    name: str | None = None,
) -> Findings:
    """Gage R&R of rows with `part`, `trial`, and `verdict` or a value or both; `appraiser` where there are several, and
    `reference` where the truth is known.

    value: column of the measured value; by default value, or distance. tolerance: its width, in the unit of the value.
    ok: verdicts that mean a good part; by default ok, good, pass, 良品 and the like. name: of the findings; by default
    that of the rows. Raises DatasetError, OptionError.
    """
    judged = rows.having(("verdict",))
    measure = value or next(filter(rows.has, ("value", "distance")), None)
    measured = rows.having(() if measure is None else (measure,))
    if value is not None and not len(measured):
        raise DatasetError(f"{rows.where}: no row has `{value}`; name a column of numbers.")
    if not len(judged) and measure is None:
        raise DatasetError(f"{rows.where}: no row has a verdict or a value; add such a column.")
    attribute = _attribute(judged, ok) if len(judged) else None
    variable = None if measure is None else (measure, _variable(measured, measure))
    return gage_findings(name or rows.name, attribute, variable, tolerance)


def _attribute(rows: Rows, ok: Sequence[str]) -> AttributeStudy:
    parts, trials, verdicts = (rows.column(name) for name in ("part", "trial", "verdict"))
    appraisals = [
        Appraisal(part, str(row.get("appraiser") or NAMELESS), trial, _word(verdict, ok))
        for row, part, trial, verdict in zip(rows.rows, parts, trials, verdicts, strict=True)
    ]
    truth: dict[str, str] = {}
    for part, row in zip(parts, rows.rows, strict=True):
        if row.get("reference") is not None:
            word = _word(str(row["reference"]), ok)
            if truth.setdefault(part, word) != word:
                raise DatasetError(f"{rows.where}: the reference of part {part} is both OK and NG; correct it.")
    if not truth and max(Counter(parts).values()) == 1:
        raise DatasetError(
            f"{rows.where}: no part is judged a second time, so that no two verdicts can be compared; let every "
            "part be judged in two trials or by two appraisers, or add a column `reference` with what is true."
        )
    return attribute_study(appraisals, truth or None)


def _variable(rows: Rows, measure: str) -> GageStudy:
    parts, trials = (rows.column(name) for name in ("part", "trial"))
    appraisers = [str(row.get("appraiser") or NAMELESS) for row in rows.rows]
    numbers = rows.numbers(measure)
    axes = [list(dict.fromkeys(names)) for names in (parts, appraisers, trials)]
    x = np.full([len(names) for names in axes], np.nan)
    for *key, number in zip(parts, appraisers, trials, numbers, strict=True):
        place = tuple(names.index(name) for names, name in zip(axes, key, strict=True))
        if not np.isnan(x[place]):
            raise DatasetError(f"{rows.where}: {key[1]} has part {key[0]} in trial {key[2]} twice; number the trials.")
        x[place] = number
    if len(axes[0]) < 2 or len(axes[2]) < 2:
        there = f"{counted(len(axes[0]), 'part')} in {counted(len(axes[2]), 'trial')}"
        raise DatasetError(
            f"{rows.where}: `{measure}` is there of {there}, and it takes 2 parts in 2 trials to tell the gage from "
            "the parts; measure several parts, each of them several times."
        )
    if np.isnan(x).any():
        part, appraiser, trial = (names[i] for names, i in zip(axes, np.argwhere(np.isnan(x))[0], strict=True))
        raise DatasetError(
            f"{rows.where}: {appraiser} has not measured part {part} in trial {trial}; every appraiser must measure "
            "every part equally often."
        )
    if np.ptp(x) == 0:
        raise DatasetError(
            f"{rows.where}: `{measure}` is {x.flat[0]:g} in all {counted(x.size, 'measurement')}, so that nothing "
            "tells the gage from the parts; measure parts that differ, with more digits."
        )
    return gage_study(x)


def _word(verdict: str, ok: Sequence[str]) -> str:
    """OK, REVIEW or NG: people and inspectors use different words."""
    if verdict.casefold() in {word.casefold() for word in ok} if ok else guess_ok_labels([verdict]):
        return "OK"
    return "REVIEW" if verdict.upper() == "REVIEW" else "NG"
