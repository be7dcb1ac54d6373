"""The table of reference stretches: which parts of a version people chose for its control charts."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, BigNumber, ShortText

REFERENCE_STRETCHES = Table(
    "reference_stretches",
    METADATA,
    Column("product", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1; of a version the last one holds
    Column("version", Integer, nullable=False),
    Column("from_us", BigNumber),  # NULL, as `to_us`: from now on the beginning of the version again
    Column("to_us", BigNumber),
    Column("who", ShortText, nullable=False),
    Column("at_us", BigNumber, nullable=False),
    Column("reason", ShortText(1000), nullable=False),
    info=FROM_FILES,
)
