"""Classifier: any image classifier of transformers, or the embedded EfficientNet-Lite0, with a new head."""

from __future__ import annotations

from kenpin.models.classifier.family import FAMILY
from kenpin.models.classifier.inspector import HeadClassifier, NetworkClassifier
from kenpin.models.classifier.options import ClassifierOptions

__all__ = ["FAMILY", "ClassifierOptions", "HeadClassifier", "NetworkClassifier"]
