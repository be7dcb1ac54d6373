"""The table of views: the pictures of parts that are judged by several, by their contents."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.tables import FROM_FILES, ShortText

VIEWS = Table(
    "part_views",
    METADATA,
    Column("key", String(32), primary_key=True),  # of the part
    Column("number", Integer, primary_key=True, autoincrement=False),  # its place among the record's views, from 0
    Column("name", ShortText),  # NULL: its picture names no view
    Column("id", ShortText, nullable=False),  # of its picture
    Column("picture_hash", String, nullable=False),  # empty where it could not be read
    info=FROM_FILES,
)
