"""Puts one made defect into a picture of a good part, and tells which pixels it changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.made_defects.shapes import Cover, blob, curved_line
from kenpin.data.object_masks import object_mask
from kenpin.errors import ShapeError
from kenpin.masks import Mask

Kind = Literal["patch", "scratch", "spot", "missing"]
KINDS: tuple[Kind, ...] = ("patch", "scratch", "spot", "missing")
"""A piece of a real picture pasted elsewhere, turned and brighter or darker; a thin curved line, darker or lighter than
what it crosses; a blob, darker or lighter; and a piece that shows what surrounds the object, or the mean of its
border."""
SIZES: dict[Kind, tuple[float, float]] = {
    "patch": (0.06, 0.2),
    "scratch": (0.1, 0.5),
    "spot": (0.02, 0.08),
    "missing": (0.05, 0.15),
}
"""Least and largest diameter of each kind, of a scratch the length, as a share of the picture's shorter side."""
WIDTHS = (0.004, 0.012)
"""Least and largest width of a scratch, as such a share; a pixel at least."""
CONTRASTS = (1.0, 3.0)
"""Least and largest step of brightness of scratches and spots, in standard deviations of the object's brightness."""
_LEAST_STEP, _LARGEST_STEP = 12.0, 110.0  # grey values: below the eye may miss it, above it is painted
_MOVED = 0.5
"""A pasted patch is moved in brightness by such a share of a scratch's step."""
_LEAST_OBJECT = 0.2
"""Share of the picture that an object takes, at least: less is a bore, or a mark on a part that fills the picture."""
_TRIES = 12
_VISIBLE = 0.7
"""Standard deviations that the changed pixels must differ by, in the mean, for a place to be taken at once."""
_ON_OBJECT = 0.7
"""Share of the shape that must lie on the object for a place to be taken at once."""
_AT_EDGE = 0.5
"""How often a missing piece is missing from the object's edge, where there is one."""

Pixels = NDArray[np.float32]
"""Of a window, (h, w, channels), 0 to 255."""
Inside = tuple[slice, slice]
"""Rows and columns of a shape that lie within the picture."""
Fill = Callable[[Pixels, Cover, Inside], Pixels]
"""A window's pixels and how they are covered, and of which part of the shape -> what covers them."""


@dataclass(frozen=True)
class MadeDefect:
    """A picture with a made defect."""

    picture: Image.Image
    """Of the size and mode of the one that it was made in."""
    mask: Mask
    """Which pixels differ from that one, (h, w): one at least."""


@dataclass(frozen=True)
class _Canvas:
    """What a defect is made in."""

    pixels: NDArray[np.uint8]
    """(h, w, channels)."""
    on_object: Mask
    spread: float
    """Standard deviation of the object's brightness."""
    surroundings: Pixels | None
    """Median colour of what surrounds the object, (channels,); None where the object fills the picture."""

    @property
    def side_px(self) -> int:
        """The shorter side."""
        return int(min(self.pixels.shape[:2]))


@dataclass(frozen=True)
class _Change:
    """A window of a picture as it would become."""

    rows: slice
    columns: slice
    pixels: NDArray[np.uint8]
    changed: Mask
    worth: float
    """How visible it is, and how much of it lies on the object: from 1 on both suffice."""


def make_defect(picture: Image.Image, kind: Kind, seed: int, *, source: Image.Image | None = None) -> MadeDefect:
    """The picture with one made defect on its object. The same arguments give the same pixels.

    picture: mode L or RGB; source: a picture that a patch is cut from, by default this one. Raises ShapeError for
    another mode or kind.
    """
    if picture.mode not in ("L", "RGB"):
        raise ShapeError(f"a picture of mode {picture.mode}: a defect is made in one of mode L or RGB.")
    if kind not in KINDS:
        raise ShapeError(f"no made defect is called {kind!r}; they are {', '.join(KINDS)}.")
    draw = np.random.default_rng((seed, KINDS.index(kind)))
    canvas = _canvas_of(picture)
    piece_of = canvas if source is None else _canvas_of(source.convert(picture.mode))
    best: _Change | None = None
    for change in _tried(canvas, kind, draw, piece_of):
        if change.changed.any() and (best is None or change.worth > best.worth):
            best = change
        if best is not None and best.worth >= 1:
            break
    if best is None:
        best = _surely(canvas, draw)
    pixels = canvas.pixels.copy()
    pixels[best.rows, best.columns] = best.pixels
    mask = np.zeros(pixels.shape[:2], bool)
    mask[best.rows, best.columns] = best.changed
    return MadeDefect(Image.fromarray(pixels[..., 0] if picture.mode == "L" else pixels), mask)


def _canvas_of(picture: Image.Image) -> _Canvas:
    pixels, found = np.asarray(picture), object_mask(picture, least=_LEAST_OBJECT, with_holes=False)
    on_object = np.ones(pixels.shape[:2], bool) if found is None else found
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    grey = np.asarray(picture.convert("L"))
    around = None if on_object.all() else np.median(pixels[~on_object], axis=0).astype(np.float32)
    return _Canvas(pixels, on_object, float(grey[on_object].std()), around)


def _tried(canvas: _Canvas, kind: Kind, draw: np.random.Generator, piece_of: _Canvas) -> Iterator[_Change]:
    """One change after another, each of a shape and place of its own."""
    least, largest = SIZES[kind]
    for _ in range(_TRIES):
        size_px = math.exp(draw.uniform(math.log(least), math.log(largest))) * canvas.side_px
        if kind == "scratch":
            cover = curved_line(draw, size_px, max(1.0, draw.uniform(*WIDTHS) * canvas.side_px))
        else:
            cover = blob(draw, size_px)
        places, on_object = canvas.on_object, _ON_OBJECT
        if kind == "missing" and canvas.surroundings is not None and draw.random() < _AT_EDGE:
            places, on_object = _edge_of(canvas.on_object), _ON_OBJECT / 2
        center = _somewhere(places, draw)
        if kind == "patch":
            fill = _pasted(_turned_piece(piece_of, cover.shape, draw), _MOVED * _signed_step(draw, canvas.spread))
        elif kind == "missing":
            fill = _emptied(canvas.surroundings)
        else:
            fill = _shifted(_signed_step(draw, canvas.spread))
        yield _changed(canvas, cover, center, fill, on_object)


def _pasted(piece: Pixels, moved: float) -> Fill:
    return lambda window, cover, inside: piece[inside] + moved


def _emptied(surroundings: Pixels | None) -> Fill:
    """What surrounds the object, or the mean colour just outside the shape."""

    def fill(window: Pixels, cover: Cover, inside: Inside) -> Pixels:
        border = (cover > 0) & (cover < 0.2)
        own = window[border if border.any() else cover > 0].mean(axis=0) if surroundings is None else surroundings
        return np.broadcast_to(own, window.shape)

    return fill


def _shifted(step: float) -> Fill:
    """Lighter or darker by a step; the other way where that ends at white or black."""

    def fill(window: Pixels, cover: Cover, inside: Inside) -> Pixels:
        mean = float(window[cover > 0].mean())
        return window + (step if 0 <= mean + step <= 255 else -step)

    return fill


def _changed(canvas: _Canvas, cover: Cover, center: tuple[int, int], fill: Fill, on_object: float) -> _Change:
    """The window around a place, its covered pixels of the object as `fill` makes them."""
    height, width = canvas.pixels.shape[:2]
    top, left = center[0] - cover.shape[0] // 2, center[1] - cover.shape[1] // 2
    rows = slice(max(top, 0), min(top + cover.shape[0], height))
    columns = slice(max(left, 0), min(left + cover.shape[1], width))
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    before = canvas.pixels[rows, columns]
    window = before.astype(np.float32)
    shown = cover[inside] * canvas.on_object[rows, columns]
    if not shown.any():
        return _Change(rows, columns, before, np.zeros(before.shape[:2], bool), 0.0)
    mixed = window + shown[..., None] * (fill(window, cover[inside], inside) - window)
    pixels = np.rint(mixed).clip(0, 255).astype(np.uint8)
    differs = np.abs(pixels - window).mean(axis=2)
    visible = np.average(differs, weights=shown) / max(_VISIBLE * canvas.spread, _LEAST_STEP / 2)
    whole = float(shown.sum() / cover.sum()) / on_object
    return _Change(rows, columns, pixels, (pixels != before).any(axis=2), min(float(visible), whole, 1.0))


def _surely(canvas: _Canvas, draw: np.random.Generator) -> _Change:
    """One pixel of the object, made as dark or as light as can be told from what it was."""
    row, column = _somewhere(canvas.on_object, draw)
    rows, columns = slice(row, row + 1), slice(column, column + 1)
    window = canvas.pixels[rows, columns]
    step = abs(_signed_step(draw, canvas.spread))
    pixels = np.where(window < 128, window + step, window - step).clip(0, 255).astype(np.uint8)
    return _Change(rows, columns, pixels, np.ones((1, 1), bool), 0.0)


def _signed_step(draw: np.random.Generator, spread: float) -> float:
    """How much lighter or darker, in grey values."""
    step = float(np.clip(draw.uniform(*CONTRASTS) * spread, _LEAST_STEP, _LARGEST_STEP))
    return step if draw.random() < 0.5 else -step


def _somewhere(chosen: Mask, draw: np.random.Generator) -> tuple[int, int]:
    """Row and column of a random pixel among these."""
    flat = np.flatnonzero(chosen)
    row, column = divmod(int(flat[draw.integers(len(flat))]), chosen.shape[1])
    return row, column


def _edge_of(chosen: Mask) -> Mask:
    """Those of these pixels that lie beside others."""
    inner = chosen.copy()
    inner[1:] &= chosen[:-1]
    inner[:-1] &= chosen[1:]
    inner[:, 1:] &= chosen[:, :-1]
    inner[:, :-1] &= chosen[:, 1:]
    return chosen & ~inner


def _turned_piece(source: _Canvas, shape_hw: tuple[int, int], draw: np.random.Generator) -> Pixels:
    """A piece of the object from a random place, turned by a random angle; beyond the picture it is mirrored."""
    height, width = shape_hw
    side, pixels = math.ceil(math.hypot(height, width)) + 2, source.pixels
    # what makes up most of the window is then of the object too, where there is such a place
    inner = _deep_in(source.on_object, max(height, width) // 2)
    center = _somewhere(inner, draw)
    rows, columns = (
        _mirrored(at - side // 2 + np.arange(side), length) for at, length in zip(center, pixels.shape[:2], strict=True)
    )
    block = pixels[np.ix_(rows, columns)]
    turned = Image.fromarray(block[..., 0] if block.shape[2] == 1 else block).rotate(
        draw.uniform(0, 360), Image.Resampling.BILINEAR
    )
    top, left = (side - height) // 2, (side - width) // 2
    piece = np.asarray(turned, np.float32).reshape(side, side, -1)
    return piece[top : top + height, left : left + width]


def _deep_in(chosen: Mask, depth_px: int) -> Mask:
    """Those of these pixels that have others of them so far above, below, left and right; all where there are none."""
    if chosen.all():
        return chosen
    inner = chosen.copy()
    for axis, step in ((0, depth_px), (0, -depth_px), (1, depth_px), (1, -depth_px)):
        inner &= np.roll(chosen, step, axis)
    return inner if inner.any() else chosen


def _mirrored(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices beyond 0 to length, reflected into it."""
    within = index % (2 * length)
    return np.minimum(within, 2 * length - 1 - within)
