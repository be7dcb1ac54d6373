"""Migrations lead from every revision to the tables of this kenpin, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from kenpin.station.store.addresses import read_address
from kenpin.station.store.migrating import SCHEMA_TABLE, is_current, migrate, revisions
from kenpin.station.store.opening import Store, _engine
from kenpin.station.store.tables import all_tables, is_postgresql

_OF_POSTGRESQL = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity FROM "
    "information_schema.columns WHERE table_schema = 'public'",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace",
)


def _schema(connection: Connection) -> list[Any]:
    """All that the database knows of its tables, but for the order of columns."""
    if is_postgresql(connection):
        found = [tuple(row) for statement in _OF_POSTGRESQL for row in connection.execute(text(statement))]
    else:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        found = [(name, *sorted(line.strip(" ,\t") for line in sql.splitlines())) for name, sql in rows]
    return sorted((one for one in found if not str(one[0]).startswith(SCHEMA_TABLE)), key=repr)


@pytest.fixture
def engine(address: str) -> Any:
    """Connections to an empty database."""
    made = _engine(read_address(address))
    yield made
    made.dispose()


@pytest.fixture
def wanted(engine: Engine) -> list[Any]:
    """The schema that the tables ask for; the database is empty again."""
    with engine.connect() as connection, connection.begin() as transaction:
        all_tables().create_all(connection)
        schema = _schema(connection)
        transaction.rollback()
    return schema


@pytest.mark.parametrize("revision", revisions())
def test_each_revision_leads_to_the_tables(engine: Engine, wanted: list[Any], revision: str) -> None:
    assert wanted
    with engine.begin() as connection:
        assert _schema(connection) == []
        migrate(connection, revision)
    with engine.begin() as connection:
        migrate(connection)
        assert is_current(connection)
        assert _schema(connection) == wanted, "tables and migrations differ"


def test_a_migration_that_fails_leaves_what_was_there(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run = MigrationContext.run_migrations

    def fails(context: MigrationContext, **values: Any) -> None:
        run(context, **values)
        raise ZeroDivisionError

    monkeypatch.setattr(MigrationContext, "run_migrations", fails)
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        migrate(connection)
    with engine.begin() as connection:
        assert _schema(connection) == []
        assert not is_current(connection)


def test_an_open_store_is_current(store: Store) -> None:
    with store.reading() as connection:
        assert is_current(connection)
