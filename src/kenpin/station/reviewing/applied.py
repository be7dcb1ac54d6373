"""What the trail's entries about reviews mean for the store."""

from __future__ import annotations

import json

from sqlalchemy import Connection, and_, delete, insert, select, update

from kenpin.records import Verdict
from kenpin.station.drawing_key import drawing_key
from kenpin.station.folder import StationFolder
from kenpin.station.reviewing.needs import ReviewNeeds
from kenpin.station.reviewing.settling import Review, ReviewOutcome, ReviewState, outcome
from kenpin.station.settings import StationSettings
from kenpin.station.store.adding import note_reviewer, settle
from kenpin.station.store.applying import Needs, applies, fills_no_rows, tells_needs
from kenpin.station.store.event_tables import note_reviewed
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.review_tables import LENT, REVIEWS, WANTED
from kenpin.station.store.tables import insert_into, micros_of
from kenpin.station.trail import Entry

REVIEWED, UNDONE, RULES_TOLD = "part-reviewed", "review-undone", "review-rules-told"

fills_no_rows(RULES_TOLD)  # the settings are at hand; who reads the trail has to know what held when


@tells_needs
def review_needs(folder: StationFolder, settings: StationSettings) -> Needs:
    """By cost, and by the station's own draw."""
    return ReviewNeeds(settings.products, drawing_key(folder))


@applies(REVIEWED)
def part_reviewed(connection: Connection, entry: Entry) -> None:
    """A person said what a part is; what they said of it before counts no longer."""
    about = entry.about
    key = about["part"]
    mine = (REVIEWS.c.key == key) & (REVIEWS.c.who == entry.who)
    connection.execute(update(REVIEWS).where(mine).values(undone=True))
    connection.execute(
        insert(REVIEWS).values(
            node=entry.node,
            number=entry.number,
            key=key,
            who=entry.who,
            verdict=about["verdict"],
            label=about["label"],
            note=about["note"],
            marks=json.dumps(marks, separators=(",", ":")) if (marks := about["marks"]) else None,
            marks_hold=False,
            at_us=micros_of(entry.at),
            undone=False,
        )
    )
    connection.execute(delete(LENT).where(LENT.c.key == key))
    if _take_up(connection, key, wants_second=about["wants_second"]):
        note_reviewer(connection, key, entry.who)
        at_us = micros_of(entry.at)
        note_reviewed(connection, (entry.node, entry.number), key, about["verdict"], about["label"], at_us)


@applies(UNDONE)
def review_undone(connection: Connection, entry: Entry) -> None:
    """What a person said of a part counts no longer."""
    key = entry.about["part"]
    mine = (REVIEWS.c.key == key) & (REVIEWS.c.who == entry.who)
    connection.execute(update(REVIEWS).where(mine).values(undone=True))
    if _take_up(connection, key, wants_second=entry.about["wants_second"]):
        note_reviewer(connection, key, entry.who, reviewed=False)


def _take_up(connection: Connection, key: str, *, wants_second: bool) -> bool:
    """Settle the part by all reviews that count, or want another person; False where there is no such part."""
    counting = select(REVIEWS).where(REVIEWS.c.key == key, ~REVIEWS.c.undone)
    rows = connection.execute(counting.order_by(REVIEWS.c.at_us, REVIEWS.c.node, REVIEWS.c.number)).all()
    reviews = [Review(row.who, Verdict(row.verdict), row.label, row.marks is not None) for row in rows]
    found = outcome(reviews, wants_second=wants_second)
    holds = False if found.drawn_by is None else and_(REVIEWS.c.who == found.drawn_by, ~REVIEWS.c.undone)
    connection.execute(update(REVIEWS).where(REVIEWS.c.key == key).values(marks_hold=holds))
    is_there = settle(connection, key, found.verdict, found.label)
    _want(connection, key, reviews, found)
    return is_there


def _want(connection: Connection, key: str, reviews: list[Review], found: ReviewOutcome) -> None:
    connection.execute(delete(WANTED).where(WANTED.c.key == key))
    if found.state not in (ReviewState.SECOND, ReviewState.THIRD):
        return
    part = connection.execute(select(PARTS.c.product, PARTS.c.priority).where(PARTS.c.key == key)).one_or_none()
    if part is None:
        return
    connection.execute(
        insert_into(connection, WANTED).values(
            key=key,
            product=part.product,
            state=found.state,
            priority=part.priority or 0.0,
            first_by=reviews[0].who,
            second_by=reviews[1].who if len(reviews) > 1 else None,
        )
    )
