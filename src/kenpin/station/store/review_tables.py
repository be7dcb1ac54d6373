"""The tables of reviews: what people said of parts, which parts want another person, and who has which in hand."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, BigNumber, ShortText

REVIEWS = Table(
    "reviews",
    METADATA,
    Column("node", String, primary_key=True),  # with the number: its entry in the trail
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", String(32), nullable=False),  # of the part
    Column("who", ShortText, nullable=False),
    Column("verdict", String, nullable=False),
    Column("label", ShortText),
    Column("note", ShortText(2_000)),
    Column("marks", Text),  # where it is defective, as JSON; NULL: nobody drew
    Column("marks_hold", Boolean, nullable=False),  # whether they are the settled part's
    Column("at_us", BigNumber, nullable=False),
    Column("undone", Boolean, nullable=False),
    Index("reviews_of_part", "key"),
    Index("reviews_of_person", "who", "at_us"),
    info=FROM_FILES,
)

WANTED = Table(
    "wanted_reviews",
    METADATA,
    Column("key", String(32), primary_key=True),  # of a part that another person is to review
    Column("product", String, nullable=False),
    Column("state", String, nullable=False),  # `second` or `third`
    Column("priority", Float, nullable=False),
    Column("first_by", ShortText, nullable=False),
    Column("second_by", ShortText),
    Index("wanted_by_priority", "product", "priority"),
    info=FROM_FILES,
)

LENT = Table(
    "lent_parts",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("who", ShortText, primary_key=True),
    Column("holds", Boolean, nullable=False),  # who looks at it, so that others do not; else who left it to others
    Column("until_us", BigNumber, nullable=False),
)
