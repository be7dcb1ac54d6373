"""Drawn pictures: labelled boxes in any script, and what an inspector said on a banner below."""

from kenpin.drawing._banner import caption, draw_prediction, with_banner
from kenpin.drawing._boxes import draw_detections
from kenpin.drawing._fonts import font_note

__all__ = ["caption", "draw_detections", "draw_prediction", "font_note", "with_banner"]
