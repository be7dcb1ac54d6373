"""The part of a picture that is looked at: brought over a reference, cut to a region of interest, without background.

A framed picture is what a network sees in place of the picture; what it finds goes back into the picture's own frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.alignment import STRAIGHT, Affine, Alignment, NotAlignedError, inverse
from kenpin.data.images import read_image, read_mask
from kenpin.data.object_masks import object_mask
from kenpin.data.picture_regions import PictureRegions
from kenpin.errors import OptionError
from kenpin.masks import Mask
from kenpin.records import Box, Example, ImageSource
from kenpin.regions.by_picture import WHOLE, is_by_picture

Floats = NDArray[np.float32]
REFERENCE, ROI = "reference.png", "roi.png"
"""Files of a run's model that hold what its options `align` and `roi`, or `roi_default`, named."""


class OtherProportionsError(NotAlignedError):
    """A picture that a mask of a region of interest was not drawn for."""

    code, remedy = "image-without-region", "Turn or cut it as the others are, or give a mask for such pictures"


@dataclass(frozen=True, eq=False)
class Framed:
    """A picture as it is looked at."""

    image: Image.Image
    to_picture: Affine = field(default_factory=STRAIGHT.copy)
    """From its own frame to that of the picture."""
    inside: Mask | None = None
    """Which of its pixels are looked at, (h, w); None: all."""


@dataclass(frozen=True, eq=False)
class Framing:
    """What of a picture is looked at."""

    alignment: Alignment | None = None
    roi: Mask | None = None
    """Region of interest, (h, w), in the frame of the reference, or as shares of each picture's sides."""
    object: Literal["none", "brightness"] = "none"
    by_picture: PictureRegions | None = None
    """Where the region of interest is found of each picture; `roi` is then None until `of_picture` has found it."""
    is_of_one: bool = False
    """Whether its region is that of one picture, so that maps are of whole pictures: regions of others differ."""

    @cached_property
    def key(self) -> str:
        """Equal for framings that do the same."""
        digest = hashlib.blake2b(self.object.encode(), digest_size=16)
        for pixels in (None if self.alignment is None else self.alignment.reference, self.roi):
            digest.update(b"\0" if pixels is None else f"{pixels.shape}".encode() + np.packbits(pixels != 0).tobytes())
            if pixels is not None and pixels.dtype != bool:
                digest.update(pixels.tobytes())
        return digest.hexdigest()

    def of_picture(self, example: Example | None, size_wh: tuple[int, int]) -> Framing:
        """The framing of one picture of this displayed size; None: of a picture of no part, which is looked at as a
        whole. Raises ImageError where it has no region."""
        if self.by_picture is None:
            return self
        roi = None if example is None else self.by_picture.mask_of(example, size_wh)
        return replace(self, roi=roi, by_picture=None, is_of_one=True)

    def box_px(self, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
        """The box around the region of interest in a picture of this size, whole pixels."""
        if self.roi is None:
            return (0, 0, *size_wh)
        across, down = (np.flatnonzero(self.roi.any(axis=axis)) for axis in (0, 1))
        (width, height), (rows, columns) = size_wh, self.roi.shape
        return (
            int(across[0] * width / columns),
            int(down[0] * height / rows),
            max(int(np.ceil((across[-1] + 1) * width / columns)), int(across[0] * width / columns) + 1),
            max(int(np.ceil((down[-1] + 1) * height / rows)), int(down[0] * height / rows) + 1),
        )

    def size_of(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """Size of a picture of this size once it is framed."""
        x1, y1, x2, y2 = self.box_px(size_wh)
        return x2 - x1, y2 - y1

    def of(self, image: Image.Image) -> Framed:
        """A picture as it is looked at. Raises NotAlignedError."""
        self._check_proportions(image.size)
        to_picture = STRAIGHT if self.alignment is None else self.alignment.find(image)
        x1, y1, x2, y2 = self.box_px(image.size)
        to_picture = np.column_stack([to_picture[:, :2], to_picture[:, 2] + to_picture[:, :2] @ (x1, y1)])
        size_wh = x2 - x1, y2 - y1
        shown = image.crop((x1, y1, x2, y2)) if self.alignment is None else _moved(image, to_picture, size_wh)
        inside = None if self.roi is None else _resized(self.roi, image.size)[y1:y2, x1:x2]
        if self.object == "brightness" and (found := object_mask(shown)) is not None:
            inside = found if inside is None else inside & found
        if inside is None or inside.all():
            return Framed(shown, to_picture, None)
        return Framed(_painted(shown, inside), to_picture, inside)

    def _check_proportions(self, size_wh: tuple[int, int]) -> None:
        """Refuse a picture over which the region would be stretched. Raises OtherProportionsError."""
        if self.roi is None:
            return
        (width, height), (rows, columns) = size_wh, self.roi.shape
        # both are whole pixels, so that of either a side may be one off
        if abs(width * rows - height * columns) > max(width + height, rows + columns):
            raise OtherProportionsError(
                f"it has {width} × {height} pixels, and the mask of its region {columns} × {rows}, in other proportions"
            )

    def moved_mask(self, mask: Mask, framed: Framed) -> Mask:
        """A mask of the picture in the frame of the framed one; what is not looked at is not in it."""
        drawn = Image.fromarray(mask.astype(np.uint8) * 255)
        moved = drawn.transform(
            framed.image.size, Image.Transform.AFFINE, framed.to_picture.ravel().tolist(), Image.Resampling.BILINEAR
        )
        found = np.asarray(moved) >= 128
        return found if framed.inside is None else found & framed.inside

    @property
    def is_straight(self) -> bool:
        """Whether it only cuts and paints, so that rows and columns stay such."""
        return self.alignment is None and self.by_picture is None and not self.is_of_one

    def region_of(self, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
        """Which part of a picture of this size maps of framed ones cover, x1, y1, x2, y2 as shares of its sides."""
        if not self.is_straight:
            return (0.0, 0.0, 1.0, 1.0)
        (width, height), (x1, y1, x2, y2) = size_wh, self.box_px(size_wh)
        return x1 / width, y1 / height, x2 / width, y2 / height

    def map_in_picture(self, grid: Floats, framed: Framed, size_wh: tuple[int, int]) -> Floats:
        """Cells of a map of the framed picture as cells of the picture, or of the region that `region_of` names. Cells
        that are not looked at are 0. The highest number stays what it is."""
        looked_at = self.looked_at(grid, framed)
        return looked_at if self.is_straight else _turned_back(looked_at, framed, size_wh)

    def looked_at(self, grid: Floats, framed: Framed) -> Floats:
        """A map of the framed picture, 0 at cells that are not looked at."""
        return np.where(_cells_inside(framed, grid.shape), grid, np.float32(0))

    def boxes_in_picture(self, boxes: Sequence[Box], framed: Framed, size_wh: tuple[int, int]) -> tuple[Box, ...]:
        """Boxes of the framed picture, as the boxes around them in the picture."""
        return tuple(_around(box, framed.to_picture, size_wh) for box in boxes)

    def boxes_in_frame(self, boxes: Sequence[Box], framed: Framed) -> tuple[Box, ...]:
        """The reverse."""
        return tuple(_around(box, inverse(framed.to_picture), framed.image.size) for box in boxes)

    def write(self, folder: Path) -> None:
        """Write the files that `align` and `roi` named into a run's or a package's folder."""
        if self.alignment is not None:
            Image.fromarray(self.alignment.reference).save(folder / REFERENCE)
        roi = self.roi if self.by_picture is None else self.by_picture.default
        if roi is not None:
            Image.fromarray(roi.astype(np.uint8) * 255).save(folder / ROI)


def kept_view(folder: Path, align: object, roi: str | None, roi_default: str | None) -> dict[str, str]:
    """The options of a view that name files, by their names, with what `Framing.write` left of these in a run's or a
    package's folder: the files that they named at first may be gone, or others. Folders of masks are not kept."""
    found = {} if align is None else {"align": str(folder / REFERENCE)}
    if is_by_picture(roi):
        return found if roi_default in (None, WHOLE) else {**found, "roi_default": str(folder / ROI)}
    return found if roi is None else {**found, "roi": str(folder / ROI)}


def read_framing(
    align: str | Path | None,
    roi: str | Path | None,
    object: Literal["none", "brightness"],
    roi_default: str | Path | None = None,
) -> Framing | None:
    """The framing by a reference picture and a mask of the region of interest, or where masks are found by picture;
    None where nothing is named. roi_default: mask of pictures without a region, or `whole`. Raises OptionError for a
    mask without a pixel, ImageError, MissingExtraError."""
    if align is None and roi is None and object == "none":
        return None
    by_picture, mask = None, None
    if roi is not None and is_by_picture(str(roi)):
        whole = roi_default == WHOLE
        default = None if roi_default is None or whole else _region("roi_default", roi_default)
        by_picture = PictureRegions(str(roi), default, whole)
    elif roi is not None:
        mask = _region("roi", roi)
    alignment = None
    if align is not None:
        alignment = Alignment(np.asarray(read_image(ImageSource(str(align))).convert("L")))
    return Framing(alignment, mask, object, by_picture)


def _region(option: str, file: str | Path) -> Mask:
    mask = read_mask(ImageSource(str(file)))
    if not mask.any():
        raise OptionError(f"option `{option}`: {file} is black all over; paint white what is to be looked at.")
    return mask


def _moved(image: Image.Image, to_picture: Affine, size_wh: tuple[int, int]) -> Image.Image:
    """The framed picture; beyond the picture its edge goes on."""
    corners = np.array([(x, y) for x in (0, size_wh[0]) for y in (0, size_wh[1])]) @ to_picture[:, :2].T
    corners = corners + to_picture[:, 2]
    beyond = np.concatenate([-corners.min(axis=0), corners.max(axis=0) - image.size])
    margin = int(np.ceil(max(0.0, beyond.max()))) + 1
    pixels = np.asarray(image)
    wide = Image.fromarray(np.pad(pixels, [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2), mode="edge"))
    shifted = np.column_stack([to_picture[:, :2], to_picture[:, 2] + margin])
    return wide.transform(size_wh, Image.Transform.AFFINE, shifted.ravel().tolist(), Image.Resampling.BICUBIC)


def _resized(mask: Mask, size_wh: tuple[int, int]) -> Mask:
    if mask.shape == size_wh[::-1]:
        return mask
    drawn = Image.fromarray(mask.astype(np.uint8) * 255).resize(size_wh, Image.Resampling.NEAREST)
    return np.asarray(drawn) >= 128


def _painted(image: Image.Image, inside: Mask) -> Image.Image:
    """What is not looked at in the mean colour of what is: its edge is then as weak as one may be."""
    if not inside.any():
        return image
    pixels = np.array(image)
    pixels[~inside] = np.rint(pixels[inside].mean(axis=0)).astype(np.uint8)
    return Image.fromarray(pixels)


def _cells_inside(framed: Framed, shape: tuple[int, ...]) -> Mask:
    """Cells of a map of which at least half is looked at, (rows, columns)."""
    if framed.inside is None:
        return np.ones(shape, bool)
    drawn = Image.fromarray(framed.inside.astype(np.float32))
    shares = drawn.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(shares) >= 0.5


def _turned_back(grid: Floats, framed: Framed, size_wh: tuple[int, int]) -> Floats:
    """A map of the framed picture, interpolated at cells of the picture, which are as large."""
    (rows, columns), (width, height) = grid.shape, framed.image.size
    cells = max(1, round(size_wh[1] / height * rows)), max(1, round(size_wh[0] / width * columns))
    cell_px = np.array([width / columns, height / rows])
    own_px = np.array([size_wh[0] / cells[1], size_wh[1] / cells[0]])
    y, x = np.mgrid[: cells[0], : cells[1]] + 0.5
    back = inverse(framed.to_picture)
    at = (np.stack([x, y], axis=-1) * own_px) @ back[:, :2].T + back[:, 2]
    found = _sampled(grid, at / cell_px - 0.5)
    # interpolation lowers peaks, and the highest is the part's score: it goes to the cell that it lies in
    peak = np.unravel_index(int(grid.argmax()), grid.shape)
    of_peak = framed.to_picture[:, :2] @ ((np.array(peak[::-1]) + 0.5) * cell_px) + framed.to_picture[:, 2]
    column, row = np.clip((of_peak / own_px).astype(int), 0, np.array(cells[::-1]) - 1)
    found[row, column] = grid[peak]
    return found


def _sampled(grid: Floats, at_xy: NDArray[np.float64]) -> Floats:
    """Values between cells, by their indices (..., 2); 0 beyond the grid."""
    wide = np.pad(grid, 1)
    x, y = np.clip(at_xy + 1, 0, np.array(wide.shape[::-1]) - 1.001).transpose(2, 0, 1)
    left, top = x.astype(int), y.astype(int)
    right_share, lower_share = x - left, y - top
    upper = wide[top, left] * (1 - right_share) + wide[top, left + 1] * right_share
    lower = wide[top + 1, left] * (1 - right_share) + wide[top + 1, left + 1] * right_share
    return np.asarray(upper * (1 - lower_share) + lower * lower_share, np.float32)


def _around(box: Box, affine: Affine, size_wh: tuple[int, int]) -> Box:
    x1, y1, x2, y2 = box
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]) @ affine[:, :2].T + affine[:, 2]
    low, high = np.clip(corners.min(axis=0), 0, size_wh), np.clip(corners.max(axis=0), 0, size_wh)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
