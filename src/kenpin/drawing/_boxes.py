"""Boxes and outlines on pictures, each with its label and score; boxes and labels are drawn by supervision."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kenpin.boxes import clip
from kenpin.drawing._lettering import Lettering
from kenpin.errors import MissingExtraError
from kenpin.installing import installing
from kenpin.masks import rings_of
from kenpin.records import Detections

_SMALLEST_PX = 480
"""Longer side below which a picture is enlarged: on a smaller one, labels hide their boxes."""
_SMALLEST_TEXT_PX = 15
# distinct for colour-blind readers too (Okabe & Ito 2008, the last four in between), on dark and on bright parts
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#b8e186", "#8c6bb1",
            "#a6611a", "#ffffff", "#fb9a99")  # fmt: skip
_HALO = "#101010"
_LEFT_TO_RIGHT = "\u200e"  # invisible; without it the score would be shown before an Arabic label


def draw_detections(
    picture: Image.Image, detections: Detections, *, labels: Sequence[str] = (), longest_px: int | None = None
) -> Image.Image:
    """The picture, mode RGB, with the outline or box of each detection and its label, with the score where it has one.

    `labels`: all classes in order, of which each has its colour; one that is not among them takes its colour from its
    name. First a small picture is enlarged, and one whose longer side exceeds `longest_px` is shrunk to it.
    Raises MissingExtraError.
    """
    canvas = _resized(picture.convert("RGB"), longest_px)
    if not len(detections):
        return canvas
    try:
        import supervision
    except ImportError as error:
        raise MissingExtraError(f"boxes are drawn by supervision: {installing('detection')}") from error
    readable_px = max(_SMALLEST_TEXT_PX, round(math.sqrt(canvas.width * canvas.height) / 55))
    text_px = max(4, min(readable_px, canvas.height // 2))  # a label is about one and a half times as high
    line_px, padding_px = max(2, text_px // 7), max(1, text_px // 5)
    scores = detections.scores or (None,) * len(detections)
    endings = ["" if score is None else f"{_LEFT_TO_RIGHT} {score:.2f}" for score in scores]
    lettering = Lettering([a + b for a, b in zip(detections.labels, endings, strict=True)], text_px)
    widest_px = canvas.width - 2 * padding_px
    captions = [lettering.fitted(a, b, widest_px) for a, b in zip(detections.labels, endings, strict=True)]

    # the lines of a box that fills the picture lie within it
    inner_wh = canvas.width - 1 - line_px, canvas.height - 1 - line_px
    scale = np.array([canvas.width / picture.width, canvas.height / picture.height] * 2)
    boxes = clip(np.array(detections.boxes_xyxy_px) * scale - line_px / 2, inner_wh) + line_px / 2
    colours = np.array([_colour_of(label, labels) for label in detections.labels])
    shown = supervision.Detections(xyxy=boxes, class_id=colours)
    palette = supervision.ColorPalette.from_hex(list(_COLOURS))
    halo = supervision.BoxAnnotator(supervision.Color.from_hex(_HALO), thickness=line_px + 2)
    frames = supervision.BoxAnnotator(palette, thickness=line_px)
    names = supervision.RichLabelAnnotator(
        palette,
        text_color=supervision.ColorPalette.from_hex([_ink_on(colour) for colour in _COLOURS]),
        text_padding=padding_px,
        smart_position=True,
    )
    names.font = lettering  # type: ignore[assignment]  # Pillow writes with every BaseImageFont
    drawn = _drawn_outlines(canvas, picture.size, detections, colours.tolist(), line_px)
    framed = supervision.Detections(xyxy=boxes[~drawn], class_id=colours[~drawn])
    annotated: Image.Image = names.annotate(frames.annotate(halo.annotate(canvas, framed), framed), shown, captions)
    return annotated


def _drawn_outlines(
    canvas: Image.Image, size_wh: tuple[int, int], detections: Detections, colours: Sequence[int], line_px: int
) -> NDArray[np.bool_]:
    """Draw the outlines, which stand for their boxes, (n,): for which there is one."""
    drawn = np.zeros(len(detections), bool)
    ink = ImageDraw.Draw(canvas)
    scale = np.array([canvas.width / size_wh[0], canvas.height / size_wh[1]])
    for number, outline in enumerate(detections.outlines or ()):
        if outline is None or (outline.size_wh is not None and outline.size_wh != size_wh):
            continue
        drawn[number] = True
        for ring in rings_of(outline):
            corners = (np.array([*ring, *ring[:2]]).reshape(-1, 2) * scale - 0.5).clip(-1, [2 * s for s in canvas.size])
            points = [(float(x), float(y)) for x, y in corners]
            ink.line(points, fill=_HALO, width=line_px + 2, joint="curve")
            ink.line(points, fill=_COLOURS[colours[number]], width=line_px, joint="curve")
    return drawn


def _resized(picture: Image.Image, longest_px: int | None) -> Image.Image:
    longer = max(picture.size)
    wanted = max(longer, _SMALLEST_PX) if longest_px is None else min(max(longer, _SMALLEST_PX), longest_px)
    if wanted == longer:
        return picture
    # integer factors first, so that the inspector's pixels stay squares
    factor = max(1, -(-wanted // longer))
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    size_wh = max(1, round(picture.width * wanted / longer)), max(1, round(picture.height * wanted / longer))
    return enlarged.resize(size_wh, Image.Resampling.LANCZOS)


def _colour_of(label: str, labels: Sequence[str]) -> int:
    if label in labels:
        return labels.index(label) % len(_COLOURS)
    return hashlib.blake2b(label.encode(), digest_size=1).digest()[0] % len(_COLOURS)


def _ink_on(colour: str) -> str:
    """Black or white, whichever is read more easily on the colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "#ffffff"
