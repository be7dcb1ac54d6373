"""Florence-2: a small encoder-decoder that answers `<OD>` with labels and boxes, and other tasks with words."""

from __future__ import annotations

from kenpin.models.florence2.family import FAMILY
from kenpin.models.florence2.inspector import Florence2Detector
from kenpin.models.florence2.options import Florence2Options

__all__ = ["FAMILY", "Florence2Detector", "Florence2Options"]
