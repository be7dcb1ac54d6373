"""The queue of reviews: which part a person looks at next, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.clock import HOUR_US, MINUTE_US, Clock, now_us
from kenpin.station.reviewing.applied import REVIEWED, UNDONE
from kenpin.station.reviewing.marks import (
    DefectMark,
    MarksError,
    Sizes,
    check_marks,
    kept_marks,
    on_views,
    values_of_marks,
)
from kenpin.station.reviewing.sampling import number_of, wants_second
from kenpin.station.reviewing.settling import ReviewState
from kenpin.station.settings import ProductSettings
from kenpin.station.store.entering import Entering
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.queries import PartRow, find_part
from kenpin.station.store.review_tables import LENT, REVIEWS, WANTED
from kenpin.station.store.tables import insert_into
from kenpin.station.store.views import ViewRow, views_of
from kenpin.station.who.rights import Person, Right

Why = Literal["cost", "sample", "second", "third"]
_LENT_US = 10 * MINUTE_US
"""How long a part is kept for the person who looks at it."""
_LEFT_US = 12 * HOUR_US
"""How long a part does not come again to a person who left it."""
_EACH = 3
"""Of so many parts in a row one is of the sample, while both kinds wait."""
_NOTE_LETTERS = 2_000


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """A part for a person to look at."""

    part: PartRow
    why: Why

    @property
    def is_blind(self) -> bool:
        """Whether the person sees nothing of what runs and others said: what is counted must be one's own look."""
        return self.why != "cost" or self.part.sampled is not None  # a part of the sample, whichever way it came


@dataclass(frozen=True, slots=True)
class PersonsReview:
    """What a person said of a part."""

    who: str
    verdict: Verdict
    label: str | None
    note: str | None
    at_us: int
    undone: bool
    marks: tuple[DefectMark, ...] = ()
    """Where it is defective."""
    marks_hold: bool = False
    """Whether these are the marks of the settled part."""


class Reviewing:
    """Reviews on a node of a station; for any thread."""

    def __init__(
        self,
        store: Store,
        entering: Entering,
        secret: bytes,
        settings_of: Callable[[str], ProductSettings],
        classes_of: Callable[[str], Sequence[str]],
        clock: Clock = now_us,
    ) -> None:
        """settings_of: the settings of a product; classes_of: the classes of defects that its line tells apart."""
        self._store, self._entering = store, entering
        self._secret, self._settings_of, self._classes_of, self._clock = secret, settings_of, classes_of, clock
        self._saying = Lock()

    def next_task(self, who: Person, product: str) -> ReviewTask | None:
        """The part that this person is to look at next, which is then kept for them for a while; None where none waits.
        Raises NotAllowedError, StoreError."""
        who.check(Right.REVIEW)
        now = self._clock()
        with self._store.writing() as connection:
            mine = and_(LENT.c.who == who.name, LENT.c.holds)
            connection.execute(delete(LENT).where(or_(LENT.c.until_us < now, mine)))
            found = self._wanted(connection, who, product) or self._open(connection, who, product)
            if found is None:
                return None
            key, why = found
            lent = insert_into(connection, LENT).values(key=key, who=who.name, holds=True, until_us=now + _LENT_US)
            connection.execute(lent.on_conflict_do_nothing())
            part = find_part(connection, key)
        return None if part is None else ReviewTask(part, why)

    def looks_blind(self, who: Person, key: str) -> bool:
        """Whether this person has the part before them at present, and is to see nothing of what others say of it.
        Raises StoreError."""
        holds = and_(LENT.c.key == key, LENT.c.who == who.name, LENT.c.holds, LENT.c.until_us >= self._clock())
        wanted = select(WANTED.c.key).where(WANTED.c.key == key).exists()
        drawn = select(PARTS.c.key).where(PARTS.c.key == key, PARTS.c.sampled.is_not(None)).exists()
        with self._store.reading() as connection:
            return connection.execute(select(LENT.c.key).where(holds, or_(wanted, drawn))).first() is not None

    def waiting(self, product: str) -> int:
        """How many parts wait for somebody. Raises StoreError."""
        with self._store.reading() as connection:
            wanted = select(func.count()).select_from(WANTED).where(WANTED.c.product == product)
            opened = select(func.count()).select_from(PARTS).where(_is_open(product))
            return connection.execute(wanted).scalar_one() + connection.execute(opened).scalar_one()

    def review(
        self,
        who: Person,
        key: str,
        verdict: Verdict,
        label: str | None,
        note: str | None,
        marks: Sequence[DefectMark] = (),
    ) -> None:
        """Say what a part is, and where it is defective; saying it again replaces what one said before. marks: those
        without a view are on the picture that stands for the part. Raises NotAllowedError, OptionError, StoreError,
        OSError, and then nothing of it is kept."""
        who.check(Right.REVIEW)
        if verdict is Verdict.REVIEW:
            raise OptionError("a person says PASS or FAIL, or leaves the part to somebody else.")
        if note is not None and len(note) > _NOTE_LETTERS:
            raise OptionError(f"a note has at most {_NOTE_LETTERS:,} letters; shorten it.")
        if verdict is Verdict.PASS and marks:
            raise MarksError("a good part has no marks; remove them, or say that it is defective.")
        with self._saying:
            part, reviewers, views = self._part(key), self._reviewers(key), self._views(key)
            marks = on_views(marks, _deciding(views))
            check_marks(marks, _sizes(part, views), self._classes_of(part.product))
            if part.settled_verdict is not None and who.name not in reviewers:
                raise OptionError("others have settled this part meanwhile; take the next one.")
            about = {
                "part": key,
                "product": part.product,
                "id": part.id,
                "picture": part.picture_hash,
                # what the views of marks are, also to whoever has the trail alone
                **({"views": [{"name": one.name, "picture": one.picture_hash} for one in views]} if views else {}),
                "verdict": verdict.value,
                "label": label,
                "note": note,
                "marks": values_of_marks(marks),
                "blind": part.sampled is not None or bool(reviewers - {who.name}),
                "wants_second": self._wants_second(part),
            }
            self._entering.enter(who.name, REVIEWED, about)

    def undo(self, who: Person) -> str | None:
        """Take back the last thing that this person said; the part's key, None where there is none. Raises
        NotAllowedError, StoreError, OSError."""
        who.check(Right.REVIEW)
        mine = select(REVIEWS.c.key).where(REVIEWS.c.who == who.name, ~REVIEWS.c.undone)
        with self._saying:
            with self._store.reading() as connection:
                last = mine.order_by(REVIEWS.c.at_us.desc()).limit(1)
                key: str | None = connection.execute(last).scalar_one_or_none()
            if key is None:
                return None
            part = self._part(key)
            about = {"part": key, "product": part.product, "wants_second": self._wants_second(part)}
            self._entering.enter(who.name, UNDONE, about)
        return key

    def leave(self, who: Person, key: str) -> None:
        """Leave a part to somebody else; this person gets it again only after a while. Raises NotAllowedError,
        OptionError, StoreError."""
        who.check(Right.REVIEW)
        self._part(key)
        values = {"holds": False, "until_us": self._clock() + _LEFT_US}
        with self._store.writing() as connection:
            left = insert_into(connection, LENT).values(key=key, who=who.name, **values)
            connection.execute(left.on_conflict_do_update(index_elements=["key", "who"], set_=values))

    def reviews_of(self, connection: Connection, key: str) -> list[PersonsReview]:
        """All that was said of a part, the newest first."""
        rows = connection.execute(select(REVIEWS).where(REVIEWS.c.key == key).order_by(REVIEWS.c.at_us.desc())).all()
        deciding = _deciding(views_of(connection, key))
        return [
            PersonsReview(
                row.who,
                Verdict(row.verdict),
                row.label,
                row.note,
                row.at_us,
                row.undone,
                on_views(kept_marks(row.marks), deciding),
                row.marks_hold,
            )
            for row in rows
        ]

    def taken_back(self, who: Person, key: str) -> tuple[DefectMark, ...]:
        """The marks that this person drew on a part in their last review, and took back since. Raises StoreError."""
        mine = select(REVIEWS.c.undone, REVIEWS.c.marks).where(REVIEWS.c.key == key, REVIEWS.c.who == who.name)
        with self._store.reading() as connection:
            last = connection.execute(mine.order_by(REVIEWS.c.at_us.desc()).limit(1)).one_or_none()
            deciding = _deciding(views_of(connection, key))
        return on_views(kept_marks(last.marks), deciding) if last is not None and last.undone else ()

    # ---- what is next ----

    def _wanted(self, connection: Connection, who: Person, product: str) -> tuple[str, Why] | None:
        """A part that others have reviewed."""
        mine = or_(WANTED.c.first_by == who.name, WANTED.c.second_by == who.name)
        wanted = select(WANTED.c.key, WANTED.c.state).where(
            WANTED.c.product == product, ~func.coalesce(mine, False), WANTED.c.key.not_in(_hidden_from(who))
        )
        row = connection.execute(wanted.order_by(WANTED.c.priority.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        return row.key, "third" if row.state == ReviewState.THIRD else "second"

    def _open(self, connection: Connection, who: Person, product: str) -> tuple[str, Why] | None:
        """A part that nobody has reviewed: the dearest, and each third time one of the sample."""
        free = and_(_is_open(product), PARTS.c.key.not_in(_hidden_from(who)))
        dearest = select(PARTS.c.key).where(free, PARTS.c.priority.is_not(None)).order_by(PARTS.c.priority.desc())
        by_cost = connection.execute(dearest.limit(1)).scalar_one_or_none()
        sampled = connection.execute(select(PARTS.c.key).where(free, PARTS.c.sampled.is_not(None))).scalars()
        by_number = min(sampled, key=lambda key: number_of(self._secret, key), default=None)
        said = select(func.count()).select_from(REVIEWS).where(REVIEWS.c.who == who.name)
        is_turn_of_sample = connection.execute(said).scalar_one() % _EACH == 0
        if by_number is not None and (is_turn_of_sample or by_cost is None):
            return by_number, "sample"
        return None if by_cost is None else (by_cost, "cost")

    # ---- entries ----

    def _wants_second(self, part: PartRow) -> bool:
        """Whether two people must agree on a part."""
        return wants_second(self._secret, part.key, self._settings_of(part.product).second_reviews)

    def _part(self, key: str) -> PartRow:
        with self._store.reading() as connection:
            part = find_part(connection, key)
        if part is None:
            raise OptionError("there is no such part.")
        return part

    def _views(self, key: str) -> tuple[ViewRow, ...]:
        with self._store.reading() as connection:
            return views_of(connection, key)

    def _reviewers(self, key: str) -> set[str]:
        with self._store.reading() as connection:
            return set(
                connection.execute(select(REVIEWS.c.who).where(REVIEWS.c.key == key, ~REVIEWS.c.undone)).scalars()
            )


def _deciding(views: Sequence[ViewRow]) -> int | None:
    return next((view.number for view in views if view.decides), None)


def _sizes(part: PartRow, views: Sequence[ViewRow]) -> Sizes:
    return {view.number: view.size_wh for view in views} if views else {None: part.size_wh}


def _is_open(product: str) -> ColumnElement[bool]:
    """Parts that wait for their first review."""
    return and_(
        PARTS.c.product == product,
        or_(PARTS.c.priority.is_not(None), PARTS.c.sampled.is_not(None)),
        PARTS.c.settled_verdict.is_(None),
        PARTS.c.key.not_in(select(WANTED.c.key)),
    )


def _hidden_from(who: Person) -> Select[tuple[str]]:
    """Parts that others look at, and those that this person left."""
    by_others, left = and_(LENT.c.who != who.name, LENT.c.holds), and_(LENT.c.who == who.name, ~LENT.c.holds)
    return select(LENT.c.key).where(or_(by_others, left))
