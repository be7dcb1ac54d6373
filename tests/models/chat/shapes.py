"""A made task: pictures of one coloured shape in one corner, and what is to be said of them."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from kenpin.data.dataset import Dataset
from kenpin.records import Example, ImageSource

COLOURS = {"red": (220, 40, 40), "green": (40, 190, 60), "blue": (50, 70, 230)}
SHAPES = ("circle", "square", "triangle")
PLACES = tuple(product(("upper", "lower"), ("left", "right")))
SIDE = 64
QUESTION = "What is where?"


def shapes(count: int, *, first: int = 0, split: str | None = None) -> Dataset:
    """`count` pictures with question and answer, each the same whenever it is made."""
    return Dataset.from_examples(_example(number, split) for number in range(first, first + count))


def joined(*parts: Dataset) -> Dataset:
    """The pictures of several data sets as one."""
    return Dataset.from_examples(example for part in parts for example in part)


def _example(number: int, split: str | None) -> Example:
    draw = np.random.default_rng(number)
    picture = Image.new("RGB", (SIDE, SIDE), tuple(int(value) for value in draw.integers(90, 140, 3)))
    colour, shape = list(COLOURS)[draw.integers(len(COLOURS))], SHAPES[draw.integers(len(SHAPES))]
    height, side = PLACES[draw.integers(len(PLACES))]
    radius = int(draw.integers(9, 13))
    x, y = (int(draw.integers(radius + 1, SIDE // 2 - radius)) for _ in range(2))
    x, y = x + SIDE // 2 * (side == "right"), y + SIDE // 2 * (height == "lower")
    _draw(ImageDraw.Draw(picture), shape, x, y, radius, COLOURS[colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    name = f"{number:04d}.png"
    answer = f"{colour} {shape}, {height} {side}"
    return Example(name, ImageSource(name, buffer.getvalue()), split, shape, prefix=QUESTION, suffix=answer)


def _draw(pen: ImageDraw.ImageDraw, shape: str, x: int, y: int, radius: int, colour: tuple[int, int, int]) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=colour)
