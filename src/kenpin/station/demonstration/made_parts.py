"""Made parts of two products, and of a third that the station does not know: drawn, and the same for the same seed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PLATES, DISCS, FOREIGN = "plates", "discs", "nuts"
DEFECTS = {PLATES: ("scratch",), DISCS: ("chip", "stain")}
"""Classes of defects of each product."""
GOOD = "ok"
_SIZE_WH = (224, 168)
_Draw = Callable[[ImageDraw.ImageDraw, np.random.Generator], None]


@dataclass(frozen=True, slots=True)
class MadePart:
    """A part, and what it is."""

    product: str
    defect: str | None
    """Class of its defect; None: it is good."""
    seed: int

    @property
    def png(self) -> bytes:
        """Its picture as a file."""
        file = io.BytesIO()
        drawn(self).save(file, "PNG")
        return file.getvalue()


def drawn(part: MadePart) -> Image.Image:
    """The picture of a part, mode RGB."""
    draw = np.random.default_rng(part.seed)
    width, height = _SIZE_WH
    light = draw.uniform(-12, 12) + np.linspace(-6, 6, width)[None, :] * draw.uniform(-1, 1)
    grey = draw.normal({PLATES: 58, DISCS: 88, FOREIGN: 70}[part.product] + light, 4, (height, width))
    picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    canvas = ImageDraw.Draw(picture)
    {PLATES: _plate, DISCS: _disc, FOREIGN: _nut}[part.product](canvas, draw)
    if part.defect is not None:
        {"scratch": _scratch, "chip": _chip, "stain": _stain}[part.defect](canvas, draw)
    soft = picture.filter(ImageFilter.GaussianBlur(0.8))
    noisy = np.asarray(soft, np.float64) + draw.normal(0, 3, (height, width, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write_good(folder: Path, product: str, count: int, first_seed: int) -> Path:
    """Pictures of good parts below `folder/ok`; returns the folder."""
    return _write(folder / GOOD, [MadePart(product, None, first_seed + number) for number in range(count)]).parent


def write_defective(folder: Path, product: str, count: int, first_seed: int) -> Path:
    """Pictures of defective parts below `folder`, a folder for each class; returns the folder."""
    for place, defect in enumerate(DEFECTS[product]):
        first = first_seed + place * count
        _write(folder / defect, [MadePart(product, defect, first + number) for number in range(count)])
    return folder


def _write(folder: Path, parts: list[MadePart]) -> Path:
    folder.mkdir(parents=True)
    for part in parts:
        (folder / f"{part.seed:06}.png").write_bytes(part.png)
    return folder


def _plate(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    x, y = (int(value) for value in draw.integers(22, 32, 2))
    metal = int(draw.integers(150, 172))
    canvas.rectangle((x, y, x + 166, y + 108), fill=(metal, metal, metal - 8), outline=(metal - 50,) * 3, width=2)
    for left in (18, 140):
        for top in (16, 84):
            canvas.ellipse((x + left, y + top, x + left + 12, y + top + 12), fill=(34, 34, 36))


def _disc(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    x, y = (int(value) for value in draw.integers((104, 78), (118, 90)))
    metal = int(draw.integers(176, 200))
    for radius, shade in ((66, metal - 70), (63, metal), (40, metal - 26), (22, metal - 6), (10, 40)):
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(shade, shade - 4, shade - 14))


def _nut(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    x, y = (int(value) for value in draw.integers((100, 76), (124, 92)))
    metal = int(draw.integers(196, 214))
    canvas.regular_polygon((x, y, 62), 6, rotation=int(draw.integers(0, 60)), fill=(metal, metal - 30, metal - 90))
    canvas.ellipse((x - 28, y - 28, x + 28, y + 28), fill=(48, 46, 44))


def _scratch(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    x1, y1, x2, y2 = (float(value) for value in draw.uniform((50, 45, 110, 80), (90, 80, 170, 120)))
    canvas.line((x1, y1, x2, y2), fill=(206, 206, 208), width=int(draw.integers(2, 5)))


def _chip(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    turn = draw.uniform(0, 2 * np.pi)
    x, y = 110 + 60 * np.cos(turn), 84 + 60 * np.sin(turn)
    size = int(draw.integers(11, 18))
    canvas.regular_polygon((float(x), float(y), size), 5, rotation=int(draw.integers(0, 72)), fill=(60, 60, 62))


def _stain(canvas: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    turn, far = draw.uniform(0, 2 * np.pi), draw.uniform(26, 46)
    x, y = 110 + far * np.cos(turn), 84 + far * np.sin(turn)
    rx, ry = (float(value) for value in draw.uniform(9, 17, 2))
    canvas.ellipse((x - rx, y - ry, x + rx, y + ry), fill=(118, 84, 52))
