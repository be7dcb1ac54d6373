"""Data sets made in memory, for the tests of what is done with data sets."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.records import Example, ImageSource

if TYPE_CHECKING:
    from collections.abc import Sequence


def noise(seed: int, size_wh: tuple[int, int] = (64, 48)) -> Image.Image:
    """A grey picture unlike that of any other seed."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, size_wh[::-1], np.uint8))


def encoded(picture: Image.Image, name: str, format: str = "PNG", **options: Any) -> ImageSource:
    """The picture as a file in memory."""
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return ImageSource(path=name, data=buffer.getvalue())


def labelled(labels: Sequence[str | None], **columns: Sequence[Any]) -> Dataset:
    """Examples with these labels and further fields, one each, whose pictures are never opened."""
    return Dataset.from_examples(
        Example(
            id=f"{place}.png",
            image=ImageSource(f"{place}.png"),
            label=label,
            **{name: values[place] for name, values in columns.items()},
        )
        for place, label in enumerate(labels)
    )
