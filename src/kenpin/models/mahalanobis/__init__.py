"""Mahalanobis: a unit space of good parts, on features, embeddings or a table; D²/k tells how far a part is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.models.mahalanobis.family import FAMILY
    from kenpin.models.mahalanobis.inspector import UnitSpaceInspector
    from kenpin.models.mahalanobis.options import MahalanobisOptions

__all__ = ["FAMILY", "MahalanobisOptions", "UnitSpaceInspector"]

# a package of a run is judged by its `decoding` alone, without torch
__getattr__ = on_first_use(
    __name__, {"FAMILY": "family", "UnitSpaceInspector": "inspector", "MahalanobisOptions": "options"}
)
