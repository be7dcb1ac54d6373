"""Maps over pictures: the picture, each map laid over it, and a colour bar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kenpin.drawing._lettering import Lettering
from kenpin.drawing._regions import draw_regions, size_labels, told_title, write_sizes
from kenpin.heat import colours, cover
from kenpin.records import Map
from kenpin.regions.region import DefectRegion

_SHORTEST_PX, _LONGEST_PX = 360, 900
"""Limits of the longer side of a drawn picture."""
_MOST_ACROSS = 3
_INK, _PAPER = "#1c1c1c", "#ffffff"


def draw_maps(
    picture: Image.Image,
    maps: Sequence[Map],
    *,
    fails_from: float | None = None,
    regions: Sequence[DefectRegion] = (),
) -> Image.Image:
    """The picture, mode RGB, with the outlines and sizes of its regions, and beside it a panel for each map: its
    colours over the picture in grey, and a colour bar with numbers and unit. regions: the largest first.

    The colours begin at 0 and end at the map's highest number, or at `fails_from` where that is higher: then a good
    part stays dark, and a line marks that number on the bar.
    """
    scale = min(max(max(picture.size), _SHORTEST_PX), _LONGEST_PX) / max(picture.size)
    size_wh = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    shown = picture.convert("RGB").resize(size_wh, smooth)
    title = told_title(regions)
    captions = [f"{map_.shows}{'' if map_.score is None else f', {_number(map_.score)} {map_.unit}'}" for map_ in maps]
    text = Lettering(
        [title, *captions, "0123456789.-−e% fails from", *(map_.unit for map_ in maps), *size_labels(regions)],
        max(13, size_wh[0] // 32),
    )
    panels = [_panel(shown, map_, line, text, fails_from) for map_, line in zip(maps, captions, strict=True)]
    if regions:
        shown = shown.copy()
        draw_regions(shown, regions, picture.size)
        write_sizes(shown, regions, picture.size, text)
    return _beside([_titled(shown, title, text), *panels], gap_px=text.height_px)


def draw_layer(map_: Map, *, fails_from: float | None = None) -> Image.Image:
    """The map's colours alone, mode RGBA, to be laid over the picture; its longer side has at most 900 pixels. Colours
    are those of `draw_maps`; what lies low is clear, so that the picture shows through."""
    height, width = map_.values.shape
    scale = min(1.0, _LONGEST_PX / max(width, height))
    low, high = _limits(map_, fails_from)
    shares, seen = _shares(map_, (max(1, round(width * scale)), max(1, round(height * scale))), low, high)
    opacity = np.where(seen, shares, 0)[..., None] * 255
    return Image.fromarray(np.rint(np.concatenate([colours(shares), opacity], axis=-1)).astype(np.uint8))


def _panel(shown: Image.Image, map_: Map, caption: str, text: Lettering, fails_from: float | None) -> Image.Image:
    low, high = _limits(map_, fails_from)
    bar = _bar(max(shown.height, 9 * text.height_px), low, high, map_.unit, text, fails_from)
    laid = _laid_over(shown, map_, low, high)
    panel = Image.new("RGB", (laid.width + bar.width, bar.height), _PAPER)
    panel.paste(laid)
    panel.paste(bar, (laid.width, 0))
    return _titled(panel, caption, text)


def _limits(map_: Map, fails_from: float | None) -> tuple[float, float]:
    seen = map_.values[np.isfinite(map_.values)]
    low, high = (min(0.0, float(seen.min())), float(seen.max())) if seen.size else (0.0, 1.0)
    if fails_from is not None and math.isfinite(fails_from):
        high = max(high, fails_from)
    return low, high if high > low else low + 1.0


def _shares(
    map_: Map, size_wh: tuple[int, int], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The map at another size: its numbers from 0 at `low` to 1 at `high`, and where it has some."""
    known = np.isfinite(map_.values)
    filled = Image.fromarray(np.where(known, map_.values, low).astype(np.float32))
    shares = (np.asarray(filled.resize(size_wh, Image.Resampling.BILINEAR), np.float64) - low) / (high - low)
    return shares.clip(0, 1), np.asarray(Image.fromarray(known).resize(size_wh, Image.Resampling.NEAREST))


def _laid_over(shown: Image.Image, map_: Map, low: float, high: float) -> Image.Image:
    shares, seen = _shares(map_, shown.size, low, high)
    share = np.where(seen, cover(shares), 0)[..., None]
    grey = np.asarray(shown.convert("L").convert("RGB"), np.float64)
    grey[~seen] = 0.5 * grey[~seen] + 127  # pale: nobody looked there
    laid = Image.fromarray(np.rint(share * colours(shares) + (1 - share) * grey).astype(np.uint8))
    if map_.box is not None:
        scale = np.array([shown.width / map_.values.shape[1], shown.height / map_.values.shape[0]] * 2)
        x1, y1, x2, y2 = np.array(map_.box) * scale
        draw = ImageDraw.Draw(laid)
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=_INK)
        draw.rectangle((x1, y1, x2, y2), outline=_PAPER)
    return laid


def _bar(height: int, low: float, high: float, unit: str, text: Lettering, fails_from: float | None) -> Image.Image:
    """The colour bar with its numbers, as high as the picture."""
    line = text.height_px
    top, bottom, left, wide = round(1.6 * line), height - line, line // 2, line
    marks = _ticks(low, high, most=max(2, (bottom - top) // (2 * line)))
    fails = None
    if fails_from is not None and low < fails_from <= high:
        fails = (fails_from, f"fails from {_number(fails_from)}")

    def y_of(number: float) -> float:
        return bottom - (number - low) / (high - low) * (bottom - top)

    if fails is not None:  # no other number beside its own
        marks = [mark for mark in marks if abs(y_of(mark[0]) - y_of(fails[0])) > 1.3 * line] + [fails]
    width = left + wide + line // 2 + math.ceil(max(text.getlength(word) for word in (unit, *(w for _, w in marks))))
    canvas = Image.new("RGB", (width + line // 2, height), _PAPER)
    gradient = colours(np.linspace(1, 0, bottom - top))[:, None].repeat(wide, axis=1)
    canvas.paste(Image.fromarray(np.rint(gradient).astype(np.uint8)), (left, top))
    draw = ImageDraw.Draw(canvas)
    draw.text((left, 0), unit, fill=_INK, font=text)
    for number, word in marks:
        y = y_of(number)
        draw.line((left + wide, y, left + wide + line // 4, y), fill=_INK)
        draw.text((left + wide + line // 2, y - line / 2), word, fill=_INK, font=text)
    if fails is not None:
        y = y_of(fails[0])
        draw.line((left, y, left + wide, y), fill=_PAPER, width=3)
        draw.line((left, y, left + wide, y), fill=_INK)
    return canvas


def _ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers from low to high, at most `most`, with their texts."""
    rough = (high - low) / most
    power = math.floor(math.log10(rough))
    step = next(factor * 10.0**power for factor in (1, 2, 5, 10) if factor * 10.0**power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    numbers = [number * step for number in range(first, last + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 5 or power > 6:
        return [(number, _number(number)) for number in numbers]
    return [(number, f"{number:,.{decimals}f}".replace("-", "−")) for number in numbers]


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _titled(panel: Image.Image, caption: str, text: Lettering) -> Image.Image:
    head = round(1.5 * text.height_px)
    titled = Image.new("RGB", (panel.width, panel.height + head), _PAPER)
    titled.paste(panel, (0, head))
    ImageDraw.Draw(titled).text((0, 0), text.fitted(caption, "", panel.width), fill=_INK, font=text)
    return titled


def _beside(panels: Sequence[Image.Image], gap_px: int) -> Image.Image:
    """Panels in rows."""
    columns = min(len(panels), _MOST_ACROSS)
    height = max(panel.height for panel in panels) + gap_px
    widths = [max(panel.width for panel in panels[column::columns]) + gap_px for column in range(columns)]
    rows = -(-len(panels) // columns)
    canvas = Image.new("RGB", (sum(widths) + gap_px, rows * height + gap_px), _PAPER)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        canvas.paste(panel, (gap_px + sum(widths[:column]), gap_px + row * height))
    return canvas
