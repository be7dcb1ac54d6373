"""Large pictures as tiles of one size: where these lie, and a data set of them, each opened when its turn comes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.held_pictures import HeldPictures
from kenpin.data.images import displayed_size
from kenpin.data.picture_files import PictureBytes, in_memory
from kenpin.errors import ShapeError
from kenpin.heat import Region
from kenpin.records import Example, ImageSource

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tiling:
    """Square tiles that cover pictures of any size. Raises ShapeError for an overlap that leaves no step."""

    tile_px: int
    """Side of a tile in pixels of the picture."""
    overlap: float = 0.25
    """Share of a tile's side that its neighbour shows too, at least."""
    unit_px: int = 1
    """Tiles begin at multiples of this, so that the cells of a network lie alike in all of them."""

    def __post_init__(self) -> None:
        if not (self.tile_px > 0 and 0 <= self.overlap < 1 and 0 < self.unit_px <= self.tile_px):
            raise ShapeError(f"tiles of {self.tile_px} pixels with an overlap of {self.overlap} cover no picture.")

    @property
    def overlap_px(self) -> int:
        """The overlap in pixels, at least, of two tiles that lie side by side."""
        return self.tile_px - self._step_px

    @property
    def _step_px(self) -> int:
        units = int(self.tile_px * (1 - self.overlap)) // self.unit_px
        return max(1, units) * self.unit_px

    def starts(self, side_px: int) -> tuple[int, ...]:
        """Where the tiles along a side begin, evenly spread. The last one may reach beyond the picture by less than a
        unit, and all of one that is smaller than a tile."""
        units_left = -(-max(0, side_px - self.tile_px) // self.unit_px)
        steps = -(-units_left * self.unit_px // self._step_px)
        places = np.rint(np.linspace(0, units_left, steps + 1)).astype(int) * self.unit_px
        return tuple(dict.fromkeys(places.tolist()))

    def tiles(self, size_wh: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """x and y of each tile's upper left corner, row by row."""
        across, down = (self.starts(side) for side in size_wh)
        return tuple((x, y) for y in down for x in across)

    def region_in(self, at_xy: tuple[int, int], region: Region, size_wh: tuple[int, int]) -> Region:
        """A region of a tile, in shares of its sides, as one of its picture; of a tile that reaches beyond it, too."""
        x1, y1, x2, y2 = region
        (x, y), (width, height), side = at_xy, size_wh, self.tile_px
        return (x + x1 * side) / width, (y + y1 * side) / height, (x + x2 * side) / width, (y + y2 * side) / height

    def cut(self, image: Image.Image, at_xy: tuple[int, int]) -> Image.Image:
        """One tile; beyond the picture its edge goes on."""
        x, y = at_xy
        right, below = (min(side, at + self.tile_px) for side, at in zip(image.size, at_xy, strict=True))
        tile = image.crop((x, y, right, below))
        if tile.size == (self.tile_px, self.tile_px):
            return tile
        missing = [(0, self.tile_px - tile.height), (0, self.tile_px - tile.width)]
        pixels = np.asarray(tile)
        return Image.fromarray(np.pad(pixels, [*missing, *[(0, 0)] * (pixels.ndim - 2)], mode="edge"))


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of one of the pictures of a data set."""

    row: int
    at_xy: tuple[int, int]


def tile_of(example: Example) -> Tile:
    """Which tile an example of `tiles_of` is."""
    row, _, rest = example.id.partition("@")
    x, _, rest = rest.partition(",")
    y, _, _ = rest.partition(" ")
    return Tile(int(row), (int(x), int(y)))


def tiles_of(pictures: Dataset, sizes_wh: Sequence[tuple[int, int]], tiling: Tiling) -> Dataset:
    """The tiles of all pictures in order, as examples without annotations. sizes_wh: of the pictures, as displayed."""
    return tile_set(pictures, _bare(pictures, sizes_wh, tiling), tiling)


def _bare(pictures: Dataset, sizes_wh: Sequence[tuple[int, int]], tiling: Tiling) -> Iterator[Example]:
    for row, (example, size_wh) in enumerate(zip(pictures, sizes_wh, strict=True)):
        for at_xy in tiling.tiles(size_wh):
            yield tile_example(example, row, at_xy, tiling)


def tile_example(example: Example, row: int, at_xy: tuple[int, int], tiling: Tiling, **fields: Any) -> Example:
    """A tile of a picture as an example of its own, in the picture's split and group."""
    x, y = at_xy
    side = tiling.tile_px
    return Example(
        id=f"{row}@{x},{y} {example.id}",
        image=ImageSource(),  # so that whatever does not ask the data set for the tile fails
        split=example.split,
        group=example.group or example.id,
        size_wh=(side, side),
        origin=example.origin,
        **fields,
    )


def tile_set(pictures: Dataset, tiles: Iterator[Example], tiling: Tiling) -> Dataset:
    """A data set of tiles of `tile_example`, which opens them from the pictures."""
    found = Dataset.from_examples(tiles, classes=pictures.declared_classes, root=pictures.root, format=pictures.format)
    return found.cut_out_of(pictures, OpensTiles(pictures, tiling))


def sizes_of(pictures: Dataset) -> list[tuple[int, int]]:
    """Displayed sizes of all pictures, from their headers where they are not known. Raises ImageError."""
    return [example.size_wh or displayed_size(example.image) for example in pictures]


class OpensTiles:
    """Opens tiles; a picture is decoded once for all of its tiles that are asked for in a row."""

    def __init__(self, pictures: Dataset, tiling: Tiling) -> None:
        self.tiling = tiling
        self._held = HeldPictures(pictures)

    def content(self, example: Example) -> str:
        """Hash that tells a tile by its picture's bytes and its place; empty where the picture cannot be read."""
        tile = tile_of(example)
        return self._content_of(tile, self._held.content(tile.row))

    def open(self, example: Example) -> PictureBytes:
        """A tile's pixels, not compressed, and its `content`. Raises ImageError."""
        tile = tile_of(example)
        whole, content = self._held.open(tile.row)
        image = self.tiling.cut(whole, tile.at_xy)
        return PictureBytes(in_memory(image), self._content_of(tile, content), None)

    def _content_of(self, tile: Tile, whole: str) -> str:
        text = f"{whole} {tile.at_xy} {self.tiling.tile_px}"
        return whole and hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def blend(tiling: Tiling, at_px: NDArray[np.float64], start_px: int, side_px: int) -> NDArray[np.float64]:
    """Weights of one tile at places along a side, (n,): 1 in its middle and at the picture's own edges; towards a
    neighbour none in the outer quarter of the overlap, where the network sees too little around, and then a ramp.

    Weights of tiles side by side add up to 1 where they overlap no more than they must; else they are to be divided by
    their sum.
    """
    overlap = tiling.overlap_px
    weights = np.ones(len(at_px))
    for is_open, depth in (
        (start_px > 0, at_px - start_px),
        (start_px + tiling.tile_px < side_px, start_px + tiling.tile_px - at_px),
    ):
        if is_open:
            ramp = (depth - overlap / 4) / (overlap / 2) if overlap else np.where(depth > 0, 1.0, 0.0)
            weights *= np.clip(ramp, 1e-6, 1)
    return np.where((at_px >= start_px) & (at_px < start_px + tiling.tile_px), weights, 0.0)
