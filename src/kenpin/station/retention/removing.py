"""Removes the pictures that rules cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.station.clock import DAY_US
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.settings import RetentionRule
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.opening import Store
from kenpin.station.store.queries import PartRow, stream
from kenpin.station.store.views import stream_views


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed."""

    pictures: int = 0
    size_bytes: int = 0


def remove_pictures(
    store: Store, pictures: KeptPictures, products: Sequence[str], rules: Sequence[RetentionRule], now_us: int
) -> Removed:
    """Remove the pictures that rules cover, of a part by several pictures all of them together. One that several parts
    share stays as long as any of them wants it. Raises StoreError, OutputError."""
    if not rules:
        return Removed()
    covered, wanted = set[str](), set[str]()
    for product in products:
        keys = set[str]()
        for part in stream(store, PartFilter(product)):
            is_covered = any(_covers(rule, part, now_us) for rule in rules)
            if is_covered:
                keys.add(part.key)
            if part.picture_hash:
                (covered if is_covered else wanted).add(part.picture_hash)
        # read after the parts: views of one that came meanwhile are wanted
        for view in stream_views(store, product):
            if view.picture_hash:
                (covered if view.key in keys else wanted).add(view.picture_hash)
    sizes = [size for content in sorted(covered - wanted) if (size := pictures.remove(content))]
    return Removed(len(sizes), sum(sizes))


def _covers(rule: RetentionRule, part: PartRow, now_us: int) -> bool:
    is_reviewed = part.settled_verdict is not None
    return (
        part.judged_us <= now_us - rule.after_days * DAY_US
        and part.verdict in rule.verdicts
        and (rule.reviewed is None or rule.reviewed == is_reviewed)
        and part.picture_bytes >= rule.larger_than_bytes
    )
