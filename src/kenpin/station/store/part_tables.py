"""The tables of parts: one row each, their tallies and lots, who reviewed them, and claims."""

from __future__ import annotations

import hashlib

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table

from kenpin.inspection.record import PartKey
from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, BigNumber, ShortText

NONE = ""
"""What stands in a tally for a part without a lot, without a label, or that nobody has settled."""
REASON_LETTERS = 500

PARTS = Table(
    "parts",
    METADATA,
    Column("seq", BigNumber, primary_key=True),  # grows with each part and is never used again
    Column("key", String(32), nullable=False, unique=True),  # of `key_of`: the same after a rebuild
    Column("product", String, nullable=False),
    Column("id", ShortText, nullable=False),
    Column("content", ShortText, nullable=False),  # second of its `PartKey`
    Column("picture_hash", String, nullable=False),  # empty where it could not be read
    Column("lot", ShortText),
    Column("node", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("offset_bytes", BigNumber, nullable=False),  # of its line in the journal
    Column("verdict", String, nullable=False),
    Column("label", ShortText),
    Column("score", Float),  # of the first run that has one
    Column("distance", Float),
    Column("brightness", Float),  # of its picture, as contrast and sharpness: of `PictureLook`
    Column("contrast", Float),
    Column("sharpness", Float),
    Column("reason", ShortText(REASON_LETTERS), nullable=False),
    Column("has_map", Boolean, nullable=False),
    Column("judged_us", BigNumber, nullable=False),
    Column("latency_s", Float, nullable=False),
    Column("picture_bytes", BigNumber, nullable=False),
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("priority", Float),  # in the queue of reviews; NULL: it is not in it
    Column("sampled", Float),  # chance with which it was drawn for review; NULL: it was not drawn
    Column("settled_verdict", String),  # of people
    Column("settled_label", ShortText),
    sqlite_autoincrement=True,
    info=FROM_FILES,
)

TALLIES = Table(
    "tallies",
    METADATA,
    Column("product", String, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),  # since 1970
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("lot", ShortText, primary_key=True),
    Column("verdict", String, primary_key=True),
    Column("label", ShortText, primary_key=True),
    Column("settled_verdict", String, primary_key=True),
    Column("parts", BigNumber, nullable=False),
    info=FROM_FILES,
)

LOTS = Table(
    "lots",
    METADATA,
    Column("product", String, primary_key=True),
    Column("lot", ShortText, primary_key=True),
    Column("passes", BigNumber, nullable=False),
    Column("fails", BigNumber, nullable=False),
    Column("reviews", BigNumber, nullable=False),
    Column("first_us", BigNumber, nullable=False),
    Column("last_us", BigNumber, nullable=False),
    info=FROM_FILES,
)

REVIEWERS = Table(
    "reviewers",
    METADATA,
    Column("who", ShortText, primary_key=True),
    Column("judged_us", BigNumber, primary_key=True, autoincrement=False),
    Column("seq", BigNumber, ForeignKey(PARTS.c.seq), primary_key=True, autoincrement=False),
    Column("product", String, nullable=False),
    info=FROM_FILES,
)

CLAIMS = Table(
    "claims",
    METADATA,
    Column("key", String(32), primary_key=True),  # of the part in its product, or of `key_of_any`
    Column("node", String, nullable=False),
    Column("claimed_us", BigNumber, nullable=False),
)

FORMER = Table(
    "former_numbers",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("seq", BigNumber, nullable=False),
)
"""Numbers of parts while a rebuild adds them again."""

# Lists are in these orders. Each further column saves looking at the rows of parts that a filter leaves out: a million
# entries are read in a fraction of the time that as many rows take.
_FILTERED = ("product", "verdict", "score", "version", "settled_verdict")
Index("parts_by_time", *(PARTS.c[name] for name in ("judged_us", "seq", *_FILTERED)))
Index("parts_by_lot", *(PARTS.c[name] for name in ("lot", "judged_us", "seq", *_FILTERED, "label")))
Index("parts_by_label", *(PARTS.c[name] for name in ("label", "judged_us", "seq", *_FILTERED, "lot")))
Index("parts_by_id", PARTS.c.id, PARTS.c.content)
_drawn = PARTS.c.sampled.is_not(None)
Index(
    "parts_drawn",  # few, and each rate is counted from all of them
    *(PARTS.c[name] for name in ("product", "judged_us", "lot", "verdict", "version", "sampled", "settled_verdict")),
    PARTS.c.key,
    sqlite_where=_drawn,
    postgresql_where=_drawn,
)
_waits = PARTS.c.settled_verdict.is_(None) & (PARTS.c.priority.is_not(None) | PARTS.c.sampled.is_not(None))
Index(
    "parts_to_review",
    *(PARTS.c[name] for name in ("product", "priority", "sampled", "key", "settled_verdict")),
    sqlite_where=_waits,
    postgresql_where=_waits,
)


def key_of(product: str, part: PartKey) -> str:
    """The name of a part in the store: 32 hexadecimal digits of its product, id and content, which no rebuild changes.
    Addresses and entries of the trail name a part by it."""
    text = "\0".join((product, part[1], part[0]))  # neither a product nor a content has a zero
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def key_of_any(part: PartKey) -> str:
    """The name by which a part is claimed whatever its product is, where the station chooses products."""
    return key_of("", part)
