"""The command `judge`: a threshold from what wrong decisions cost, how far to trust it, and what changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA
from kenpin.cli._options import with_settings
from kenpin.config import DecisionOptions
from kenpin.plural import counted

if TYPE_CHECKING:
    from kenpin.cli._rows import Row
    from kenpin.records import Threshold, Verdict
    from kenpin.report.changes import Changes
    from kenpin.report.plots import LinePlot, Table


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """What is judged, and where the findings go."""

    truth: Annotated[Path | None, Parameter(group=DATA, help="Table with the true `label` of each `id`.")] = None
    test: Annotated[
        Path | None,
        Parameter(group=DATA, help="Predictions of other parts, to measure what the threshold costs there."),
    ] = None
    against: Annotated[
        Path | None,
        Parameter(group=DATA, help="Predictions of an earlier run on the same parts, to compare the verdicts."),
    ] = None
    score: Annotated[str, Parameter(group=DATA, help="Column that the threshold applies to; larger is worse.")] = (
        "defect_score"
    )
    to: FoundOptions = field(default_factory=FoundOptions)


@with_settings
def judge(predictions: Path, /, *, settings: DecisionOptions, options: JudgeOptions = JudgeOptions()) -> int:
    """Choose the threshold of least expected cost on judged parts, or by good parts where there are no others, and
    say what it does there and on others.

    Parameters
    ----------
    predictions:
        JSON file of `kenpin evaluate`; or JSON file of `kenpin predict` or table of scores, with --truth.
    """
    from kenpin.cli._rows import numbers
    from kenpin.quality.consequences import cost_notes
    from kenpin.quality.costs import cut_costs
    from kenpin.report.changes import change_sentences, change_table
    from kenpin.report.cost_curve import cost_plot
    from kenpin.report.findings import Findings

    check_targets(options.to)
    rows, defective = _known(predictions, options.truth, settings.ok_labels)
    scores = numbers(rows, options.score, predictions)
    prices = settings.model_dump(include={"cost_escape", "cost_overkill", "cost_review", "defect_rate"})
    threshold = _chosen(predictions, scores, defective, prices)
    sentences = [
        *_useless(threshold, scores, defective),
        _cuts(threshold),
        *_outcome(predictions.name, threshold, scores, defective, prices)[0],
        *cost_notes(scores, defective, threshold),
        "The threshold was chosen on these parts, so it does better on them than on others.",
    ]
    realised = None
    tables: tuple[Table, ...] = ()
    if options.test is not None:
        others, truths = _known(options.test, options.truth, settings.ok_labels)
        tested = numbers(others, options.score, options.test)
        said, realised = _outcome(options.test.name, threshold, tested, truths, prices)
        sentences += [said[0], *_useless(threshold, tested, truths), *said[1:]]
    if options.against is not None:
        common, changes = _changes(predictions, rows, defective, options.against)
        sentences.append(f"Against {options.against.name}, by the verdicts of both runs on {counted(common, 'part')}:")
        sentences += change_sentences(changes)
        tables = (change_table(changes),)
    plots: tuple[LinePlot, ...] = ()
    if threshold.expected_cost is None:
        sentences.insert(1, f"{threshold.basis[0].upper()}{threshold.basis[1:]}")
    else:
        alone = cut_costs(scores, defective, **prices | {"cost_review": None})
        with_review = None if settings.cost_review is None else cut_costs(scores, defective, **prices)
        unreviewed = "" if with_review is None else f"; {alone.least.min():.4g} if nothing were reviewed"
        sentences.insert(1, f"Expected cost {threshold.expected_cost:.4g} per part{unreviewed}.")
        where = "" if options.test is None else f"on {options.test.name}"
        plots = (cost_plot(threshold, alone, with_review, realised, where),)
    hand_over(Findings("threshold", predictions.stem, tuple(sentences), plots, tables=tables), options.to)
    return 0


def _chosen(predictions: Path, scores: Sequence[float], defective: Sequence[bool], prices: dict[str, Any]) -> Threshold:
    """By costs, or where no part is defective by good parts alone. Raises DatasetError, OptionError."""
    from kenpin.errors import DatasetError
    from kenpin.quality.threshold import FEWEST_GOOD, threshold_from_costs, threshold_from_good_parts

    if any(defective):
        basis = f"least expected cost on {counted(len(scores), 'part')} of {predictions.name}"
        return threshold_from_costs(scores, defective, **prices, basis=basis)
    if len(scores) < FEWEST_GOOD:
        raise DatasetError(
            f"{predictions}: {counted(len(scores), 'good part')} and no defective one; {FEWEST_GOOD} are needed for a "
            f"threshold by good parts alone: add {FEWEST_GOOD - len(scores)}, or defective parts."
        )
    return threshold_from_good_parts(scores, "parts")


def _known(path: Path, truth: Path | None, ok_labels: Sequence[str] | None) -> tuple[list[Row], list[bool]]:
    """Rows, and whether each part is defective."""
    from kenpin.cli._rows import joined, read_rows
    from kenpin.errors import DatasetError

    rows = read_rows(path)
    if truth is not None:
        told = joined([{"id": row.get("id")} for row in rows], truth)
        rows = [{**row, "truth": one.get("label"), "defective": None} for row, one in zip(rows, told, strict=True)]
    found = [_is_defective(row, ok_labels) for row in rows]
    if None in found:
        raise DatasetError(
            f"{path}: row {found.index(None) + 1} has no true label; give what `kenpin evaluate --json` wrote, or "
            "--truth with the columns id and label."
        )
    return rows, [bool(one) for one in found]


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


def _useless(threshold: Threshold, scores: Sequence[float], defective: Sequence[bool]) -> tuple[str, ...]:
    """That a threshold on these parts decides nothing, or that their scores tell nothing apart; empty otherwise."""
    from kenpin.metrics.intervals import measured, ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts
    from kenpin.quality.threshold import verdict_of
    from kenpin.report.headline import useless

    area = measured(auroc(defective, scores), ranking_interval(auroc_of_counts, defective, scores))
    return useless([verdict_of(score, threshold) for score in scores], defective, area)


def _outcome(
    name: str, threshold: Threshold, scores: Sequence[float], defective: Sequence[bool], prices: dict[str, Any]
) -> tuple[list[str], float | None]:
    """What the threshold does on these parts: counts, bounds and cost in words, and the cost per part, which takes
    both kinds."""
    from kenpin.quality.costs import realised_cost
    from kenpin.quality.threshold import verdict_of
    from kenpin.records import Verdict
    from kenpin.report.headline import mistakes, too_few

    verdicts = [verdict_of(score, threshold) for score in scores]
    counts = Counter(verdicts)
    both = any(defective) and not all(defective)
    cost = realised_cost(verdicts, defective, **prices) if both else None
    priced = "" if cost is None else f"; cost {cost:.4g} per part"
    sentences = [
        f"On {name}: " + ", ".join(f"{counts[one]} {one.value}" for one in Verdict) + f"{priced}.",
        *mistakes(verdicts, defective),
        *too_few(defective),
    ]
    return sentences, cost


def _changes(path: Path, rows: Sequence[Row], defective: Sequence[bool], against: Path) -> tuple[int, Changes]:
    """How many parts both files hold, and how their verdicts differ. Raises DatasetError."""
    from kenpin.cli._rows import column, read_rows
    from kenpin.data.same_parts import same_parts
    from kenpin.errors import DatasetError
    from kenpin.quality.paired import verdict_differences

    earlier = read_rows(against)
    places = [
        [(id, row.get("path")) for id, row in zip(column(of, "id", where), of, strict=True)]
        for of, where in ((earlier, against), (rows, path))
    ]
    pairs = same_parts(*places)
    if not pairs:
        raise DatasetError(
            f"{against}: none of its parts is in {path}, by id or by picture; compare two runs on the same parts."
        )
    before = _verdicts([earlier[old] for old, _ in pairs], against)
    now = _verdicts([rows[new] for _, new in pairs], path)
    return len(pairs), verdict_differences([defective[new] for _, new in pairs], before, now)


def _verdicts(rows: Sequence[Row], where: Path) -> list[Verdict]:
    from kenpin.cli._rows import column
    from kenpin.errors import DatasetError
    from kenpin.records import Verdict

    words = column(rows, "verdict", where)
    if odd := sorted(set(words) - set(Verdict)):
        raise DatasetError(f"{where}: {odd[0]!r} is not a verdict; give PASS, FAIL or REVIEW.")
    return [Verdict(word) for word in words]
