"""Embedder: embeddings learned so that pictures of one class lie together, named by their nearest known neighbours."""

from __future__ import annotations

from kenpin.models.embedder.family import FAMILY
from kenpin.models.embedder.inspector import EmbeddingInspector
from kenpin.models.embedder.options import EmbedderOptions

__all__ = ["FAMILY", "EmbedderOptions", "EmbeddingInspector"]
