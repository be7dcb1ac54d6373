"""A made task: pictures of one coloured pattern in one corner, and what is to be said of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product

import numpy as np
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.records import Example, ImageSource

COLOURS = {"red": (230, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 240)}
# every pattern fills one half of its square: shrunk to a few pixels, all look the same
PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "rungs": lambda x, y: y // 4 % 2,
    "bars": lambda x, y: x // 4 % 2,
    "chequers": lambda x, y: (x // 4 + y // 4) % 2,
}
PLACES = tuple(product(("upper", "lower"), ("left", "right")))
SIDE, SQUARE = 64, 24
QUESTION = "What is where?"


def shapes(count: int, *, first: int = 0, split: str | None = None) -> Dataset:
    """`count` pictures with question, answer, and the pattern as label; each the same whenever it is made."""
    return Dataset.from_examples(_example(number, split) for number in range(first, first + count))


def joined(*parts: Dataset) -> Dataset:
    """The pictures of several data sets as one."""
    return Dataset.from_examples(example for part in parts for example in part)


def _example(number: int, split: str | None) -> Example:
    draw = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE, 3), draw.integers(90, 140, 3), np.uint8)
    colour, pattern = list(COLOURS)[draw.integers(len(COLOURS))], list(PATTERNS)[draw.integers(len(PATTERNS))]
    height, side = PLACES[draw.integers(len(PLACES))]
    left, top = (int(draw.integers(1, SIDE // 2 - SQUARE)) for _ in range(2))
    left, top = left + SIDE // 2 * (side == "right"), top + SIDE // 2 * (height == "lower")
    y, x = np.mgrid[:SQUARE, :SQUARE]
    is_inked = PATTERNS[pattern](x, y) == draw.integers(2)
    picture[top : top + SQUARE, left : left + SQUARE][is_inked] = COLOURS[colour]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    name = f"{number:04d}.png"
    answer = f"{colour} {pattern}, {height} {side}"
    return Example(name, ImageSource(name, buffer.getvalue()), split, pattern, prefix=QUESTION, suffix=answer)
