"""Generated inspection pictures: small, grey, all of one product, each with wear of its own, some with defects."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from kenpin.records import Detections, Example, ImageSource

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset

SIDE = 64
# with so much wear the search for near-duplicates compares about 1 pair in 170, as among real pictures of solar cells
_WEAR = 13.0
_DEFECTS = ("scratch", "dent")
_MASKS = 16


def made_dataset(count: int, folder: Path, distinct: int) -> Dataset:
    """Pictures, half PNG and half JPEG, a third of them with boxes; `distinct` of them, repeated under new names.

    The masks go to `folder`.
    """
    from kenpin.data.dataset import Dataset

    return Dataset.from_examples(_examples(count, folder, distinct), classes=("good", *_DEFECTS))


def _examples(count: int, folder: Path, distinct: int) -> Iterator[Example]:
    folder.mkdir(parents=True)
    masks = [_write_mask(folder / f"{number}.png", number) for number in range(_MASKS)]
    pictures: list[bytes] = []
    for number in range(count):
        format = "PNG" if number % 2 else "JPEG"
        if number < distinct:
            pictures.append(_picture(number, format))
        path, boxes = masks[number % _MASKS]
        label = "good" if number % 3 else _DEFECTS[number // 3 % len(_DEFECTS)]
        yield Example(
            id=str(number),
            image=ImageSource(f"{number:06d}.{format.lower()}", pictures[number % len(pictures)]),
            split="test" if number % 5 == 0 else "train",
            label=label,
            boxes=Detections() if label == "good" else Detections(boxes, (label,) * len(boxes)),
            group=f"lot {number // 50}",
            mask=None if label == "good" else path,
            size_wh=(SIDE, SIDE),  # else writing would open every picture
        )


def _picture(number: int, format: str) -> bytes:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    product = 128 + 60 * np.sin(9 * x + 4 * y * y) + 40 * np.cos(13 * y - 5 * x)
    wear = np.random.default_rng(number).normal(scale=_WEAR, size=(SIDE // 4, SIDE // 4)).repeat(4, 0).repeat(4, 1)
    file = io.BytesIO()
    Image.fromarray((product + wear).clip(0, 255).astype(np.uint8)).save(file, format)
    return file.getvalue()


def _write_mask(path: Path, number: int) -> tuple[str, tuple[tuple[float, float, float, float], ...]]:
    """A mask with two defects, from top to bottom, and their boxes."""
    mask = Image.new("L", (SIDE, SIDE))
    corners = [(number, number + 2, number + 9, number + 8), (30, 40 + number, 50 + number // 2, 44 + number)]
    for x1, y1, x2, y2 in corners:
        ImageDraw.Draw(mask).rectangle((x1, y1, x2 - 1, y2 - 1), fill=255)
    mask.save(path)
    return str(path), tuple((float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in corners)
