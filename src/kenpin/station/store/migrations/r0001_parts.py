"""Parts with their tallies, lots, reviewers and claims, and the files that were followed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "followed",
        sa.Column("file", sa.String, primary_key=True),
        sa.Column("offset_bytes", _NUMBER, nullable=False),
        sa.Column("lines", _NUMBER, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
    )
    op.create_table(
        "parts",
        sa.Column("seq", _NUMBER, primary_key=True),
        sa.Column("key", sa.String(32), nullable=False, unique=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("picture_hash", sa.String, nullable=False),
        sa.Column("lot", sa.Text),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("offset_bytes", _NUMBER, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("distance", sa.Float),
        sa.Column("brightness", sa.Float),
        sa.Column("contrast", sa.Float),
        sa.Column("sharpness", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("has_map", sa.Boolean, nullable=False),
        sa.Column("judged_us", _NUMBER, nullable=False),
        sa.Column("latency_s", sa.Float, nullable=False),
        sa.Column("picture_bytes", _NUMBER, nullable=False),
        sa.Column("width_px", sa.Integer),
        sa.Column("height_px", sa.Integer),
        sa.Column("priority", sa.Float),
        sa.Column("sampled", sa.Float),
        sa.Column("settled_verdict", sa.String),
        sa.Column("settled_label", sa.Text),
        sqlite_autoincrement=True,
    )
    filtered = ["product", "verdict", "score", "version", "settled_verdict"]
    op.create_index("parts_by_time", "parts", ["judged_us", "seq", *filtered])
    op.create_index("parts_by_lot", "parts", ["lot", "judged_us", "seq", *filtered, "label"])
    op.create_index("parts_by_label", "parts", ["label", "judged_us", "seq", *filtered, "lot"])
    op.create_index("parts_by_id", "parts", ["id", "content"])
    drawn = sa.text("sampled IS NOT NULL")
    op.create_index(
        "parts_drawn",
        "parts",
        ["product", "judged_us", "lot", "verdict", "version", "sampled", "settled_verdict", "key"],
        sqlite_where=drawn,
        postgresql_where=drawn,
    )
    waits = sa.text("settled_verdict IS NULL AND (priority IS NOT NULL OR sampled IS NOT NULL)")
    op.create_index(
        "parts_to_review",
        "parts",
        ["product", "priority", "sampled", "key", "settled_verdict"],
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_table(
        "tallies",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lot", sa.Text, primary_key=True),
        sa.Column("verdict", sa.String, primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("settled_verdict", sa.String, primary_key=True),
        sa.Column("parts", _NUMBER, nullable=False),
    )
    op.create_table(
        "lots",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("lot", sa.Text, primary_key=True),
        sa.Column("passes", _NUMBER, nullable=False),
        sa.Column("fails", _NUMBER, nullable=False),
        sa.Column("reviews", _NUMBER, nullable=False),
        sa.Column("first_us", _NUMBER, nullable=False),
        sa.Column("last_us", _NUMBER, nullable=False),
    )
    op.create_table(
        "reviewers",
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("judged_us", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("seq", _NUMBER, sa.ForeignKey("parts.seq"), primary_key=True, autoincrement=False),
        sa.Column("product", sa.String, nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("claimed_us", _NUMBER, nullable=False),
    )
    op.create_table(
        "former_numbers",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("seq", _NUMBER, nullable=False),
    )
