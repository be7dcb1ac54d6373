"""The Hugging Face hub: runs and packages pushed there without what is local, and fetched from there by revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.hub.card import Licences
    from kenpin.hub.fetching import Fetched, fetch
    from kenpin.hub.pushing import Pushed, push

__all__ = ["Fetched", "Licences", "Pushed", "fetch", "push"]

__getattr__ = on_first_use(
    __name__,
    {
        "Fetched": "fetching",
        "Licences": "card",
        "Pushed": "pushing",
        "fetch": "fetching",
        "push": "pushing",
    },
)
