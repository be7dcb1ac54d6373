"""Mahalanobis: a unit space of good parts, on features, embeddings or a table; D²/k tells how far a part is."""

from __future__ import annotations

from kenpin.models.mahalanobis.family import FAMILY
from kenpin.models.mahalanobis.inspector import UnitSpaceInspector
from kenpin.models.mahalanobis.options import MahalanobisOptions

__all__ = ["FAMILY", "MahalanobisOptions", "UnitSpaceInspector"]
