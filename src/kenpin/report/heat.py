"""Maps over thumbnails: one scale of colours for a page, its bar, and outlines of annotated defects."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from kenpin.heat import colours, cover, in_frame
from kenpin.regions.finding import regions_of_grid
from kenpin.regions.region import DefectRegion, PxPerMm
from kenpin.report import words
from kenpin.report.drawing import linear_axis
from kenpin.run.maps import Maps, Mask, PictureMap
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import translated

_SIDE = 320.0  # units of the longer side, as of the boxes over a thumbnail
_OVERLAY_PX = 96  # longer side of the coloured picture; between its pixels the browser is smooth
_SHADES = 127  # and one for pixels without a value
_BEYOND = 4.0  # thresholds: most that the scale covers, so that a single outlier does not make all others look good
_BAR_WIDTH, _BAR_LEFT = 360, 10
_DARK = 176  # opacity of what is left out, of 255


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """The maps of a page, on one scale of colours."""

    maps: Maps
    high: float
    """Number at which the colours end; they begin at 0. 100, in percent, where each map has its own scale."""
    cut: float | None
    """Number from which a part fails, where the scale is that of the scores."""
    brighter: bool
    """Whether there are numbers beyond the end."""
    px_per_mm: PxPerMm | None = None
    """By which regions are measured in mm too."""

    def unit(self, texts: Texts = ENGLISH) -> str:
        """Unit of the bar."""
        if self.maps.of_score:
            return translated(self.maps.unit, texts) or self.maps.unit
        return texts("% of each map's highest number")

    def over(self, id: str) -> Markup | None:
        """The map of a picture as an overlay on its grey version; None without a map."""
        map_ = self.maps.by_id.get(id)
        if map_ is None:
            return None
        return _laid(map_.size_wh, map_.mask, _coloured(map_, self._shares(map_)), self.regions(id))

    def regions(self, id: str) -> tuple[DefectRegion, ...]:
        """The regions in which a picture's map reaches the number from which parts fail, the largest first."""
        map_ = self.maps.by_id.get(id)
        if map_ is None or self.cut is None:
            return ()
        return regions_of_grid(map_.grid, map_.size_wh, self.cut, region=map_.region, px_per_mm=self.px_per_mm)

    def outline(self, id: str) -> Markup | None:
        """The outline of a picture's annotated defects, as an overlay; None without a mask."""
        map_ = self.maps.by_id.get(id)
        return None if map_ is None or map_.mask is None else outline(map_.mask, map_.size_wh)

    def sentences(self, texts: Texts = ENGLISH) -> list[str]:
        """How the maps are to be read."""
        if self.maps.of_score:
            lines = [
                texts(
                    "Beside each picture is its map. The highest number of a map is the score. All maps have one scale."
                )
            ]
        else:
            lines = [
                texts(
                    "Beside each picture is its map, in percent of its own highest number: it compares regions within "
                    "one picture, not one picture with another. What counts against is as dark as what does not count."
                )
            ]
        if self.cut is not None:
            lines.append(
                texts("Blue lines outline the regions in which a map reaches the number from which parts fail.")
            )
            if self.px_per_mm is not None:
                across, down = (f"{value:.6g}" for value in self.px_per_mm)
                lines.append(
                    texts("Their sizes are by %(scale)s pixels a millimetre.", scale=across)
                    if across == down
                    else texts(
                        "Their sizes are by %(across)s pixels a millimetre across and %(down)s down.",
                        across=across,
                        down=down,
                    )
                )
        if self.brighter:
            lines.append(texts("Numbers beyond the bar have its last colour."))
        if any(map_.mask is not None for map_ in self.maps.by_id.values()):
            lines.append(texts("White lines outline what is annotated as defective."))
        if not self.maps.held_out:
            lines.append(
                texts(
                    "The maps are by the finished inspector, which has learned from some of these pictures; the scores "
                    "are by fits without them, and may be higher than the maps."
                )
            )
        return lines

    def bar(self, texts: Texts = ENGLISH) -> Markup:
        """The colours with their numbers and unit, and the number from which parts fail."""
        step, unit = _BAR_WIDTH / _SHADES, self.unit(texts)
        shades = [
            Markup('<rect x="{:.2f}" y="18" width="{:.2f}" height="12" fill="{}"></rect>').format(
                _BAR_LEFT + i * step, step + 0.5, "#{:02x}{:02x}{:02x}".format(*map(round, colour))
            )
            for i, colour in enumerate(colours(np.linspace(0, 1, _SHADES)).tolist())
        ]

        def mark(number: float, y: float, text: str) -> Markup:
            x = _BAR_LEFT + _BAR_WIDTH * number / self.high
            return Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x, y, text)

        axis = linear_axis(unit, 0.0, self.high)
        marks = [mark(tick, 44, axis.show(tick)) for tick in axis.ticks if tick <= self.high * (1 + 1e-9)]
        if self.cut is not None:
            x = _BAR_LEFT + _BAR_WIDTH * self.cut / self.high
            marks.append(Markup('<path class="cut" d="M{:.1f} 14v20"></path>').format(x))
            marks.append(mark(self.cut, 10, texts("FAIL from %(score)s", score=words.score(self.cut, texts))))
        return Markup(
            '<svg class="bar" role="img" viewBox="0 0 {width} 64"><title>{title}</title>{shades}{marks}'
            '<text class="label" x="{middle}" y="60" text-anchor="middle">{unit}</text></svg>'
        ).format(
            width=_BAR_WIDTH + 2 * _BAR_LEFT,
            title=texts("Colours from 0 to %(high)s, %(unit)s", high=f"{self.high:.4g}", unit=unit),
            shades=Markup("").join(shades),
            marks=Markup("").join(marks),
            middle=_BAR_LEFT + _BAR_WIDTH / 2,
            unit=unit,
        )

    def _shares(self, map_: PictureMap) -> NDArray[np.float64]:
        highest = self.high if self.maps.of_score else float(map_.grid.max())
        return (map_.grid.astype(np.float64) / (highest if highest > 0 else 1.0)).clip(0, 1)


def heat_of(maps: Maps | None, shown: Iterable[str], px_per_mm: PxPerMm | None = None) -> Heat | None:
    """The maps of the pictures that a page shows, on the scale that suits these; None where there are none."""
    kept = {} if maps is None else maps.by_id
    highest = [float(kept[id].grid.max()) for id in shown if id in kept]
    if maps is None or not highest:
        return None
    if not maps.of_score:
        return Heat(maps, 100.0, None, False)
    end, cut = max(highest), maps.fails_from
    if cut is not None and 0 < cut < math.inf:
        end = max(min(end, _BEYOND * cut), cut)
    else:
        cut = None
    return Heat(maps, end if end > 0 else 1.0, cut, max(highest) > end, px_per_mm)


def outline(mask: Mask, size_wh: tuple[int, int]) -> Markup:
    """Lines around the defective pixels of a mask (h, w), to be laid over its picture of this displayed size."""
    return _laid(size_wh, mask)


def darkened(mask: Mask, size_wh: tuple[int, int]) -> Markup:
    """What a mask (h, w) leaves out of its picture in dark, and a line around the rest, to be laid over the picture."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(bytes(6))
    return _laid(size_wh, mask, _data_url(picture, bytes([_DARK, 0])))


def _laid(
    size_wh: tuple[int, int], mask: Mask | None, coloured: str | None = None, regions: Iterable[DefectRegion] = ()
) -> Markup:
    scale = _SIDE / max(size_wh)
    width, height = (side * scale for side in size_wh)
    lines = Markup() if mask is None else _outline(mask, width, height)
    lines += Markup().join(_around(region, scale) for region in regions)
    below = Markup()
    if coloured is not None:
        below = Markup('<image href="{}" width="{:.1f}" height="{:.1f}" preserveAspectRatio="none"></image>').format(
            coloured, width, height
        )
    return Markup('<svg class="boxes" viewBox="0 0 {:.1f} {:.1f}" aria-hidden="true">{}{}</svg>').format(
        width, height, below, lines
    )


def _around(region: DefectRegion, scale: float) -> Markup:
    """The outline of a region."""
    rings = (
        "M" + "L".join(f"{x * scale:.1f} {y * scale:.1f}" for x, y in zip(ring[0::2], ring[1::2], strict=True)) + "z"
        for ring in (*region.rings_px, *region.holes_px)
    )
    return Markup('<path class="region" d="{}"></path>').format("".join(rings))


def _coloured(map_: PictureMap, shares: NDArray[np.float64]) -> str:
    """A data URL of a picture of these numbers, each in its colour, partly transparent."""
    scale = _OVERLAY_PX / max(map_.size_wh)
    width, height = (max(1, round(side * scale)) for side in map_.size_wh)
    # interpolated as numbers: a mixture of two colours would be the colour of another number
    frame = in_frame(shares, (width, height), map_.region)
    seen = np.isfinite(frame)
    numbers = np.where(seen, np.rint(np.where(seen, frame, 0) * (_SHADES - 1)), _SHADES).astype(np.uint8)
    steps = np.linspace(0, 1, _SHADES)
    opacity = np.append(255 * cover(steps), 128)
    picture = Image.fromarray(numbers)
    picture.putpalette(np.rint(np.vstack([colours(steps), [254, 254, 254]])).astype(np.uint8).tobytes())
    return _data_url(picture, np.rint(opacity).astype(np.uint8).tobytes())


def _data_url(picture: Image.Image, opacity: bytes) -> str:
    """A picture in palette colours, each with its opacity."""
    memory = io.BytesIO()
    picture.save(memory, "PNG", optimize=True, transparency=opacity)
    return "data:image/png;base64," + base64.b64encode(memory.getvalue()).decode()


def _outline(mask: NDArray[np.bool_], width: float, height: float) -> Markup:
    """Lines between the pixels of a mask that are defective and those that are not; the picture's edge is one, too."""
    padded = np.pad(mask, 1)
    right, down = width / mask.shape[1], height / mask.shape[0]
    across = [
        f"M{x1 * right:.1f} {y * down:.1f}h{(x2 - x1) * right:.1f}" for y, x1, x2 in _runs(padded[1:] != padded[:-1])
    ]
    upright = [
        f"M{x * right:.1f} {y1 * down:.1f}v{(y2 - y1) * down:.1f}"
        for x, y1, y2 in _runs((padded[:, 1:] != padded[:, :-1]).T)
    ]
    return Markup('<path class="truth" d="{}"></path>').format("".join([*across, *upright]))


def _runs(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Line, start and end of each unbroken run of edges; (lines, cells + 2), the first and last cell never set."""
    turns = np.diff(edges.astype(np.int8), axis=1)
    lines, starts = np.nonzero(turns > 0)
    _, ends = np.nonzero(turns < 0)
    return list(zip(lines.tolist(), starts.tolist(), ends.tolist(), strict=True))
