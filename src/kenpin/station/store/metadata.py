"""The one list of all tables in the store."""

from sqlalchemy import MetaData

METADATA = MetaData()
