"""What the store knows of a product's parts, for the line of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kenpin.inspection.journal import Appended
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import JournalName
from kenpin.station.store.applying import Needs, no_needs
from kenpin.station.store.claims import are, claim
from kenpin.station.store.following import Follower
from kenpin.station.store.full_records import read_record
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS


@dataclass(frozen=True, slots=True)
class Claimed:
    """Parts that a node wants to judge."""

    records: Mapping[PartKey, PartRecord]
    """Of those that have one."""
    refused: frozenset[PartKey]
    """Those that another node has claimed and not yet recorded."""


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

    def claim(self, keys: Sequence[PartKey]) -> Claimed:
        """Claim parts for this node, but for those that any version and any node has recorded. Raises StoreError,
        RunError."""
        if not keys:
            return Claimed({}, frozenset())
        with self._store.writing() as connection:
            found, refused = claim(connection, keys, self._node, self._known_as, self._product)
        records = {
            key: read_record(
                self._folder, JournalName.of(one.node, one.product, one.version), one.offset_bytes, one.key
            )
            for key, one in found.items()
        }
        return Claimed(records, frozenset(refused))

    def follow(self, appended: Appended | None = None) -> None:
        """Take up what was added to this node's journals, which ends its claims. appended: all of it, where that is
        known. Raises StoreError, RunError."""
        if appended is None or not self._follower.appended(appended):
            self._follower.journals(self._node, self._known_as)


def product_of(connection: Connection, part: PartKey) -> str | None:
    """The product that a part stands under, of several the first; None where it is not in the store."""
    wanted = select(PARTS.c.product).where(are([part], None)).order_by(PARTS.c.seq).limit(1)
    found: str | None = connection.execute(wanted).scalar_one_or_none()
    return found
