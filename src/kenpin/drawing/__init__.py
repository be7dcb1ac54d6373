"""Drawn pictures: labelled boxes in any script, what an inspector said on a banner below, and maps laid over."""

from kenpin.drawing._banner import caption, draw_prediction, with_banner
from kenpin.drawing._beside import draw_beside_truth
from kenpin.drawing._boxes import draw_detections
from kenpin.drawing._fonts import font_note
from kenpin.drawing._heat import draw_maps

__all__ = [
    "caption",
    "draw_beside_truth",
    "draw_detections",
    "draw_maps",
    "draw_prediction",
    "font_note",
    "with_banner",
]
