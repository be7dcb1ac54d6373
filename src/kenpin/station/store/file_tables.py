"""The table of the files that the store follows: how far each was read."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, BigNumber

FOLLOWED = Table(
    "followed",
    METADATA,
    Column("file", String, primary_key=True),  # below the station's folder, with /
    Column("offset_bytes", BigNumber, nullable=False),
    Column("lines", BigNumber, nullable=False),
    Column("digest", String, nullable=False),  # of what stands before, as `kenpin.chained.Mark` has it
    info=FROM_FILES,
)
