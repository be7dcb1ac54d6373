"""Pictures as bytes of the size that a network takes, and the arithmetic that its processor would do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from kenpin.data.images import as_rgb
from kenpin.models.contract import Batch
from kenpin.models.resizing import Resizing

_CLOSE = 1e-6  # what another order of the same arithmetic may change


@dataclass(frozen=True, repr=False)
class StoredPixels:
    """Resizing to bytes, and the factor, mean and deviation that make pixel values of them."""

    processor: Any
    resizing: Resizing | None
    """None: the processor does something else, and is asked for the bytes."""
    size_wh: tuple[int, int]
    factor: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __repr__(self) -> str:
        return f"StoredPixels({self.size_wh}, {self.resizing}, {self.factor}, {self.mean}, {self.deviation})"

    def of(self, image: Image) -> NDArray[np.uint8]:
        """A picture of mode RGB or L -> (h, w, 3)."""
        if self.resizing is not None:
            return self.resizing.of(image)
        stored = self.processor(images=[as_rgb(image)], do_rescale=False, do_normalize=False, return_tensors="np")
        return np.ascontiguousarray(np.moveaxis(stored["pixel_values"][0], 0, 2))

    def pixel_values(self, rows: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 -> what `encode` gives, (n, 3, h, w) float32."""
        values = rows.permute(0, 3, 1, 2).float() * self.factor
        mean, deviation = (torch.tensor(three).view(1, 3, 1, 1) for three in (self.mean, self.deviation))
        return (values - mean) / deviation

    @classmethod
    def of_processor(
        cls, processor: Any, encode: Callable[[Sequence[Image]], Batch], size_wh: tuple[int, int]
    ) -> StoredPixels | None:
        """That of a processor of transformers; None where its output is not that of these steps, as some pictures of
        other sizes than the network's show."""
        if not getattr(processor, "do_rescale", False):
            return None
        mean, deviation = (0.0,) * 3, (1.0,) * 3
        if getattr(processor, "do_normalize", False):
            mean, deviation = tuple(processor.image_mean), tuple(processor.image_std)
        factor = float(processor.rescale_factor)
        for resizing in (*Resizing.candidates(processor, size_wh), None):
            stored = cls(processor, resizing, size_wh, factor, mean, deviation)
            if all(_is_same(stored, encode, probe) for probe in _probes(size_wh)):
                return stored
        return None


def _is_same(stored: StoredPixels, encode: Callable[[Sequence[Image]], Batch], probe: Image) -> bool:
    try:
        rows = stored.of(probe)
    except (ValueError, TypeError, KeyError):
        return False
    width, height = stored.size_wh
    if rows.dtype != np.uint8 or rows.shape != (height, width, 3):
        return False
    wanted = encode([probe])["pixel_values"]
    found = stored.pixel_values(torch.from_numpy(rows)[None])
    return wanted.shape == found.shape and bool(((wanted - found).abs() <= _CLOSE).all())


def _probes(size_wh: tuple[int, int]) -> list[Image]:
    """A picture of the network's size, a larger one of another shape, and a smaller one."""
    width, height = size_wh
    draw = np.random.default_rng(0)
    sizes = ((width, height), (width * 3 // 2 + 3, height + 7), (width // 2 + 1, height // 2 + 5))
    return [PIL.Image.fromarray(draw.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]
