"""The command `drift`: whether scores, failures and vectors still come from where the reference ones came from."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from kenpin.cli import FINDINGS
from kenpin.cli.data import Overwrite

if TYPE_CHECKING:
    from kenpin.cli._rows import Row
    from kenpin.quality.control_charts import Chart

Vectors = NDArray[np.floating[Any]]
_SURE = 0.01  # p-value below which vectors are said to come from elsewhere


def drift(
    predictions: Path,
    /,
    *,
    reference: Annotated[Path, Parameter(help="Predictions of parts from when all was well, not trained on.")],
    score: Annotated[str | None, Parameter(help="Column to chart; by default distance, else defect_score.")] = None,
    mapping: Annotated[Path | None, Parameter(help="Table that tells of each predicted `id` its lot or shift.")] = None,
    lot: Annotated[str, Parameter(help="Column of the lot or shift, where there is one.")] = "lot",
    lot_size: Annotated[int, Parameter(help="Consecutive parts that make a lot, where no column tells.")] = 50,
    arl: Annotated[float, Parameter(help="Points of a chart between two false alarms, on average.")] = 1000.0,
    shift: Annotated[float, Parameter(help="Shift of the mean, in deviations, to be found soonest.")] = 1.0,
    vectors: Annotated[Path | None, Parameter(help="Embeddings of the parts: vectors.npz of `kenpin embed`.")] = None,
    reference_vectors: Annotated[Path | None, Parameter(help="Embeddings of the reference.")] = None,
    out: Annotated[Path | None, Parameter(help="HTML file of the charts to write.")] = None,
    overwrite: Overwrite = False,
) -> int:
    """Chart predictions in their order against earlier ones. The exit status is 1 where something drifted, 0 otherwise.

    Parameters
    ----------
    predictions:
        What `kenpin predict --json` or `evaluate --json` wrote, or a table with the column `id`, in the order of time.
    """
    from kenpin.cli._rows import column, joined, read_rows
    from kenpin.errors import OptionError
    from kenpin.report.control import control_figure
    from kenpin.report.findings import write_findings
    from kenpin.run_folder import check_writable

    if out is not None:
        check_writable(out, overwrite)
    if (vectors is None) is not (reference_vectors is None):
        raise OptionError("embeddings are compared with embeddings; give both --vectors and --reference-vectors.")
    if lot_size < 1:
        raise OptionError(f"option `--lot-size` is {lot_size}; give 1 or more.")
    new, old = read_rows(predictions), read_rows(reference)
    if mapping is not None:
        new = joined(new, mapping)
    names = [score] if score is not None else ["distance", "defect_score"]
    measure = next((name for name in names if any(row.get(name) is not None for row in new)), names[-1])
    new, old = (_scored(rows, measure) for rows in (new, old))
    ids = column(new, "id", predictions)
    named = any(row.get(lot) is not None for row in new)
    lots: list[str] = column(new, lot, predictions) if named else [str(1 + i // lot_size) for i in range(len(new))]
    charts = _charts(new, old, measure, lots, arl, shift, (predictions, reference))
    sentences = [_sentence(title, chart, ids, lots) for title, chart in charts]
    drifted = any(chart.alarms for _, chart in charts)
    if vectors is not None and reference_vectors is not None:
        said, moved = _compared(_read_vectors(reference_vectors), _read_vectors(vectors))
        sentences.append(said)
        drifted |= moved
    for sentence in sentences:
        print(sentence)
    if out is not None:
        caption = f"Without a change it alarms once in {arl:g} points."
        figures = [
            control_figure(chart, title, "parts" if chart.name == "EWMA" else "lots", caption)
            for title, chart in charts
        ]
        lead = f"{'Something drifted' if drifted else 'Nothing drifted'}: {len(new)} parts against {len(old)}."
        print(write_findings("drift", predictions.stem, [lead, *sentences], figures, out, overwrite=overwrite))
    return FINDINGS if drifted else 0


def _charts(
    new: Sequence[Row],
    old: Sequence[Row],
    measure: str,
    lots: Sequence[str],
    arl: float,
    shift: float,
    where: tuple[Path, Path],
) -> list[tuple[str, Chart]]:
    from kenpin.cli._rows import numbers
    from kenpin.quality.control_charts import ewma_chart, means_chart, normal_scores, p_chart
    from kenpin.quality.run_length import best_weight

    before = numbers(old, measure, where[1])
    scores, usual = (normal_scores(values, before) for values in (numbers(new, measure, where[0]), before))
    weight = best_weight(arl, shift)
    smooth = ewma_chart(scores, 0.0, 1.0, weight=weight, arl=arl, reference=len(before))
    charts = [(f"EWMA of {measure}", smooth), (f"Mean {measure} of lots", means_chart(scores, lots, usual, arl=arl))]
    if all(row.get("verdict") is not None for row in (*new, *old)):
        failed, failed_before = ([row["verdict"] == "FAIL" for row in rows] for rows in (new, old))
        charts.append(("Share of FAIL in lots", p_chart(failed, lots, failed_before, arl=arl)))
    return charts


def _scored(rows: Sequence[Row], measure: str) -> list[Row]:
    kept = [row for row in rows if row.get(measure) is not None]
    if len(kept) < len(rows):
        print(f"kenpin: {len(rows) - len(kept)} parts without `{measure}` are left out.", file=sys.stderr)
    return kept


def _sentence(title: str, chart: Chart, ids: Sequence[str], lots: Sequence[str]) -> str:
    if not chart.alarms:
        return f"{title}: no alarm in {len(chart.values)} points."
    first = chart.alarms[0]
    side = "above its upper" if chart.values[first] > chart.high[first] else "below its lower"
    place = f"{ids[first]} (part {first + 1})"
    if chart.name != "EWMA":
        lot = list(dict.fromkeys(lots))[first]
        place = f"lot {lot}, whose first part is {ids[lots.index(lot)]},"
    return (
        f"{title}: ALARM first at {place} {side} limit; {len(chart.alarms)} of {len(chart.values)} points are outside."
    )


def _compared(old: Vectors, new: Vectors) -> tuple[str, bool]:
    from kenpin.quality.same_distribution import energy_test

    found = energy_test(old, new)
    moved = found.p_value <= _SURE
    word = "ALARM, they come from elsewhere" if moved else "no sign that they come from elsewhere"
    count, old_count = found.compared[::-1]
    return f"Embeddings: {word} (energy test of {count} against {old_count}, p = {found.p_value:.3f}).", moved


def _read_vectors(path: Path) -> Vectors:
    """What `kenpin embed` or `numpy.save` wrote. Raises DatasetError."""
    from kenpin.errors import DatasetError

    remedy = "give the vectors.npz that `kenpin embed` writes, or an .npy file of (n, d) floating-point numbers"
    try:
        loaded = np.load(path, allow_pickle=False)
        found = loaded if isinstance(loaded, np.ndarray) else loaded["vectors"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read as vectors; {remedy}.") from error
    if found.ndim != 2 or found.dtype.kind != "f":
        raise DatasetError(f"{path}: holds an array of shape {found.shape} and kind {found.dtype}; {remedy}.")
    return found
