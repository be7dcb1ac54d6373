"""Where answers come from, by whatever judges: maps in the frame of the picture, of tiles and framed pictures too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.tiling import Tiling
from kenpin.errors import OptionError
from kenpin.models.contract import Explained, Localised
from kenpin.models.framed import framed_for, framing_of
from kenpin.models.looking.maps import map_of_cells
from kenpin.models.passing import decode, outputs_together
from kenpin.models.stitching import stitched
from kenpin.models.tiles import tiling_of
from kenpin.records import Example, Map, Prediction

_LOOKED_AT = 4  # tiles that are explained together


def maps_of(
    judge: Explained,
    images: Sequence[Image],
    examples: Sequence[Example],
    way: str | None = None,
    label: str | None = None,
) -> list[tuple[Map, ...]]:
    """The maps of each picture, in its frame, stitched where the judge looks at tiles. Raises OptionError,
    NotAlignedError."""
    if tiling_of(judge) is None and framing_of(judge) is None:
        return judge.maps(images, examples, way, label)
    return [_of_view(judge, image, example, way, label) for image, example in zip(images, examples, strict=True)]


def map_and_prediction(judge: Localised, image: Image, example: Example) -> tuple[tuple[Map], Prediction]:
    """The map of a picture that its score is read off, and the prediction, which says what the score is made up of.
    Raises NotAlignedError."""
    (outputs,) = outputs_together([judge], [image], examples=[example])
    (prediction,) = decode(judge, outputs, [example])
    return (judge.map_of(outputs["map"][0], image.size),), prediction


def _of_view(judge: Explained, image: Image, example: Example, way: str | None, label: str | None) -> tuple[Map, ...]:
    """The map of what the judge sees of one picture."""
    if isinstance(judge, Localised):
        if way is not None or label is not None:  # there may be none such, which it says of any picture
            judge.maps([image], [example], way, label)
        return map_and_prediction(judge, image, example)[0]
    if label is None:  # of the whole picture, not of each tile
        (outputs,) = outputs_together([judge], [image], examples=[example])
        (prediction,) = decode(judge, outputs, [example])
        if prediction.detections is not None:
            raise OptionError(
                "this run looks at tiles or framed pictures, and its boxes have no maps in the frame of the whole; "
                "look at a piece of the picture with a run that sees it as it is."
            )
        label = prediction.label
    framing, framed = framed_for(judge, image, example)
    tiling = tiling_of(judge)
    found, grid = _map(judge, tiling, framed.image, example, way, label)
    region = (0.0, 0.0, 1.0, 1.0)
    if framing is not None:
        grid, region = framing.map_in_picture(grid, framed, image.size), framing.region_of(image.size)
    return (map_of_cells(grid, image.size, found.shows, found.unit, region=region),)


def _map(
    judge: Explained, tiling: Tiling | None, image: Image, example: Example, way: str | None, label: str | None
) -> tuple[Map, NDArray[np.float32]]:
    """A map that says what it shows, and the numbers of the cells of the whole picture."""
    places = ((0, 0),) if tiling is None else tiling.tiles(image.size)
    found: list[Map] = []
    for start in range(0, len(places), _LOOKED_AT):
        some = [image if tiling is None else tiling.cut(image, at_xy) for at_xy in places[start : start + _LOOKED_AT]]
        sized = [replace(example, size_wh=one.size) for one in some]
        found += [maps[0] for maps in judge.maps(some, sized, way, label)]
    grids = np.stack([np.asarray(map_.grid) for map_ in found])
    return found[0], grids[0] if tiling is None else stitched(grids, tiling, image.size)
