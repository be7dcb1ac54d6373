"""The tables of versions: how each came to be, who decided about it, and which one judges."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, BigNumber, ShortText

VERSIONS = Table(
    "versions",
    METADATA,
    Column("product", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("origin", ShortText, nullable=False),  # how it came to be, in words
    Column("asked_by", ShortText, nullable=False),
    Column("installed_us", BigNumber, nullable=False),
    Column("state", String, nullable=False),  # a `VersionState`
    Column("decided_by", ShortText),
    Column("decided_us", BigNumber),
    Column("reason", ShortText(1000)),
    info=FROM_FILES,
)

SWITCHES = Table(
    "switches",
    METADATA,
    Column("product", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("version", Integer, nullable=False),
    Column("who", ShortText, nullable=False),
    Column("at_us", BigNumber, nullable=False),
    Column("reason", ShortText(1000)),
    info=FROM_FILES,
)
