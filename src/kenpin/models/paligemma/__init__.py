"""PaliGemma: a language model that reads picture and question as one prefix and answers with boxes, labels or words."""

from __future__ import annotations

from kenpin.models.paligemma.family import FAMILY
from kenpin.models.paligemma.inspector import PaliGemmaDetector
from kenpin.models.paligemma.npz import model_from_npz, npz_from_model
from kenpin.models.paligemma.options import PaliGemmaOptions
from kenpin.models.paligemma.reference import per_example_loss

__all__ = ["FAMILY", "PaliGemmaDetector", "PaliGemmaOptions", "model_from_npz", "npz_from_model", "per_example_loss"]
