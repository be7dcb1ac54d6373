"""Migrations: a store is brought to the tables of this kenpin, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision
from sqlalchemy import Connection, inspect

from kenpin.station.store.tables import all_tables

SCHEMA_TABLE = "kenpin_schema"
"""Holds the store's revision; `alembic_version` may be another program's in the same database."""


class MigrationError(Exception):
    """Why a database cannot become a store, the end of a sentence that names it."""


def is_current(connection: Connection) -> bool:
    """Whether the store has the tables of this kenpin. Raises MigrationError where it is of a newer one."""
    heads = MigrationContext.configure(connection, opts={"version_table": SCHEMA_TABLE}).get_current_heads()
    unknown = set(heads) - {*revisions()}
    if unknown:
        raise MigrationError(
            f"was written by a newer kenpin (its schema is {min(unknown)}, this one knows up to {revisions()[-1]}); "
            "use that kenpin, or name another store."
        )
    return set(heads) == set(_scripts().get_heads())


def migrate(connection: Connection, to: str = "heads") -> None:
    """Bring the store to a revision, by default the newest, within the connection's transaction. Raises
    MigrationError."""
    if is_current(connection):
        return
    inspector = inspect(connection)
    if not inspector.has_table(SCHEMA_TABLE):
        foreign = sorted(set(inspector.get_table_names()) & set(all_tables().tables))
        if foreign or (connection.dialect.name == "sqlite" and inspector.get_table_names()):
            names = ", ".join(foreign or sorted(inspector.get_table_names())[:3])
            raise MigrationError(f"holds tables of another program ({names}); name another store.")
    scripts = _scripts()

    def upgrades(revision: Any, _: object) -> Sequence[object]:
        return scripts._upgrade_revs(to, revision)  # as alembic's own documentation has it

    context = MigrationContext.configure(connection, opts={"version_table": SCHEMA_TABLE, "fn": upgrades})
    with Operations.context(context):
        context.run_migrations()


def revisions() -> list[str]:
    """All revisions, from the first to the newest."""
    return [one.revision for one in reversed([*_scripts().walk_revisions()]) if isinstance(one, Revision)]


@cache
def _scripts() -> ScriptDirectory:
    folder = Path(__file__).with_name("migrations")
    return ScriptDirectory(str(folder), version_locations=[str(folder)])
