"""What the store knows of a product's parts, for the line of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from kenpin.inspection.record import PartKey, PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import JournalName
from kenpin.station.store.applying import Needs, no_needs
from kenpin.station.store.claims import claim
from kenpin.station.store.following import Follower
from kenpin.station.store.full_records import read_record
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS, key_of


class NodeParts:
    """The parts of a product, as one node sees and claims them; for any thread."""

    def __init__(self, store: Store, folder: StationFolder, node: str, product: str, needs: Needs = no_needs) -> None:
        """needs: tells which parts people are to review. `Follower.take_up` of the node comes first."""
        self._store, self._folder, self._node, self._product = store, folder, node, product
        self._follower = Follower(store, folder, needs)

    def find(self, keys: Sequence[PartKey]) -> Mapping[PartKey, PartRecord]:
        """The records of those parts that have one, by any version and any node. Raises StoreError, RunError."""
        named = {key_of(self._product, key): key for key in keys}
        asked = select(PARTS.c.key, PARTS.c.node, PARTS.c.version, PARTS.c.offset_bytes).where(PARTS.c.key.in_(named))
        with self._store.reading() as connection:
            rows = connection.execute(asked).all()
        return {
            named[row.key]: read_record(
                self._folder, JournalName(row.node, self._product, row.version), row.offset_bytes, row.key
            )
            for row in rows
        }

    def claim(self, keys: Sequence[PartKey]) -> Sequence[PartKey]:
        """Claim parts for this node, and return those that it may not judge: another one has claimed them, or has
        recorded them since they were looked for. Raises StoreError."""
        if not keys:
            return []
        named = {key_of(self._product, key): key for key in keys}
        with self._store.writing() as connection:
            refused = claim(connection, named, self._node)
        return [part for key, part in named.items() if key in refused]

    def follow(self) -> None:
        """Take up what was added to this node's journals, which ends its claims. Raises StoreError, RunError."""
        self._follower.journals(self._node, self._product)
