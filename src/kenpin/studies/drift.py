"""The drift study: whether scores, failures and embeddings still come from where the reference ones came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import DatasetError, OptionError
from kenpin.plural import counted, is_are
from kenpin.quality.control_charts import FEWEST, Chart, ewma_chart, means_chart, normal_scores, p_chart
from kenpin.quality.run_length import best_weight
from kenpin.quality.same_distribution import energy_test, least_p_value, mean_distances
from kenpin.report.control import control_plot
from kenpin.report.findings import Findings
from kenpin.studies.embeddings import Embeddings
from kenpin.studies.rows import Rows

_SURE = 0.01  # p-value below which embeddings are said to come from elsewhere


@dataclass(frozen=True, slots=True)
class _Aim:
    """What the charts are designed for: points between false alarms, and the shift to find soonest, in deviations."""

    arl: float
    shift: float


@dataclass(frozen=True, slots=True)
class _Charted:
    """A chart, and of each of its points the name, the first part, and the part at which it is complete."""

    title: str
    unit: str
    chart: Chart
    names: Sequence[str]
    firsts: Sequence[str]
    ends: Sequence[int]

    @property
    def found(self) -> str:
        """What it found, with the first part that tripped it."""
        alarms = self.chart.alarms
        if not alarms:
            return f"no alarm in {counted(len(self.chart.values), 'point')}."
        first = alarms[0]
        side = "above its upper" if self.chart.values[first] > self.chart.high[first] else "below its lower"
        return (
            f"ALARM first at {self.place} {side} limit; {len(alarms)} of {counted(len(self.chart.values), 'point')} "
            f"{is_are(len(alarms))} outside."
        )

    @property
    def place(self) -> str:
        """Where it alarms first."""
        first = self.chart.alarms[0]
        if self.unit == "lots":
            return f"lot {self.names[first]}, whose first part is {self.firsts[first]},"
        return f"{self.names[first]} (part {first + 1})"


def study_drift(
    rows: Rows,
    reference: Rows,
    *,
    measures: Sequence[str] = (),
    lot: str = "lot",
    lot_size: int = 50,
    arl: float = 1000.0,
    shift: float = 1.0,
    embeddings: tuple[Embeddings, Embeddings] | None = None,
) -> Findings:
    """Charts rows in their order against those of a time when all was well; `alarm` tells whether something drifted.

    measures: columns to chart; by default distance, else defect_score. lot: column of the lot; without it `lot_size`
    consecutive rows make one. arl: points of a chart between two false alarms, on average. shift: of the mean, in
    standard deviations, that should be found soonest. embeddings: of the rows and of the reference.
    Raises DatasetError, OptionError.
    """
    if lot_size < 1:
        raise OptionError(f"option `lot_size` is {lot_size}; give 1 or more.")
    measures = measures or (usual_measure(rows),)
    _refuse_few(rows, reference, measures)
    if embeddings is not None:
        _refuse_few_embeddings(*embeddings)
    lots = rows.column(lot) if rows.has(lot) else [str(1 + i // lot_size) for i in range(len(rows))]
    aim = _Aim(arl, shift)
    charted = _charted(rows, reference, measures, lots, aim)
    tested: list[str] = []
    moved = False
    if embeddings is not None:
        said, moved = _compared(*embeddings)
        tested.append(said)
        charted += _embedding_charts(*embeddings, aim)
    alarmed = [one for one in charted if one.chart.alarms]
    lead = f"Nothing drifted: {counted(len(rows), 'part')} against {len(reference)}."
    if alarmed:
        first = min(alarmed, key=lambda one: one.ends[one.chart.alarms[0]])
        lead = f"Something drifted, first seen at {first.place.rstrip(',')} by {first.title}."
    elif moved:
        lead = (
            f"Something drifted, by the embeddings as a whole: {counted(len(rows), 'part')} against {len(reference)}."
        )
    caption = f"Without a change there is one alarm in {arl:g} points."
    return Findings(
        "drift",
        rows.name,
        (lead, *(f"{one.title}: {one.found}" for one in charted), *tested),
        tuple(control_plot(one.chart, one.title, one.unit, one.found, caption) for one in charted),
        alarm=bool(alarmed) or moved,
    )


def _refuse_few(rows: Rows, reference: Rows, measures: Sequence[str]) -> None:
    """Raises DatasetError where there is no part, or no reference that shows a spread."""
    if not len(rows):
        columns = " and ".join(f"`{measure}`" for measure in measures)
        raise DatasetError(f"{rows.where}: no part has {columns}, so that there is nothing to chart; name a column.")
    if len(reference) < FEWEST:
        there = f"{counted(len(reference), 'part')} {is_are(len(reference))} too few for the limits of a chart"
        raise DatasetError(
            f"{reference.where}: {there}, which {FEWEST} reference parts show; add {FEWEST - len(reference)}."
        )


def _refuse_few_embeddings(new: Embeddings, reference: Embeddings) -> None:
    """Raises DatasetError where no difference between so few could be told from chance, or they cannot be compared."""
    for of in (new, reference):
        if not np.isfinite(of.vectors).all():
            raise DatasetError(f"{of.where}: it holds numbers that are not finite; embed these parts again.")
    if new.vectors.shape[1] != reference.vectors.shape[1]:
        raise DatasetError(
            f"{new.where}: its embeddings have {counted(new.vectors.shape[1], 'number')}, and those of "
            f"{reference.where} {reference.vectors.shape[1]}; give embeddings by the same run."
        )
    counts = len(reference.vectors), len(new.vectors)
    if min(counts) < 2 or least_p_value(*counts) > _SURE:
        raise DatasetError(
            f"{new.where}: {counted(counts[1], 'embedding')} against {counts[0]} of {reference.where} cannot show a "
            f"difference, however large it is; give 2 or more, against {FEWEST} or more of the reference."
        )


def usual_measure(rows: Rows) -> str:
    """The column that is charted where none is named."""
    return next(filter(rows.has, ("distance", "defect_score")), "defect_score")


def _charted(rows: Rows, reference: Rows, measures: Sequence[str], lots: Sequence[str], aim: _Aim) -> list[_Charted]:
    ids = rows.column("id")
    names = list(dict.fromkeys(lots))
    firsts = [ids[lots.index(name)] for name in names]
    ends = [len(lots) - 1 - list(reversed(lots)).index(name) for name in names]

    def of_lots(title: str, chart: Chart) -> _Charted:
        return _Charted(title, "lots", chart, names, firsts, ends)

    found = []
    for measure in measures:
        before = reference.numbers(measure)
        scores, usual = (normal_scores(values, before) for values in (rows.numbers(measure), before))
        found.append(_smooth(f"EWMA of {measure}", scores, len(before), ids, aim))
        found.append(of_lots(f"Mean {measure} of lots", means_chart(scores, lots, usual, arl=aim.arl)))
    if all(row.get("verdict") is not None for row in (*rows.rows, *reference.rows)):
        failed, failed_before = ([row["verdict"] == "FAIL" for row in of.rows] for of in (rows, reference))
        found.append(of_lots("Share of FAIL in lots", p_chart(failed, lots, failed_before, arl=aim.arl)))
    return found


def _embedding_charts(new: Embeddings, reference: Embeddings, aim: _Aim) -> list[_Charted]:
    """Which part came from elsewhere; none where the reference is too small for limits."""

    if len(reference.vectors) < FEWEST:
        return []
    before, now = mean_distances(reference.vectors, new.vectors)
    title = "EWMA of the embeddings’ distance from the reference"
    return [_smooth(title, normal_scores(now, before), len(before), new.ids, aim)]


def _smooth(title: str, scores: NDArray[np.float64], reference: int, ids: Sequence[str], aim: _Aim) -> _Charted:

    chart = ewma_chart(scores, 0.0, 1.0, weight=best_weight(aim.arl, aim.shift), arl=aim.arl, reference=reference)
    return _Charted(title, "parts", chart, ids, ids, range(len(ids)))


def _compared(new: Embeddings, reference: Embeddings) -> tuple[str, bool]:

    found = energy_test(reference.vectors, new.vectors)
    moved = found.p_value <= _SURE
    word = "ALARM, they differ from the reference" if moved else "no sign that they differ from the reference"
    count, old_count = found.compared[::-1]
    return f"Embeddings: {word} (energy test of {count} against {old_count}, p = {found.p_value:.3f}).", moved
