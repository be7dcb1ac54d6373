"""Small parts of two views, drawn into class folders, and runs that judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kenpin.finished_run import Run
from kenpin.training import train

FORM = "{part}_{view}"
VIEWS = ("side", "top")


def draw_parts(folder: Path, count: int, bad: int, *, views: tuple[str, ...] = VIEWS, seed: int = 0) -> Path:
    """Pictures of parts in class folders; a bad part shows its defect in one view alone, the others are good."""
    draw = np.random.default_rng(seed)
    for part in range(count):
        shows = draw.choice(views) if part < bad else None
        for number, view in enumerate(views):
            pixels = draw.integers(90 + 40 * number, 125 + 40 * number, (56, 72, 3), np.uint8)
            if view == shows:
                pixels[12:26, 10:34] = 250
            path = folder / ("scratch" if view == shows else "ok") / f"p{seed}-{part:02d}_{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def trained(data: Any, out: Path, family: str = "mahalanobis", **options: Any) -> Run:
    return train(family, data=data, out=out, **{"base": "toy", "by": FORM, "report": False, **options})
