"""The views of parts that are judged by several pictures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table; parts of several pictures were refused until now, so that none is to be filled in."""
    op.create_table(
        "part_views",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("picture_hash", sa.String, nullable=False),
        sa.Column("width_px", sa.Integer),
        sa.Column("height_px", sa.Integer),
        sa.Column("score", sa.Float),
        sa.Column("map", sa.Text),
        sa.Column("decides", sa.Boolean, nullable=False),
    )
