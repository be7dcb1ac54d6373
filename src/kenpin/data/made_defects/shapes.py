"""Outlines of made defects: blobs and curved lines with soft edges, drawn into small windows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Cover = NDArray[np.float32]
"""How much of each pixel of a window is covered, 0 to 1, (h, w), its largest number 1."""

_CORNERS = 72
_WAVES = 5
_STEPS = 48
_BLUNT_PX = 0.6
_SOFT = 0.06
"""Softness of a blob's edge, as a share of its diameter."""


def blob(draw: np.random.Generator, diameter_px: float) -> Cover:
    """A round shape of irregular outline; its window is a square about one and a half times as wide."""
    angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
    radii = np.ones(_CORNERS)
    for wave in range(1, _WAVES + 1):  # slow waves are large ones, so that it is lumpy and not frayed
        radii += draw.normal(0, 0.22 / wave) * np.cos(wave * angles + draw.uniform(0, 2 * math.pi))
    radii = radii.clip(0.4, 1.6) * diameter_px / 2
    stretch, turn = draw.uniform(0.6, 1.0), draw.uniform(0, math.pi)
    x, y = radii * np.cos(angles), stretch * radii * np.sin(angles)
    corners = np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], axis=1)
    soft_px = max(_BLUNT_PX, _SOFT * diameter_px)
    return _drawn(corners, soft_px, None)


def curved_line(draw: np.random.Generator, length_px: float, width_px: float) -> Cover:
    """A line that bends one way or both, of one width, in a window just as large."""
    steps = np.linspace(0, 1, _STEPS)
    bend = draw.uniform(-1.2, 1.2) * steps + draw.uniform(-0.8, 0.8) * np.sin(2 * math.pi * steps)
    headings = draw.uniform(0, 2 * math.pi) + bend
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * length_px / _STEPS
    return _drawn(np.cumsum(moves, axis=0), max(_BLUNT_PX, width_px / 4), width_px)


def _drawn(points: NDArray[np.float64], soft_px: float, width_px: float | None) -> Cover:
    """Points (n, 2) as a line of a width, or as the corners of an area, in a window that holds them and the edge."""
    margin = math.ceil(3 * soft_px + (width_px or 0) / 2) + 1
    points = points - points.min(axis=0) + margin
    width, height = (math.ceil(value) + margin for value in points.max(axis=0))
    canvas = Image.new("L", (width, height))
    draw, corners = ImageDraw.Draw(canvas), [(float(x), float(y)) for x, y in points]
    if width_px is None:
        draw.polygon(corners, fill=255, outline=255)
    else:
        draw.line(corners, fill=255, width=max(1, round(width_px)), joint="curve")
    cover = np.asarray(canvas.filter(ImageFilter.GaussianBlur(soft_px)), np.float32)
    return np.asarray(cover / max(float(cover.max()), 1.0), np.float32)
