"""Florence-2: a small encoder-decoder that answers `<OD>` with labels and boxes, and other tasks with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.models.florence2.family import FAMILY
    from kenpin.models.florence2.inspector import Florence2Detector
    from kenpin.models.florence2.options import Florence2Options

__all__ = ["FAMILY", "Florence2Detector", "Florence2Options"]

# a package of a run answers by its `decoding` alone, without torch
__getattr__ = on_first_use(
    __name__, {"FAMILY": "family", "Florence2Detector": "inspector", "Florence2Options": "options"}
)
