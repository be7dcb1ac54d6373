"""Drawn pictures: labelled boxes in any script, what an inspector said on a banner below, and maps laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.drawing._banner import caption, draw_prediction, with_banner
    from kenpin.drawing._beside import draw_beside_truth
    from kenpin.drawing._boxes import draw_detections
    from kenpin.drawing._fonts import font_note
    from kenpin.drawing._heat import draw_layer, draw_maps

__all__ = [
    "caption",
    "draw_beside_truth",
    "draw_detections",
    "draw_layer",
    "draw_maps",
    "draw_prediction",
    "font_note",
    "with_banner",
]

# what draws nothing waits for no fonts
__getattr__ = on_first_use(
    __name__,
    {
        "caption": "_banner",
        "draw_beside_truth": "_beside",
        "draw_detections": "_boxes",
        "draw_layer": "_heat",
        "draw_maps": "_heat",
        "draw_prediction": "_banner",
        "font_note": "_fonts",
        "with_banner": "_banner",
    },
)
