"""Pictures -> pixel values as an image processor of transformers gives them, in a fraction of its time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.models.contract import Batch
from kenpin.models.networks.stored_pixels import StoredPixels

_encoders: WeakKeyDictionary[Any, PictureEncoder] = WeakKeyDictionary()


class PictureEncoder:
    """A processor that brings pictures to one size.

    Where bytes, brought to size by Pillow, and three steps of arithmetic give what the processor gives, these are
    taken: the processor itself goes over each picture alone, through arrays of 64-bit numbers.
    """

    def __init__(self, processor: Any, size_wh: tuple[int, int]) -> None:
        self.processor, self.size_wh = processor, size_wh

    def __call__(self, images: Sequence[Image]) -> Batch:
        """Pictures of mode RGB -> `pixel_values`, (n, 3, h, w) float32."""
        stored = self.stored
        if stored is None or stored.resizing is None:
            return self.by_processor(images)
        rows = torch.from_numpy(np.stack([stored.resizing.of(image) for image in images]))
        return {"pixel_values": stored.pixel_values(rows).contiguous()}

    def by_processor(self, images: Sequence[Image]) -> Batch:
        """The same by the processor itself."""
        return {"pixel_values": cast(Tensor, self.processor(images=list(images), return_tensors="pt")["pixel_values"])}

    @cached_property
    def stored(self) -> StoredPixels | None:
        """How its pictures are brought to bytes, where they can be."""
        return StoredPixels.of_processor(self.processor, self.by_processor, self.size_wh)


def encoder_of(processor: Any, size_wh: tuple[int, int]) -> PictureEncoder:
    """The encoder of a processor, made once: it is tried on pictures."""
    known = _encoders.get(processor)
    if known is None or known.size_wh != size_wh:
        known = _encoders[processor] = PictureEncoder(processor, size_wh)
    return known
