"""An event as a message: a JSON object and its key, by which a receiver knows what it was told before."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from kenpin.station.told import Told

MESSAGE_VERSION: Literal[1] = 1


def message_of(told: Told, node: str) -> dict[str, Any]:
    """The event as a JSON object."""
    return {
        "schema": MESSAGE_VERSION,
        "key": key_of(told),
        "kind": told.kind,
        "node": node,
        "position": told.position,
        "product": told.product,
        "version": told.version,
        "id": told.id,
        "content": told.content,
        "lot": told.lot,
        "verdict": told.verdict,
        "label": told.label,
        "score": told.score,
        "reasons": list(told.reasons),
        "judged_at": told.judged_at,
    }


def as_bytes(message: dict[str, Any]) -> bytes:
    """A message as JSON in UTF-8. Raises ValueError for a number that JSON has not."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def key_of(told: Told) -> str:
    """The event's key, 32 hexadecimal digits: the same each time it is told, also by a store that was rebuilt.

    A part that is reviewed has another key than when it was judged: it is another event.
    """
    return _hash(told.kind, told.product, told.version, told.id, told.content, told.verdict, told.judged_at)


def part_of(told: Told) -> str:
    """Key of what the event is about: events with the same are told in their order."""
    return _hash(told.product, told.id, told.content)


def _hash(*values: str | int | None) -> str:
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()
