"""Which parts people are to review: those whose verdict may cost most, and a random sample of all."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.inspection.record import PartRecord, part_key
from kenpin.records import Verdict
from kenpin.station.reviewing.priority import expected_cost
from kenpin.station.reviewing.sampling import number_of
from kenpin.station.settings import ProductSettings
from kenpin.station.store.applying import ReviewNeed
from kenpin.station.store.part_tables import key_of

_USUAL = ProductSettings()


class ReviewNeeds:
    """The needs of parts, by the settings of their products; the same whenever it is asked."""

    def __init__(self, products: Mapping[str, ProductSettings], secret: bytes) -> None:
        """secret: of the station, by which parts are drawn."""
        self._products, self._secret = products, secret

    def __call__(self, product: str, record: PartRecord) -> ReviewNeed:
        """Whether people are to review a part."""
        settings = self._products.get(product, _USUAL)
        cost = expected_cost(record, settings.escape_cost, settings.overkill_cost)
        in_queue = record.verdict is Verdict.REVIEW or cost >= settings.review_from_cost
        key = key_of(product, part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns))
        chance = chance_of(settings, record.verdict)
        drawn = number_of(self._secret, key) < chance
        return ReviewNeed(cost if in_queue else None, chance if drawn else None)


def chance_of(settings: ProductSettings, verdict: Verdict) -> float:
    """The chance with which a part of a verdict is drawn; people look at every part at REVIEW anyway."""
    return {Verdict.PASS: settings.reviewed_passes, Verdict.FAIL: settings.reviewed_fails}.get(verdict, 0.0)
