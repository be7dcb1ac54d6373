"""Drawn parts before a dark ground, each with its own noise; defective ones have a box."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of
from kenpin.records import Detections, Example, ImageSource

SIZE = (96, 72)


def _pixels(seed: int) -> Image.Image:
    drawn = Image.new("L", SIZE, 30)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((18, 14, 78, 58), fill=150)
    pen.ellipse((24, 20, 38, 34), fill=80)
    pen.rectangle((52, 44, 72, 52), fill=100)
    noise = np.random.default_rng(seed).normal(0, 4, SIZE[::-1])
    return Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8))


def example(image: Image.Image, name: str, *, bad: bool) -> Example:
    boxes = Detections(((44.0, 24.0, 54.0, 34.0),), ("scratch",)) if bad else None
    source = ImageSource(f"{name}.png", png_of(image, name))
    return Example(name, source, label="scratch" if bad else "ok", boxes=boxes)


def drawn_part(seed: int, *, bad: bool = False) -> Image.Image:
    image = _pixels(seed)
    if bad:
        ImageDraw.Draw(image).rectangle((44, 24, 54, 34), fill=250)
    return image


def drawn_parts(first: int, count: int = 12) -> Dataset:
    return Dataset.from_examples(
        example(drawn_part(seed, bad=bad), f"{'bad' if bad else 'good'}{seed}", bad=bad)
        for bad in (False, True)
        for seed in range(first, first + count)
    )
