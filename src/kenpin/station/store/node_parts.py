"""What the store knows of a product's parts, for the line of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from kenpin.inspection.record import PartKey, PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import JournalName
from kenpin.station.store.applying import Needs, no_needs
from kenpin.station.store.claims import are, claim, stored
from kenpin.station.store.following import Follower
from kenpin.station.store.full_records import read_record
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS


class NodeParts:
    """The parts of a product, as one node sees and claims them; for any thread."""

    def __init__(
        self,
        store: Store,
        folder: StationFolder,
        node: str,
        product: str,
        needs: Needs = no_needs,
        *,
        of_any: bool = False,
    ) -> None:
        """needs: tells which parts people are to review; of_any: whether a part is known whatever the product is that
        it is recorded as, as where the station chooses products. `Follower.take_up` of the node comes first."""
        self._store, self._folder, self._node, self._product = store, folder, node, product
        self._follower = Follower(store, folder, needs)
        self._known_as = None if of_any else product

    def find(self, keys: Sequence[PartKey]) -> Mapping[PartKey, PartRecord]:
        """The records of those parts that have one, by any version and any node. Raises StoreError, RunError."""
        columns = (PARTS.c[name] for name in ("key", "id", "content", "product", "node", "version", "offset_bytes"))
        # the last one stays: of its own product, else the first that was recorded
        order = (PARTS.c.product == self._product, PARTS.c.seq.desc())
        wanted = select(*columns).where(are(keys, self._known_as)).order_by(*order)
        with self._store.reading() as connection:
            rows = {(row.id, row.content): row for row in connection.execute(wanted)}
        return {
            key: read_record(
                self._folder, JournalName.of(row.node, row.product, row.version), row.offset_bytes, row.key
            )
            for key in keys
            if (row := rows.get(stored(key))) is not None
        }

    def claim(self, keys: Sequence[PartKey]) -> Sequence[PartKey]:
        """Claim parts for this node, and return those that it may not judge: another one has claimed them, or has
        recorded them since they were looked for. Raises StoreError."""
        if not keys:
            return []
        with self._store.writing() as connection:
            refused = claim(connection, keys, self._node, self._known_as)
        return [key for key in keys if key in refused]

    def follow(self) -> None:
        """Take up what was added to this node's journals, which ends its claims. Raises StoreError, RunError."""
        self._follower.journals(self._node, self._known_as)


def product_of(connection: Connection, part: PartKey) -> str | None:
    """The product that a part stands under, of several the first; None where it is not in the store."""
    wanted = select(PARTS.c.product).where(are([part], None)).order_by(PARTS.c.seq).limit(1)
    found: str | None = connection.execute(wanted).scalar_one_or_none()
    return found
