"""The command `judge`: a threshold from what wrong decisions cost, how far to trust it, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA
from kenpin.cli._options import with_settings
from kenpin.decision_options import DecisionOptions


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
    from kenpin.studies import Rows, read_rows, study_threshold, with_truth

    def known(path: Path) -> Rows:
        return with_truth(read_rows(path, _show.say), truth, settings.ok_labels)

    check_targets(options.to)
    truth = None if options.truth is None else read_rows(options.truth, _show.say)
    found = study_threshold(
        known(predictions),
        **settings.model_dump(include={"cost_escape", "cost_overkill", "cost_review", "defect_rate"}),
        score=options.score,
        test=None if options.test is None else known(options.test),
        against=None if options.against is None else read_rows(options.against, _show.say),
    )
    hand_over(found, options.to)
    return 0
