"""Tables of accounts, their sessions and browsers, machine tokens, failed tries and links to accounts.

Of secrets they hold hashes alone. Times are whole microseconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from kenpin.station.store.metadata import METADATA

_HASH = String(64)

accounts = Table(
    "account",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(64), nullable=False, unique=True),  # the name without regard to case
    Column("display_name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("language", String(8)),
    Column("disabled", Boolean, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)
sessions = Table(
    "session",
    METADATA,
    Column("token_hash", _HASH, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("confirmed_us", BigInteger, nullable=False),  # when its person typed their password last
    Column("idle_us", BigInteger, nullable=False),  # it ends so long after it was seen last
    Column("ends_us", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Column("browser", String(200), nullable=False),
    Index("session_of_account", "account_id"),
)
known_browsers = Table(
    "known_browser",
    METADATA,
    Column("token_hash", _HASH, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Index("known_browser_of_account", "account_id"),
)
machine_tokens = Table(
    "machine_token",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(64), nullable=False, unique=True),
    Column("rights", String(200), nullable=False),  # divided by blanks
    Column("token_hash", _HASH, nullable=False, unique=True),
    Column("made_us", BigInteger, nullable=False),
    Column("made_by", String(80), nullable=False),
    Column("used_us", BigInteger),
    Column("revoked_us", BigInteger),
)
failed_tries = Table(
    "failed_try",
    METADATA,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("locked_until_us", BigInteger, nullable=False),
    Index("failed_try_by_time", "last_us"),
)
account_links = Table(
    "account_link",
    METADATA,
    Column("account_id", Integer, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("token_hash", _HASH, nullable=False, unique=True),
    Column("expires_us", BigInteger, nullable=False),
)
first_links = Table(
    "first_link",
    METADATA,
    Column("token_hash", _HASH, primary_key=True),
    Column("expires_us", BigInteger, nullable=False),
)
