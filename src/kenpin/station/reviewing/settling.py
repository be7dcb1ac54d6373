"""When a part is settled: one person, a second one who does not see the first, and a third where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kenpin.records import Verdict


@dataclass(frozen=True, slots=True)
class Review:
    """What a person says of a part."""

    who: str
    verdict: Verdict
    """PASS or FAIL: a person decides, or leaves the part to another one."""
    label: str | None
    """The class, where the product has some."""
    has_marks: bool = False
    """Whether they drew where it is defective."""

    def agrees(self, other: Review) -> bool:
        """Whether both say the same; where it is defective nobody draws the same twice."""
        return (self.verdict, self.label) == (other.verdict, other.label)


class ReviewState(StrEnum):
    """Where a part stands."""

    OPEN = "open"
    """Nobody has reviewed it."""
    SECOND = "second"
    """A second person is to review it, who does not see the first one's verdict."""
    THIRD = "third"
    """Two disagree, and a third person decides."""
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What the reviews of a part come to."""

    state: ReviewState
    verdict: Verdict | None = None
    """Only where it is settled."""
    label: str | None = None
    drawn_by: str | None = None
    """Whose marks count: those of the person whose verdict decides, or where they drew none, of the last one who says
    the same; None where none of these drew any."""


def outcome(reviews: Sequence[Review], *, wants_second: bool) -> ReviewOutcome:
    """What the reviews of a part come to, by different people, in their order. wants_second: whether two must agree.

    >>> good, bad = Review("ann", Verdict.PASS, None), Review("bo", Verdict.FAIL, "scratch")
    >>> outcome([good], wants_second=False).state, outcome([good], wants_second=True).state
    (<ReviewState.SETTLED: 'settled'>, <ReviewState.SECOND: 'second'>)
    >>> outcome([good, bad], wants_second=True).state
    <ReviewState.THIRD: 'third'>
    >>> outcome([good, bad, Review("cy", Verdict.FAIL, "dent")], wants_second=True)
    ReviewOutcome(state=<ReviewState.SETTLED: 'settled'>, verdict=<Verdict.FAIL: 'FAIL'>, label='dent', drawn_by=None)
    >>> drew, agreed = Review("ann", Verdict.FAIL, None, has_marks=True), Review("bo", Verdict.FAIL, None)
    >>> outcome([drew, agreed], wants_second=True).drawn_by
    'ann'
    """
    assert len({review.who for review in reviews}) == len(reviews), "one review a person"
    if not reviews:
        return ReviewOutcome(ReviewState.OPEN)
    if len(reviews) == 1 and wants_second:
        return ReviewOutcome(ReviewState.SECOND)
    first, *others = reviews
    if len(reviews) == 2 and not first.agrees(others[0]):
        return ReviewOutcome(ReviewState.THIRD)
    # two that agree, or the third one, whatever the first two said
    deciding = reviews[min(len(reviews), 3) - 1]
    drawn = [review.who for review in (*reviews, deciding) if review.has_marks and review.agrees(deciding)]
    return ReviewOutcome(ReviewState.SETTLED, deciding.verdict, deciding.label, drawn[-1] if drawn else None)
