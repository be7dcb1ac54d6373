"""The store: tables that are filled from the station's files, and asked by its pages, sinks and queues."""

from importlib.util import find_spec

from kenpin.errors import MissingExtraError
from kenpin.installing import installing

for _package in ("sqlalchemy", "alembic"):
    if find_spec(_package) is None:
        raise MissingExtraError(f"a station needs {_package}: {installing('station')}")
