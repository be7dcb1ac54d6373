"""Lettering: one font made of several, so that a label in mixed scripts can be written in a line."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image, ImageDraw, ImageFont, features

from kenpin.drawing._fonts import faces_for, is_invisible

_ELLIPSIS = "…"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line breaks among them


class Lettering(ImageFont.BaseImageFont):
    """A font for these texts: each run of characters by a face that has them, every line equally high."""

    def __init__(self, texts: Iterable[str], size_px: int) -> None:
        written = [*texts, "Hg" + _ELLIPSIS]
        self._faces = faces_for(ord(letter) for text in written for letter in text if not is_invisible(letter))
        self._fonts = [face.at(size_px) for face in self._faces]
        # lines begin on the left whatever their first letter: runs of several faces cannot be reordered
        self._direction = "ltr" if features.check("raqm") else None
        inks = [
            font.getbbox(run, direction=self._direction, anchor="ls")
            for text in written
            for run, font in self._runs(text)
        ]
        self._ascent_px = math.ceil(max(-top for _, top, _, _ in inks))
        self.height_px = self._ascent_px + math.ceil(max(bottom for _, _, _, bottom in inks))

    def fitted(self, text: str, ending: str, widest_px: float) -> str:
        """The text and its ending in one line; letters are left out from the text's middle where it is wider."""
        text = _CONTROLS.sub(" ", text)
        if self.getlength(text + ending) <= widest_px:
            return text + ending

        def cut(kept: int) -> str:
            return text[: -(-kept // 2)] + _ELLIPSIS + text[len(text) - kept // 2 :] + ending

        return cut(bisect_right(range(1, len(text)), widest_px, key=lambda kept: self.getlength(cut(kept))))

    def getlength(self, text: str | bytes, *args: Any, **kwargs: Any) -> float:
        """Width of a line in pixels."""
        return sum(self._width_px(run, font) for run, font in self._runs(_as_text(text)))

    def getbbox(self, text: str | bytes | bytearray, *args: Any, **kwargs: Any) -> tuple[float, float, float, float]:
        """The line's bounding box in pixels: from its top left corner, as high as every other line."""
        return 0, 0, math.ceil(self.getlength(_as_text(text))), self.height_px

    def getmask(self, text: str | bytes, mode: str = "", *args: Any, **kwargs: Any) -> Any:
        """The line's ink, a picture of the size of `getbbox`."""
        ink = Image.new("L", (math.ceil(self.getlength(text)), self.height_px))
        draw = ImageDraw.Draw(ink)
        x = 0.0
        for run, font in self._runs(_as_text(text)):
            draw.text((x, self._ascent_px), run, fill=255, font=font, anchor="ls", direction=self._direction)
            x += self._width_px(run, font)
        return ink.im

    def _width_px(self, run: str, font: ImageFont.FreeTypeFont) -> float:
        return font.getlength(run, direction=self._direction)

    def _runs(self, text: str) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
        """The text in pieces of one face each; a character that no face has goes with its neighbours."""
        text = _CONTROLS.sub(" ", text)
        if self._direction is None:  # nothing would hide them
            text = "".join(letter for letter in text if not is_invisible(letter))
        start, current = 0, 0
        for index, letter in enumerate(text):
            if is_invisible(letter) or ord(letter) in self._faces[current].characters:
                continue
            better = next((i for i, face in enumerate(self._faces) if ord(letter) in face.characters), current)
            if better != current:
                if index > start:
                    yield text[start:index], self._fonts[current]
                start, current = index, better
        if text[start:]:
            yield text[start:], self._fonts[current]


def _as_text(text: str | bytes | bytearray) -> str:
    return text if isinstance(text, str) else text.decode()
