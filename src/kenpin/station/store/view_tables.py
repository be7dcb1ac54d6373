"""The table of views: the pictures of parts that are judged by several, by their contents."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Integer, String, Table

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
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("score", Float),  # of the first run that has one
    Column("map", ShortText),  # of the first run that drew one: its file below the folder of the records
    Column("decides", Boolean, nullable=False),  # whether its picture stands for the part
    info=FROM_FILES,
)
