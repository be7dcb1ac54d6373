"""The gage study of people and the inspector: how far those who look at a part without knowing of each other agree.

It rests on parts that were drawn at random from the line, of which nobody who looks at them sees what the line or
others said. A tenth of these, drawn again, is looked at by a second person: these pairs tell how far people agree.
What would not be a random sample is left out: parts that came to people because they looked worst, third looks, which
are wanted only where two disagree, and what was settled while parts of a smaller number still wait.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kenpin.quality.agreement import Kappa
from kenpin.quality.attribute_gage import Appraisal, AttributeStudy, Share, attribute_study
from kenpin.quality.bounds import clopper_pearson
from kenpin.records import Verdict
from kenpin.station.reviewing.drawn import VERDICTS, DrawnPart, evenly_drawn
from kenpin.station.reviewing.sampling import counting, wants_second
from kenpin.station.settings import ProductSettings
from kenpin.station.store.filtering import PartFilter, asked_parts
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.review_tables import REVIEWS

INSPECTOR = "the line"
"""Name of the inspector among people; no account has a space in its name."""
_TRIAL = "1"  # nobody looks at a part twice
_STRATA = (Verdict.PASS, Verdict.FAIL)

Said = tuple[str, Verdict]
"""A person, and what they said of a part."""


@dataclass(frozen=True, slots=True)
class ReviewGage:
    """How far people agree with each other, and with the line."""

    people: AttributeStudy | None
    """Of the parts with two looks, those alone; None where there are none."""
    pairs: Mapping[Verdict, int]
    """Parts with two looks, by the verdict of the line, of each of which another share was drawn."""
    agreeing: Mapping[Verdict, Share]
    """On which both people said the same, by the verdict of the line; without those that have no part."""
    waiting: int
    """Parts drawn for a second look that lack one."""
    line: AttributeStudy | None
    """People and the line, by all parts that count; None where there are none."""
    looks: Mapping[Verdict, int]
    """Parts that count in `line`, by its verdict."""

    @property
    def with_line(self) -> tuple[tuple[str, str, Kappa], ...]:
        """Kappa of each person with the line."""
        pairs = () if self.line is None else self.line.pairs
        return tuple(pair for pair in pairs if INSPECTOR in pair[:2])


def review_gage(
    connection: Connection, asked: PartFilter, drawn: Sequence[DrawnPart], secret: bytes, settings: ProductSettings
) -> ReviewGage:
    """The study of the parts that are asked for. drawn: those that were drawn of them, by rising number; secret: by
    which they were."""
    open_keys = (one.key for one in drawn if one.settled is None)
    second = {key for key in open_keys if wants_second(secret, key, settings.second_reviews)}
    return gage_of(drawn, second, _said(connection, asked))


def gage_of(drawn: Sequence[DrawnPart], second: set[str], said: Mapping[str, Sequence[Said]]) -> ReviewGage:
    """The study. drawn: by rising number; second: keys of open ones that are drawn for a second look; said: what
    the first two people said of a part, by its key."""
    two: list[DrawnPart] = []
    one_or_two: list[DrawnPart] = []
    waiting = 0
    for verdict in _STRATA:
        of_verdict = evenly_drawn(drawn, verdict)
        # a part that is settled by one person was not drawn for a second look
        to_pair = [one for one in of_verdict if _count(said, one) == 2 or (one.settled is None and one.key in second)]
        has_two = [_count(said, one) == 2 for one in to_pair]
        two += to_pair[: counting(has_two)]
        waiting += has_two.count(False)
        has_one = [_count(said, one) > 0 or one.settled is not None for one in of_verdict]
        one_or_two += [one for one in of_verdict[: counting(has_one)] if _count(said, one)]
    pairs, looks = (Counter(one.verdict for one in parts) for parts in (two, one_or_two))
    same = Counter(one.verdict for one in two if len({verdict for _, verdict in said[one.key]}) == 1)
    return ReviewGage(
        people=_study(_appraisals(two, said)),
        pairs={verdict: pairs[verdict] for verdict in _STRATA},
        agreeing={
            verdict: found for verdict in _STRATA if (found := _share(same[verdict], pairs[verdict])) is not None
        },
        waiting=waiting,
        line=_study(
            [*_appraisals(one_or_two, said), *(_appraisal(one.key, INSPECTOR, one.verdict) for one in one_or_two)]
        ),
        looks={verdict: looks[verdict] for verdict in _STRATA},
    )


def _said(connection: Connection, asked: PartFilter) -> dict[str, list[Said]]:
    """What the first two people said of each drawn part. Who took it back still was one of the two: the next one may
    have been wanted because both disagreed."""
    sql = asked_parts(asked)
    columns = (REVIEWS.c[name] for name in ("key", "who", "verdict", "undone"))
    both = sql.source.join(REVIEWS, REVIEWS.c.key == PARTS.c.key)
    wanted = select(*columns).select_from(both).where(*sql.where, PARTS.c.sampled.is_not(None))
    said: dict[str, dict[str, Verdict | None]] = defaultdict(dict)
    for key, who, verdict, undone in connection.execute(
        wanted.order_by(REVIEWS.c.at_us, REVIEWS.c.node, REVIEWS.c.number)
    ):
        of_part = said[key]
        if who in of_part or len(of_part) < 2:
            of_part[who] = None if undone else VERDICTS[verdict]
    return {
        key: [(who, verdict) for who, verdict in of_part.items() if verdict is not None]
        for key, of_part in said.items()
    }


def _count(said: Mapping[str, Sequence[Said]], part: DrawnPart) -> int:
    return len(said.get(part.key, ()))


def _appraisals(parts: Sequence[DrawnPart], said: Mapping[str, Sequence[Said]]) -> list[Appraisal]:
    return [_appraisal(one.key, who, verdict) for one in parts for who, verdict in said[one.key]]


def _appraisal(key: str, who: str, verdict: Verdict) -> Appraisal:
    return Appraisal(key, who, _TRIAL, verdict.value)


def _study(appraisals: Sequence[Appraisal]) -> AttributeStudy | None:
    return attribute_study(appraisals) if appraisals else None


def _share(events: int, cases: int) -> Share | None:
    interval = clopper_pearson(events, cases)
    return None if interval is None else Share(events, cases, *interval)
