"""The fixed picture whose output identifies a base."""

from __future__ import annotations

import numpy as np
from PIL.Image import Image, fromarray


def probe_picture(size_wh: tuple[int, int]) -> Image:
    """A picture without symmetries."""
    width, height = size_wh
    x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    waves = np.sin(7 * x + 3 * y * y + np.array([0.3, 1.1, 2.3]))
    return fromarray(((waves + 1) * 127.5).astype(np.uint8))
