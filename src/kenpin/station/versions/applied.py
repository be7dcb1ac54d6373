"""What the trail's entries about versions mean for the store."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from kenpin.station.store.applying import applies
from kenpin.station.store.event_tables import note_switched
from kenpin.station.store.tables import insert_into, micros_of
from kenpin.station.store.version_tables import SWITCHES, VERSIONS
from kenpin.station.trail import Entry
from kenpin.station.versions.deciding import APPROVED, INSTALLED, REJECTED, SWITCHED, VersionState


@applies(INSTALLED)
def version_installed(connection: Connection, entry: Entry) -> None:
    """A version that waits for a decision; one of this number that another node installed at the same time stays."""
    row = insert_into(connection, VERSIONS).values(
        product=entry.about["product"],
        version=entry.about["version"],
        origin=entry.about["origin"],
        asked_by=entry.who,
        installed_us=micros_of(entry.at),
        state=VersionState.WAITING,
    )
    connection.execute(row.on_conflict_do_nothing())


@applies(APPROVED)
def version_approved(connection: Connection, entry: Entry) -> None:
    """A person lets it judge."""
    _decide(connection, entry, VersionState.APPROVED)


@applies(REJECTED)
def version_rejected(connection: Connection, entry: Entry) -> None:
    """A person refuses it."""
    _decide(connection, entry, VersionState.REJECTED)


@applies(SWITCHED)
def version_switched(connection: Connection, entry: Entry) -> None:
    """From now on it judges."""
    product = entry.about["product"]
    last = select(func.coalesce(func.max(SWITCHES.c.number), 0)).where(SWITCHES.c.product == product)
    connection.execute(
        insert(SWITCHES).values(
            product=product,
            number=connection.execute(last).scalar_one() + 1,
            version=entry.about["version"],
            who=entry.who,
            at_us=micros_of(entry.at),
            reason=entry.about["reason"],
        )
    )
    source = (entry.node, entry.number)
    note_switched(connection, source, product, entry.about["version"], micros_of(entry.at))


def _decide(connection: Connection, entry: Entry, state: VersionState) -> None:
    of_this = (VERSIONS.c.product == entry.about["product"]) & (VERSIONS.c.version == entry.about["version"])
    connection.execute(
        update(VERSIONS)
        .where(of_this)
        .values(state=state, decided_by=entry.who, decided_us=micros_of(entry.at), reason=entry.about["reason"])
    )
