"""Embedder: embeddings learned so that pictures of one class lie together, named by their nearest known neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.models.embedder.family import FAMILY
    from kenpin.models.embedder.inspector import EmbeddingInspector
    from kenpin.models.embedder.options import EmbedderOptions

__all__ = ["FAMILY", "EmbedderOptions", "EmbeddingInspector"]

# a package of a run is judged by its `decoding` alone, without torch
__getattr__ = on_first_use(
    __name__, {"FAMILY": "family", "EmbeddingInspector": "inspector", "EmbedderOptions": "options"}
)
