"""How pictures are brought to the size of a network, without torch: resized, and perhaps cropped, as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from kenpin.data.images import as_rgb
from kenpin.heat import WHOLE, Region


@dataclass(frozen=True, slots=True)
class Resizing:
    """Resized to a size, or so that the shorter side has a length and the middle is kept."""

    size_wh: tuple[int, int]
    """Of the result, in pixels."""
    resample: int
    """Pillow's filter."""
    shortest_px: int | None = None
    """Length of the shorter side before the middle is cut out; None: resized to the size itself."""

    def of(self, image: Image) -> NDArray[np.uint8]:
        """A picture of mode RGB or L -> (h, w, 3). A grey one is resized once instead of three times."""
        resample = Resampling(self.resample)
        if self.shortest_px is None:
            return _bytes_of(image if image.size == self.size_wh else image.resize(self.size_wh, resample))
        width, height = self._before_crop(image.size)
        left, top = (width - self.size_wh[0]) // 2, (height - self.size_wh[1]) // 2
        resized = image.resize((width, height), resample)
        return _bytes_of(resized.crop((left, top, left + self.size_wh[0], top + self.size_wh[1])))

    def seen_region(self, size_wh: tuple[int, int]) -> Region:
        """The part of a picture of this size that is not cropped."""
        if self.shortest_px is None:
            return WHOLE
        scale = self.shortest_px / min(size_wh)
        x, y = (min(1.0, kept / (side * scale)) for kept, side in zip(self.size_wh, size_wh, strict=True))
        return (0.5 - x / 2, 0.5 - y / 2, 0.5 + x / 2, 0.5 + y / 2)

    def _before_crop(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        short, long = min(size_wh), max(size_wh)
        longest_px = int(cast(int, self.shortest_px) * long / short)
        sides = (cast(int, self.shortest_px), longest_px)
        return sides if size_wh[0] <= size_wh[1] else sides[::-1]

    @classmethod
    def candidates(cls, processor: Any, size_wh: tuple[int, int]) -> list[Self]:
        """What a processor of transformers may do, as far as its settings tell; which it is, its output tells."""
        resample = getattr(processor, "resample", None)
        if resample is None:
            return []
        shortest = (getattr(processor, "size", None) or {}).get("shortest_edge")
        if shortest is None:
            return [cls(size_wh, int(resample))]
        # ConvNeXt states the side after the crop, and crops that share of it
        share = getattr(processor, "crop_pct", None) or 1.0
        return [cls(size_wh, int(resample), side) for side in dict.fromkeys((int(shortest / share), int(shortest)))]


def _bytes_of(image: Image) -> NDArray[np.uint8]:
    # an array of its own: Pillow's memory may only be read
    return np.array(as_rgb(image))
