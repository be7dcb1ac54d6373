"""The command `judge`: a threshold from what wrong decisions cost, and how far it can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli._options import command_of
from kenpin.cli.data import Overwrite
from kenpin.config import DecisionOptions

if TYPE_CHECKING:
    from kenpin.cli._rows import Row
    from kenpin.records import Threshold


def judge(  # type: ignore[no-untyped-def]
    predictions, /, *, given=None, config=None, truth=None, test=None, score="defect_score", out=None, overwrite=False
) -> int | None:
    """Choose the threshold of least expected cost on judged parts, and tell what it does there and on others.

    Parameters
    ----------
    predictions:
        What `kenpin evaluate --json` wrote; or `kenpin predict --json` or a table of scores, with `--truth`.
    """
    call = partial(_judge, predictions, truth=truth, test=test, score=score, out=out, overwrite=overwrite)
    return command_of(DecisionOptions, call)(given=given, config=config)


judge.__annotations__ = command_of(DecisionOptions, lambda _: None).__annotations__ | {
    "predictions": Path,
    "truth": Annotated[Path | None, Parameter(help="Table that tells of each `id` its true `label`.")],
    "test": Annotated[Path | None, Parameter(help="Other parts, in the same form: what the threshold really costs.")],
    "score": Annotated[str, Parameter(help="Column that is cut; larger is worse.")],
    "out": Annotated[Path | None, Parameter(help="HTML file of the cost curve to write.")],
    "overwrite": Overwrite,
}


def _judge(
    predictions: Path,
    options: DecisionOptions,
    *,
    truth: Path | None,
    test: Path | None,
    score: str,
    out: Path | None,
    overwrite: bool,
) -> int:
    from kenpin.quality.costs import cut_costs
    from kenpin.quality.threshold import threshold_from_costs
    from kenpin.report.cost_curve import cost_figure
    from kenpin.report.findings import write_findings
    from kenpin.run_folder import check_writable

    if out is not None:
        check_writable(out, overwrite)
    scores, defective = _known(predictions, truth, score, options.ok_labels)
    prices = options.model_dump(include={"cost_escape", "cost_overkill", "cost_review", "defect_rate"})
    basis = f"least expected cost on {len(scores)} parts of {predictions.name}"
    threshold = threshold_from_costs(scores, defective, **prices, basis=basis)
    alone = cut_costs(scores, defective, **prices | {"cost_review": None})
    sentences = [
        _cuts(threshold),
        f"Expected cost {threshold.expected_cost:.4g} per part"
        + (f"; {alone.least.min():.4g} if nothing were reviewed." if options.cost_review is not None else "."),
        *_outcome(predictions.name, threshold, scores, defective, prices),
        "The threshold was chosen on these parts, so it does better on them than on others.",
    ]
    if test is not None:
        sentences += _outcome(test.name, threshold, *_known(test, truth, score, options.ok_labels), prices)
    for sentence in sentences:
        print(sentence)
    if out is not None:
        with_review = None if options.cost_review is None else cut_costs(scores, defective, **prices)
        figure = cost_figure(threshold, alone, with_review)
        print(write_findings("threshold", predictions.stem, sentences, [figure], out, overwrite=overwrite))
    return 0


def _known(
    path: Path, truth: Path | None, score: str, ok_labels: Sequence[str] | None
) -> tuple[list[float], list[bool]]:
    """Scores, and whether each part is defective."""
    from kenpin.cli._rows import joined, numbers, read_rows
    from kenpin.errors import DatasetError

    rows = read_rows(path)
    if truth is not None:
        named = joined([{"id": row.get("id"), score: row.get(score)} for row in rows], truth)
        rows = [{**row, "truth": row.get("label")} for row in named]
    found = [_is_defective(row, ok_labels) for row in rows]
    if None in found:
        raise DatasetError(
            f"{path}: row {found.index(None) + 1} tells no truth; give what `kenpin evaluate --json` wrote, or --truth "
            "with the columns id and label."
        )
    return numbers(rows, score, path), [bool(one) for one in found]


def _is_defective(row: Row, ok_labels: Sequence[str] | None) -> bool | None:
    """As the evaluation has it, unless other labels are said to be OK; None where nothing tells."""
    from kenpin.data.ok_labels import guess_ok_labels

    label, known = row.get("truth"), row.get("defective")
    if label is None or (known is not None and ok_labels is None):
        return None if known is None else bool(known)
    return str(label) not in (guess_ok_labels([str(label)]) if ok_labels is None else ok_labels)


def _cuts(threshold: Threshold) -> str:
    if threshold.review_from is None or threshold.review_from == threshold.fail_from:
        return f"FAIL from {threshold.fail_from:.6g}, PASS below."
    return f"FAIL from {threshold.fail_from:.6g}, REVIEW from {threshold.review_from:.6g}, PASS below."


def _outcome(
    name: str, threshold: Threshold, scores: Sequence[float], defective: Sequence[bool], prices: dict[str, Any]
) -> list[str]:
    """What the threshold does on these parts: counts, bounds, cost."""
    from kenpin.quality.costs import realised_cost
    from kenpin.quality.planning import bound_sentence
    from kenpin.quality.threshold import verdict_of
    from kenpin.records import Verdict

    verdicts = [verdict_of(score, threshold) for score in scores]
    counts, ng = Counter(verdicts), sum(defective)
    escapes = sum(one is Verdict.PASS and bad for one, bad in zip(verdicts, defective, strict=True))
    overkills = sum(one is Verdict.FAIL and not bad for one, bad in zip(verdicts, defective, strict=True))
    cost = realised_cost(verdicts, defective, **prices)
    return [
        f"On {name}: " + ", ".join(f"{counts[one]} {one.value}" for one in Verdict) + f"; cost {cost:.4g} per part.",
        bound_sentence("escape", escapes, ng),
        bound_sentence("overkill", overkills, len(scores) - ng),
    ]
