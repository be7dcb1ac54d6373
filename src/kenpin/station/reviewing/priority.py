"""How dear it is not to look at a part: the cost that its verdict is expected to cause."""

from __future__ import annotations

import math

from kenpin.inspection.record import PartRecord
from kenpin.records import Verdict

_STEEPNESS = 4.0  # a score at twice its threshold, or at half of it, is as doubtful as 4 logits


def expected_cost(record: PartRecord, escape_cost: float, overkill_cost: float) -> float:
    """The cost at stake times the doubt: what the verdict costs if it is wrong, by the chance that it is.

    Where a run gives a calibrated probability that is the chance of a defect; else how far the score lies from its
    threshold tells it, on a scale of its own that orders parts and promises nothing.
    """
    chance = _chance_of_defect(record)
    if record.verdict is Verdict.PASS:
        return chance * escape_cost
    if record.verdict is Verdict.FAIL:
        return (1 - chance) * overkill_cost
    # nobody has decided: whichever verdict comes without a look, the cheaper one's cost is at stake, and the line waits
    return min(chance * escape_cost, (1 - chance) * overkill_cost) + overkill_cost


def _chance_of_defect(record: PartRecord) -> float:
    """By the answer that lies nearest to its threshold: it is the one that may have decided wrongly."""
    chances = [
        _by_distance(answer.score, answer.fail_from)
        for answer in record.answers
        if answer.score is not None and answer.fail_from is not None and math.isfinite(answer.fail_from)
    ]
    return min(chances, key=lambda chance: abs(chance - 0.5), default=0.5)


def _by_distance(score: float, fail_from: float) -> float:
    if math.isnan(score):
        return 0.5
    if 0 < score < 1 and 0 < fail_from < 1:  # a probability: by its logit, so that both ends count
        apart = _logit(score) - _logit(fail_from)
    elif score > 0 and fail_from > 0:  # a distance: by its ratio
        apart = _STEEPNESS / math.log(2) * math.log(score / fail_from)
    else:
        apart = score - fail_from
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, apart))))


def _logit(chance: float) -> float:
    return math.log(chance / (1 - chance))
