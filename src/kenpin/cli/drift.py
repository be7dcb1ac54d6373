"""The command `drift`: whether scores, failures and vectors still come from where the reference ones came from."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from kenpin.cli import FINDINGS
from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA, DECISION, REQUIRED
from kenpin.plural import counted, is_are

if TYPE_CHECKING:
    from kenpin.cli._rows import Row
    from kenpin.quality.control_charts import Chart

Vectors = NDArray[np.floating[Any]]
_SURE = 0.01  # p-value below which vectors are said to come from elsewhere


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


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """What is charted, against what, and where the findings go."""

    reference: Annotated[
        Path,
        Parameter(
            group=REQUIRED, help="Predictions of parts from a time when all was well; the run was not trained on them."
        ),
    ]
    score: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Column to chart; by default distance, else defect_score. May be given again.",
        ),
    ] = ()
    mapping: Annotated[
        Path | None, Parameter(group=DATA, help="Table with the lot or shift of each predicted `id`.")
    ] = None
    lot: Annotated[str, Parameter(group=DATA, help="Column of the lot or shift.")] = "lot"
    lot_size: Annotated[
        int, Parameter(group=DATA, help="Consecutive parts that make a lot, where there is no such column.")
    ] = 50
    arl: Annotated[
        float,
        Parameter(group=DECISION, help="Points of a chart between two false alarms, on average (average run length)."),
    ] = 1000.0
    shift: Annotated[
        float,
        Parameter(group=DECISION, help="Shift of the mean, in standard deviations, that should be found soonest."),
    ] = 1.0
    vectors: Annotated[
        Path | None, Parameter(group=DATA, help="Embeddings of the parts: vectors.npz of `kenpin embed`.")
    ] = None
    reference_vectors: Annotated[Path | None, Parameter(group=DATA, help="Embeddings of the reference.")] = None
    to: FoundOptions = field(default_factory=FoundOptions)


def drift(predictions: Path, /, *, options: DriftOptions) -> int:
    """Chart predictions in their order against earlier ones. The exit status is 1 where something drifted, 0 otherwise.

    Parameters
    ----------
    predictions:
        JSON file of `kenpin predict` or `evaluate`, or a table with the column `id`, in the order of time.
    """
    from kenpin.cli._rows import column, joined, read_rows
    from kenpin.errors import OptionError
    from kenpin.report.control import control_plot
    from kenpin.report.findings import Findings

    check_targets(options.to)
    if (options.vectors is None) is not (options.reference_vectors is None):
        raise OptionError("embeddings are compared with embeddings; give both --vectors and --reference-vectors.")
    if options.lot_size < 1:
        raise OptionError(f"option `--lot-size` is {options.lot_size}; give 1 or more.")
    new, old = read_rows(predictions), read_rows(options.reference)
    if options.mapping is not None:
        new = joined(new, options.mapping)
    usual = next((name for name in ("distance", "defect_score") if any(row.get(name) is not None for row in new)), None)
    measures = options.score or (usual or "defect_score",)
    new, old = (_scored(rows, measures) for rows in (new, old))
    ids = column(new, "id", predictions)
    named = any(row.get(options.lot) is not None for row in new)
    lots: list[str] = (
        column(new, options.lot, predictions) if named else [str(1 + i // options.lot_size) for i in range(len(new))]
    )
    charted = _charted(new, old, measures, ids, lots, options.arl, options.shift, (predictions, options.reference))
    tested: list[str] = []
    moved = False
    if options.vectors is not None and options.reference_vectors is not None:
        (known, _), (seen, seen_ids) = _read_vectors(options.reference_vectors), _read_vectors(options.vectors)
        said, moved = _compared(known, seen)
        tested.append(said)
        charted += _vector_charts(known, seen, seen_ids, options.arl, options.shift)
    alarmed = [one for one in charted if one.chart.alarms]
    lead = f"Nothing drifted: {counted(len(new), 'part')} against {len(old)}."
    if alarmed:
        first = min(alarmed, key=lambda one: one.ends[one.chart.alarms[0]])
        lead = f"Something drifted, first seen at {first.place.rstrip(',')} by {first.title}."
    elif moved:
        lead = f"Something drifted, by the embeddings as a whole: {counted(len(new), 'part')} against {len(old)}."
    caption = f"Without a change there is one alarm in {options.arl:g} points."
    findings = Findings(
        "drift",
        predictions.stem,
        (lead, *(f"{one.title}: {one.found}" for one in charted), *tested),
        tuple(control_plot(one.chart, one.title, one.unit, one.found, caption) for one in charted),
    )
    hand_over(findings, options.to)
    return FINDINGS if alarmed or moved else 0


def _charted(
    new: Sequence[Row],
    old: Sequence[Row],
    measures: Sequence[str],
    ids: Sequence[str],
    lots: Sequence[str],
    arl: float,
    shift: float,
    where: tuple[Path, Path],
) -> list[_Charted]:
    from kenpin.cli._rows import numbers
    from kenpin.quality.control_charts import means_chart, normal_scores, p_chart

    names = list(dict.fromkeys(lots))
    firsts = [ids[lots.index(name)] for name in names]
    ends = [len(lots) - 1 - list(reversed(lots)).index(name) for name in names]

    def of_lots(title: str, chart: Chart) -> _Charted:
        return _Charted(title, "lots", chart, names, firsts, ends)

    found = []
    for measure in measures:
        before = numbers(old, measure, where[1])
        scores, usual = (normal_scores(values, before) for values in (numbers(new, measure, where[0]), before))
        found.append(_smooth(f"EWMA of {measure}", scores, len(before), ids, arl, shift))
        found.append(of_lots(f"Mean {measure} of lots", means_chart(scores, lots, usual, arl=arl)))
    if all(row.get("verdict") is not None for row in (*new, *old)):
        failed, failed_before = ([row["verdict"] == "FAIL" for row in rows] for rows in (new, old))
        found.append(of_lots("Share of FAIL in lots", p_chart(failed, lots, failed_before, arl=arl)))
    return found


def _vector_charts(known: Vectors, seen: Vectors, ids: Sequence[str], arl: float, shift: float) -> list[_Charted]:
    """Which part came from elsewhere; none where the reference is too small for limits."""
    from kenpin.quality.control_charts import FEWEST, normal_scores
    from kenpin.quality.same_distribution import mean_distances

    if len(known) < FEWEST:
        return []
    before, now = mean_distances(known, seen)
    title = "EWMA of the embeddings’ distance from the reference"
    return [_smooth(title, normal_scores(now, before), len(before), ids, arl, shift)]


def _smooth(
    title: str, scores: NDArray[np.float64], reference: int, ids: Sequence[str], arl: float, shift: float
) -> _Charted:
    from kenpin.quality.control_charts import ewma_chart
    from kenpin.quality.run_length import best_weight

    chart = ewma_chart(scores, 0.0, 1.0, weight=best_weight(arl, shift), arl=arl, reference=reference)
    return _Charted(title, "parts", chart, ids, ids, range(len(ids)))


def _scored(rows: Sequence[Row], measures: Sequence[str]) -> list[Row]:
    kept = [row for row in rows if all(row.get(measure) is not None for measure in measures)]
    if len(kept) < len(rows):
        lack = " and ".join(f"`{measure}`" for measure in measures)
        count = len(rows) - len(kept)
        told = counted(count, f"part without {lack}", f"parts without {lack}")
        print(f"kenpin: {told} {is_are(count)} left out.", file=sys.stderr)
    return kept


def _compared(old: Vectors, new: Vectors) -> tuple[str, bool]:
    from kenpin.quality.same_distribution import energy_test

    found = energy_test(old, new)
    moved = found.p_value <= _SURE
    word = "ALARM, they differ from the reference" if moved else "no sign that they differ from the reference"
    count, old_count = found.compared[::-1]
    return f"Embeddings: {word} (energy test of {count} against {old_count}, p = {found.p_value:.3f}).", moved


def _read_vectors(path: Path) -> tuple[Vectors, list[str]]:
    """What `kenpin embed` or `numpy.save` wrote: vectors (n, d), and their ids or numbers. Raises DatasetError."""
    from kenpin.errors import DatasetError

    remedy = "give the vectors.npz that `kenpin embed` writes, or an .npy file of (n, d) floating-point numbers"
    ids: list[str] = []
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            found = loaded
        else:
            with loaded:
                found, ids = loaded["vectors"], loaded["ids"].tolist() if "ids" in loaded else []
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read as embeddings; {remedy}.") from error
    if found.ndim != 2 or found.dtype.kind != "f":
        raise DatasetError(f"{path}: holds an array of shape {found.shape} and kind {found.dtype}; {remedy}.")
    return found, ids if len(ids) == len(found) else [f"embedding {number}" for number in range(1, len(found) + 1)]
