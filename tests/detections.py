"""Makers of random true boxes and of the imperfect detections of an inspector that knows them."""

from __future__ import annotations

import numpy as np

from kenpin.records import Box, Detections

LABELS = ("傷", "solder-bridge", "<i>void, deep</i>")


def some_boxes(
    generator: np.random.Generator,
    count: int,
    *,
    labels: tuple[str, ...] = LABELS,
    crowds: bool = False,
    side: int = 256,
) -> Detections:
    """`count` boxes of whole pixels, of all sizes from 2 to 130, with corners that often coincide."""
    corners = generator.integers(0, side // 2, (count, 2)).tolist()
    sizes = np.exp(generator.uniform(np.log(2), np.log(side / 2), (count, 2))).round().tolist()
    boxes = [_box(x, y, w, h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]
    crowd = tuple(bool(one) for one in generator.random(count) < 0.2) if crowds else None
    return Detections(tuple(boxes), _drawn(generator, labels, count), crowd=crowd)


def imperfect(generator: np.random.Generator, truth: Detections, *, labels: tuple[str, ...] = LABELS) -> Detections:
    """What an inspector makes of the boxes: most found and shifted a little, some twice or misnamed, some made up.

    Scores have one digit, so that many are equal.
    """
    boxes, names = [], []
    for box, label in zip(truth.boxes_xyxy_px, truth.labels, strict=True):
        for _ in range(int(generator.choice([0, 1, 1, 1, 2]))):
            x1, y1, x2, y2 = box
            shift = generator.normal(0, 0.08, 4) * [x2 - x1, y2 - y1, x2 - x1, y2 - y1]
            x1, y1, x2, y2 = (np.array(box) + shift.round()).tolist()
            boxes.append((x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)))
            names.append(label if generator.random() < 0.85 else str(generator.choice(labels)))
    made_up = some_boxes(generator, int(generator.integers(0, 3)), labels=labels)
    boxes += made_up.boxes_xyxy_px
    names += made_up.labels
    scores = tuple(float(score) for score in generator.random(len(boxes)).round(1))
    return Detections(tuple(boxes), tuple(names), scores)


def a_split(
    seed: int, pictures: int, *, crowds: bool = False, labels: tuple[str, ...] = LABELS, most: int = 4
) -> tuple[list[Detections], list[Detections]]:
    """True boxes and detections of so many pictures, a third of which are empty, the first one often."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, most + 1, pictures) * (generator.random(pictures) < 2 / 3)
    truth = [some_boxes(generator, int(count), labels=labels, crowds=crowds) for count in counts]
    return truth, [imperfect(generator, one, labels=labels) for one in truth]


def _box(x: float, y: float, width: float, height: float) -> Box:
    return float(x), float(y), float(x + width), float(y + height)


def _drawn(generator: np.random.Generator, labels: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(labels[i] for i in generator.integers(0, len(labels), count))
