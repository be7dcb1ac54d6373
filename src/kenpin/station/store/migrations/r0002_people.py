"""Versions and their references, reviews, accounts, sessions and tokens, events, how far sinks and sources came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "account",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("name_key", sa.String(64), nullable=False, unique=True),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("language", sa.String(8)),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "failed_try",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("locked_until_us", sa.BigInteger, nullable=False),
    )
    op.create_index("failed_try_by_time", "failed_try", ["last_us"])
    op.create_table(
        "first_link",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lent_parts",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("holds", sa.Boolean, nullable=False),
        sa.Column("until_us", _NUMBER, nullable=False),
    )
    op.create_table(
        "machine_token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("name_key", sa.String(64), nullable=False, unique=True),
        sa.Column("rights", sa.String(200), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(80), nullable=False),
        sa.Column("used_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
    )
    op.create_table(
        "reviews",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("marks", sa.Text),
        sa.Column("marks_hold", sa.Boolean, nullable=False),
        sa.Column("at_us", _NUMBER, nullable=False),
        sa.Column("undone", sa.Boolean, nullable=False),
    )
    op.create_index("reviews_of_part", "reviews", ["key"])
    op.create_index("reviews_of_person", "reviews", ["who", "at_us"])
    op.create_table(
        "sink_asides",
        sa.Column("sink", sa.String(40), primary_key=True),
        sa.Column("node", sa.String(40), primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("part", sa.String(32), nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("aside_us", sa.BigInteger, nullable=False),
        sa.Column("again", sa.Boolean, nullable=False),
    )
    op.create_index("sink_asides_by_part", "sink_asides", ["sink", "node", "part"])
    op.create_table(
        "sink_cursors",
        sa.Column("sink", sa.String(40), primary_key=True),
        sa.Column("node", sa.String(40), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("moved_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "source_files",
        sa.Column("source", sa.String(40), primary_key=True),
        sa.Column("node", sa.String(40), primary_key=True),
        sa.Column("file", sa.String(32), primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "reference_stretches",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("from_us", _NUMBER),
        sa.Column("to_us", _NUMBER),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at_us", _NUMBER, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at_us", _NUMBER, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "versions",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("installed_us", _NUMBER, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_us", _NUMBER),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "wanted_reviews",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("priority", sa.Float, nullable=False),
        sa.Column("first_by", sa.Text, nullable=False),
        sa.Column("second_by", sa.Text),
    )
    op.create_index("wanted_by_priority", "wanted_reviews", ["product", "priority"])
    op.create_table(
        "known_browser",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
    )
    op.create_index("known_browser_of_account", "known_browser", ["account_id"])
    op.create_table(
        "account_link",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("account.id"), primary_key=True, autoincrement=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("confirmed_us", sa.BigInteger, nullable=False),
        sa.Column("idle_us", sa.BigInteger, nullable=False),
        sa.Column("ends_us", sa.BigInteger, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("browser", sa.String(200), nullable=False),
    )
    op.create_index("session_of_account", "session", ["account_id"])
    op.create_table(
        "events",
        sa.Column("position", _NUMBER, primary_key=True),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("source", sa.String(80), nullable=False, unique=True),
        sa.Column("key", sa.String(32)),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String),
        sa.Column("label", sa.Text),
        sa.Column("at_us", _NUMBER, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_node", "events", ["node", "position"])
