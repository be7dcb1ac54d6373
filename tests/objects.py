"""Made pictures of parts with one to three objects of three classes, their labels hard for careless code."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from kenpin.data.dataset import Dataset
from kenpin.records import Box, Detections, Example, ImageSource

LABELS = ("傷", "solder-bridge", "dent")
SIZE_WH = (160, 120)


def made_objects(count: int, *, first: int = 0, split: str | None = "train", empty: int = 0) -> Dataset:
    """`count` pictures with objects and `empty` ones without, each the same whenever it is made."""
    numbers = range(first, first + count + empty)
    examples = [_example(number, split, objects=number < first + count) for number in numbers]
    return Dataset.from_examples(examples, classes=LABELS)


def joined(*parts: Dataset) -> Dataset:
    """The pictures of several data sets as one."""
    return Dataset.from_examples([example for part in parts for example in part], classes=LABELS)


def _example(number: int, split: str | None, *, objects: bool) -> Example:
    draw = np.random.default_rng(number)
    width, height = SIZE_WH
    picture = Image.new("RGB", SIZE_WH, tuple(int(value) for value in draw.integers(90, 140, 3)))
    boxes: list[Box] = []
    labels = []
    for _ in range(int(draw.integers(1, 4)) if objects else 0):
        wide, high = int(draw.integers(24, 56)), int(draw.integers(20, 44))
        x1, y1 = int(draw.integers(0, width - wide)), int(draw.integers(0, height - high))
        x2, y2 = x1 + wide, y1 + high
        if any(x1 < right and left < x2 and y1 < bottom and top < y2 for left, top, right, bottom in boxes):
            continue
        kind = int(draw.integers(len(LABELS)))
        pen = ImageDraw.Draw(picture)
        colour = ((220, 40, 40), (40, 200, 60), (40, 60, 230))[kind]
        (pen.rectangle, pen.ellipse, pen.rectangle)[kind]((x1, y1, x2 - 1, y2 - 1), fill=colour)
        boxes.append((float(x1), float(y1), float(x2), float(y2)))
        labels.append(LABELS[kind])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    name = f"{number:04d}.png"
    return Example(
        id=name,
        image=ImageSource(path=name, data=buffer.getvalue()),
        split=split,
        boxes=Detections(tuple(boxes), tuple(labels)),
        size_wh=SIZE_WH,
    )
