"""Addresses of stores: which databases can be one, and how an address is told without its password."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from kenpin.errors import OptionError
from kenpin.station.folder import StationFolder

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def default_address(folder: StationFolder) -> URL:
    """The SQLite database in a station's folder."""
    return URL.create("sqlite", database=str(folder.store.absolute()))


def read_address(text: str) -> URL:
    """The address that an operator wrote. Raises OptionError, whose message holds no password."""
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):  # the causes quote what may be a part of the password
        raise OptionError(_remedy("is no URL")) from None
    if address.drivername == "sqlite":
        if address.database in (None, "", ":memory:"):
            raise OptionError("store: names no file; write sqlite:////folder/store.sqlite.")
        return address
    if address.drivername not in _POSTGRESQL:
        raise OptionError(_remedy("is neither SQLite nor PostgreSQL"))
    if not address.database:
        raise OptionError(_remedy("names no database"))
    if "@" in f"{address.host}{address.database}":  # behind the first of two, a password's end is taken for the server
        raise OptionError(_remedy("has an @ too many"))
    return address.set(drivername="postgresql+psycopg")


def told(address: URL) -> str:
    """An address for messages: a file's path, or server and database without the password."""
    if address.drivername == "sqlite":
        return str(Path(address.database or ""))
    port = "" if address.port is None else f":{address.port}"
    return f"postgresql://{address.host or ''}{port}/{address.database}"


def _remedy(what: str) -> str:
    return (
        f"store: its address {what}; write postgresql://user:password@server/database, with %40, %3A and %2F for @, : "
        "and / in a password, or sqlite:////folder/store.sqlite."
    )
