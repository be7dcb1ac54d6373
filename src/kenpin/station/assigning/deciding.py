"""Decisions about parts that no version judged: of which product they are; then that product's people review them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.station.folder import NO_VERSION
from kenpin.station.store.entering import Entering
from kenpin.station.store.opening import Store
from kenpin.station.store.queries import find_part
from kenpin.station.who.rights import Person, Right

ASSIGNED = "part-assigned"


class Assigning:
    """Parts assigned to products, on a node of a station; for any thread."""

    def __init__(self, store: Store, entering: Entering, products: Callable[[], Collection[str]]) -> None:
        """products: those that there are, without the one where parts wait."""
        self._store, self._entering, self._products = store, entering, products
        self._deciding = Lock()

    def assign(self, who: Person, key: str, product: str) -> None:
        """Say of which product a part is that came without one; as long as nobody has settled it, it can be said again.
        Raises NotAllowedError, OptionError, StoreError, OSError."""
        who.check(Right.REVIEW)
        known = self._products()
        if product not in known:
            raise OptionError(f"product {product!r:.60}: is not known; {did_you_mean(product, [*known])}")
        with self._deciding:
            with self._store.reading() as connection:
                part = find_part(connection, key)
            if part is None:
                raise OptionError("there is no such part.")
            if part.version != NO_VERSION:
                raise OptionError(f"{part.id}: was judged as {part.product}; only a part that came without a product "
                                  "and is near none is assigned to one.")  # fmt: skip
            if part.settled_verdict is not None:
                raise OptionError(f"{part.id}: people have settled it as {part.product}; undo that first.")
            about = {"part": key, "id": part.id, "picture": part.picture_hash, "from": part.product, "product": product}
            self._entering.enter(who.name, ASSIGNED, about)
