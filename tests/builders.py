"""Makers of small pictures, examples and data sets that several tests share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kenpin.data.plain_png import plain_pngs
from kenpin.records import Box, Detections, Example, ImageSource

ODD_LABELS = (
    "不良",
    "半田　不良",
    "solder-bridge",
    "C1.2 (void)",
    'it\'s "bad"',
    "a, b; c",
    "50% off",
    "%2F",
    "in/out",
    "..",
    ".hidden",
    "dot.",
    "train",
    "NO",
    "null",
    "1.0",
    "<b>&amp;",
)


def picture_bytes(seed: int, *, size_wh: tuple[int, int] = (32, 20), mode: str = "RGB", format: str = "PNG") -> bytes:
    """An encoded picture of noise; the same seed gives the same bytes, another seed others."""
    width, height = size_wh
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, format)
    return file.getvalue()


def write_picture(path: Path, seed: int, *, size_wh: tuple[int, int] = (32, 20), mode: str = "RGB") -> Path:
    """Write such a picture where `path` says, with its folders; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    format = Image.registered_extensions()[path.suffix.lower()]
    path.write_bytes(picture_bytes(seed, size_wh=size_wh, mode=mode, format=format))
    return path


def write_mask(
    path: Path, boxes: tuple[tuple[int, int, int, int], ...], *, size_wh: tuple[int, int] = (32, 20)
) -> Path:
    """Write a mask whose rectangles x1 y1 x2 y2 are defective; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size_wh[::-1], dtype=np.uint8)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = 255
    Image.fromarray(mask).save(path)
    return path


def example_at(path: Path, seed: int, *, grey: bool = False, **fields: Any) -> Example:
    """An example whose picture is written to `path`, a grey one unpacked as IDX gives it, with further fields."""
    write_picture(path, seed, mode="L" if grey else "RGB")
    if grey:
        path.write_bytes(next(plain_pngs(np.asarray(Image.open(path))[None])))
    image = ImageSource(str(path))
    return Example(f"{path.parent.name}/{path.name}", image, **fields)


def detections(*pairs: tuple[Box, str], crowd: tuple[bool, ...] | None = None) -> Detections:
    """Labelled boxes, x1 y1 x2 y2 in pixels."""
    return Detections(tuple(box for box, _ in pairs), tuple(label for _, label in pairs), crowd=crowd)
