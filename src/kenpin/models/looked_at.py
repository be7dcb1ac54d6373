"""What a judge looks at in a picture, in the picture's own frame: a region of interest, and the part in it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.alignment import inverse
from kenpin.heat import Region, in_frame
from kenpin.masks import Mask
from kenpin.models.contract import Judge
from kenpin.models.framed import framed_for, framing_of
from kenpin.records import Example


@runtime_checkable
class FindsObject(Judge, Protocol):
    """A judge that may find the part in a picture by what its network sees."""

    @property
    def finds_object(self) -> bool:
        """Whether it does."""

    def cells_of_object(self, image: Image.Image) -> tuple[NDArray[np.float32], Region]:
        """1 at cells that show the part, else 0, (rows, columns), and what of the picture they cover."""


def leaves_out(judge: Judge) -> bool:
    """Whether a judge looks at less than whole pictures."""
    return framing_of(judge) is not None or (isinstance(judge, FindsObject) and judge.finds_object)


def looked_at(judge: Judge, image: Image.Image, example: Example) -> Mask:
    """Which pixels of an example's picture, mode RGB, a judge looks at. (h, w). Raises NotAlignedError, and ImageError
    where it has no region of its own and is to have one."""
    framing, framed = framed_for(judge, image, example)
    width, height = framed.image.size
    inside = np.ones((height, width), bool) if framed.inside is None else framed.inside
    if isinstance(judge, FindsObject) and judge.finds_object:
        cells, region = judge.cells_of_object(framed.image)
        # beyond what the network sees nothing is looked at, and what is there is NaN
        inside = inside & (in_frame(cells, (width, height), region) >= 0.5)
    if framing is None:
        return inside
    drawn = Image.fromarray(inside.astype(np.uint8) * 255)
    back = inverse(framed.to_picture).ravel().tolist()
    return np.asarray(drawn.transform(image.size, Image.Transform.AFFINE, back, Image.Resampling.NEAREST)) >= 128
