"""The threshold study: a threshold from what wrong decisions cost, how far to trust it, and what changed since."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.same_parts import same_parts
from kenpin.errors import DatasetError
from kenpin.metrics.intervals import measured, ranking_interval
from kenpin.metrics.ranking import auroc, auroc_of_counts
from kenpin.plural import counted
from kenpin.quality.consequences import cost_notes
from kenpin.quality.costs import cut_costs, realised_cost
from kenpin.quality.paired import verdict_differences
from kenpin.quality.threshold import threshold_from_costs, threshold_from_good_parts, verdict_of
from kenpin.records import Threshold, Verdict
from kenpin.report.changes import Changes, change_sentences, change_table
from kenpin.report.cost_curve import cost_plot
from kenpin.report.findings import Findings
from kenpin.report.headline import mistakes, too_few, useless
from kenpin.report.plots import LinePlot, Table
from kenpin.studies.rows import Row, Rows


def study_threshold(
    rows: Rows,
    *,
    cost_escape: float,
    cost_overkill: float,
    cost_review: float | None = None,
    defect_rate: float | None = None,
    score: str = "defect_score",
    test: Rows | None = None,
    against: Rows | None = None,
) -> Findings:
    """The threshold of least expected cost on rows whose truth is known, or by good parts where there are no others.

    rows: with `defective`, as `with_truth` gives it, and the column `score`; larger is worse. Costs are those of
    `threshold_from_costs`. test: rows of other parts, with their truth, to measure what the threshold costs there.
    against: rows of an earlier run on the same parts, to compare the verdicts. Raises DatasetError, OptionError.
    """
    defective, scores = _defective(rows), rows.numbers(score)
    prices: dict[str, Any] = {
        "cost_escape": cost_escape,
        "cost_overkill": cost_overkill,
        "cost_review": cost_review,
        "defect_rate": defect_rate,
    }
    threshold = _chosen(rows, scores, defective, prices)
    sentences = [
        *_useless(threshold, scores, defective),
        _cuts(threshold),
        *_outcome(Path(rows.where).name, threshold, scores, defective, prices)[0],
        *cost_notes(scores, defective, threshold),
        "The threshold was chosen on these parts, so it does better on them than on others.",
    ]
    realised = None
    tables: tuple[Table, ...] = ()
    if test is not None:
        truths, tested = _defective(test), test.numbers(score)
        said, realised = _outcome(Path(test.where).name, threshold, tested, truths, prices)
        sentences += [said[0], *_useless(threshold, tested, truths), *said[1:]]
    if against is not None:
        common, changes = _changes(rows, defective, against)
        earlier = Path(against.where).name
        sentences.append(f"Against {earlier}, by the verdicts of both runs on {counted(common, 'part')}:")
        sentences += change_sentences(changes)
        tables = (change_table(changes),)
    plots: tuple[LinePlot, ...] = ()
    if threshold.expected_cost is None:
        sentences.insert(1, f"{threshold.basis[0].upper()}{threshold.basis[1:]}")
    else:
        alone = cut_costs(scores, defective, **prices | {"cost_review": None})
        with_review = None if cost_review is None else cut_costs(scores, defective, **prices)
        unreviewed = "" if with_review is None else f"; {alone.least.min():.4g} if nothing were reviewed"
        sentences.insert(1, f"Expected cost {threshold.expected_cost:.4g} per part{unreviewed}.")
        where = "" if test is None else f"on {Path(test.where).name}"
        plots = (cost_plot(threshold, alone, with_review, realised, where),)
    return Findings("threshold", rows.name, tuple(sentences), plots, tables=tables)


def with_truth(rows: Rows, truth: Rows | None = None, ok_labels: Sequence[str] | None = None) -> Rows:
    """The rows, and in the column `defective` whether each part is.

    truth: rows with the true `label` of each `id`; by default what an evaluation knows. ok_labels: labels of good
    parts; by default as the evaluation has it, else ok, good, pass, 良品 and the like. Raises DatasetError.
    """
    known = rows.rows
    if truth is not None:
        told = Rows([{"id": row.get("id")} for row in known]).joined(truth).rows
        known = [{**row, "truth": one.get("label"), "defective": None} for row, one in zip(known, told, strict=True)]
    return replace(rows, rows=[{**row, "defective": _is_defective(row, ok_labels)} for row in known])


def _defective(rows: Rows) -> list[bool]:
    """Whether each part is defective. Raises DatasetError."""
    found = [row.get("defective") for row in rows.rows]
    if None in found:
        raise DatasetError(
            f"{rows.where}: row {found.index(None) + 1} has no true label; give what `kenpin evaluate --json` wrote, "
            "or --truth with the columns id and label."
        )
    return [bool(one) for one in found]


def _is_defective(row: Row, ok_labels: Sequence[str] | None) -> bool | None:
    """As the evaluation has it, unless other labels are said to be OK; None where nothing tells."""
    label, known = row.get("truth"), row.get("defective")
    if label is None or (known is not None and ok_labels is None):
        return None if known is None else bool(known)
    return str(label) not in (guess_ok_labels([str(label)]) if ok_labels is None else ok_labels)


def _chosen(rows: Rows, scores: Sequence[float], defective: Sequence[bool], prices: dict[str, Any]) -> Threshold:
    """By costs, or where no part is defective by good parts alone. Raises DatasetError, OptionError."""
    if all(defective):
        there = {0: "no part", 1: "1 part, a defective one"}.get(len(scores), f"{len(scores):,} parts, all defective")
        raise DatasetError(f"{rows.where}: it holds {there}, and a threshold lets good parts pass; add good ones.")
    if any(defective):
        basis = f"least expected cost on {counted(len(scores), 'part')} of {Path(rows.where).name}"
        return threshold_from_costs(scores, defective, **prices, basis=basis)
    return threshold_from_good_parts(scores, "parts")


def _cuts(threshold: Threshold) -> str:
    if threshold.fail_from == -math.inf:
        return "FAIL whatever the score."
    if threshold.review_from == -math.inf:
        return f"FAIL from {threshold.fail_from:.6g}, REVIEW below."
    if threshold.review_from is None or threshold.review_from == threshold.fail_from:
        return f"FAIL from {threshold.fail_from:.6g}, PASS below."
    return f"FAIL from {threshold.fail_from:.6g}, REVIEW from {threshold.review_from:.6g}, PASS below."


def _useless(threshold: Threshold, scores: Sequence[float], defective: Sequence[bool]) -> tuple[str, ...]:
    """That a threshold on these parts decides nothing, or that their scores tell nothing apart; empty otherwise."""
    area = measured(auroc(defective, scores), ranking_interval(auroc_of_counts, defective, scores))
    return useless([verdict_of(score, threshold) for score in scores], defective, area)


def _outcome(
    name: str, threshold: Threshold, scores: Sequence[float], defective: Sequence[bool], prices: dict[str, Any]
) -> tuple[list[str], float | None]:
    """What the threshold does on these parts: counts, bounds and cost in words, and the cost per part, which takes
    both kinds."""
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


def _changes(rows: Rows, defective: Sequence[bool], against: Rows) -> tuple[int, Changes]:
    """How many parts both have, and how their verdicts differ. Raises DatasetError."""
    places = [
        [(id, row.get("path")) for id, row in zip(of.column("id"), of.rows, strict=True)] for of in (against, rows)
    ]
    pairs = same_parts(*places)
    if not pairs:
        raise DatasetError(
            f"{against.where}: none of its parts is in {rows.where}, by id or by picture; compare two runs on the same "
            "parts."
        )
    before = _verdicts(replace(against, rows=[against.rows[old] for old, _ in pairs]))
    now = _verdicts(replace(rows, rows=[rows.rows[new] for _, new in pairs]))
    return len(pairs), verdict_differences([defective[new] for _, new in pairs], before, now)


def _verdicts(rows: Rows) -> list[Verdict]:
    words = rows.column("verdict")
    if odd := sorted(set(words) - set(Verdict)):
        raise DatasetError(f"{rows.where}: {odd[0]!r} is not a verdict; give PASS, FAIL or REVIEW.")
    return [Verdict(word) for word in words]
