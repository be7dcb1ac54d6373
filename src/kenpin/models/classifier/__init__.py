"""Classifier: any image classifier of transformers, or the embedded EfficientNet-Lite0, with a new head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.models.classifier.family import FAMILY
    from kenpin.models.classifier.inspector import HeadClassifier, NetworkClassifier
    from kenpin.models.classifier.options import ClassifierOptions

__all__ = ["FAMILY", "ClassifierOptions", "HeadClassifier", "NetworkClassifier"]

# a package of a run is judged by its `decoding` alone, without torch
__getattr__ = on_first_use(
    __name__,
    {
        "FAMILY": "family",
        "HeadClassifier": "inspector",
        "NetworkClassifier": "inspector",
        "ClassifierOptions": "options",
    },
)
