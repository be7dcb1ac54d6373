"""Rules by which a path or a code says product and lot, and the codes in pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import MissingExtraError
from kenpin.installing import installing
from kenpin.nearest import did_you_mean

RegionPx = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels of the picture, origin at its top left corner; x2 and y2 lie outside."""

FIELDS = ("product", "lot")
_PIECES = re.compile(r"\{([^{}]*)\}|(\*\*)|(\*)|([^{}*]+)|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a part belongs to; None where nothing says it."""

    product: str | None = None
    lot: str | None = None

    def or_else(self, other: Belonging) -> Belonging:
        """With the other's where this one has none."""
        return Belonging(self.product or other.product, self.lot or other.lot)


NOTHING = Belonging()


def check_rule(rule: str) -> str:
    """The rule. Raises ValueError, one sentence, where it cannot be one."""
    _compiled(rule)
    return rule


def check_region(region: RegionPx) -> RegionPx:
    """The region. Raises ValueError where it has no pixels."""
    x1, y1, x2, y2 = region
    if min(x1, y1) < 0 or x2 <= x1 or y2 <= y1:
        raise ValueError(f"{list(region)} is not a region; give x1, y1, x2, y2 with x1 below x2 and y1 below y2.")
    return region


def belonging_by(rule: str | None, text: str) -> Belonging:
    """Product and lot that a rule finds in a text; nothing where it does not fit.

    `{product}` and `{lot}` stand for a text without a slash, `*` for any text without one, `**` for any text.

    >>> belonging_by("{product}/{lot}_*.png", "valve/L7_0001.png")
    Belonging(product='valve', lot='L7')
    >>> belonging_by("{lot}/**", "L7/left/0001.png").lot
    'L7'
    """
    found = None if rule is None else _compiled(rule).fullmatch(text)
    return NOTHING if found is None else Belonging(**found.groupdict())


@cache
def _compiled(rule: str) -> re.Pattern[str]:
    pattern, names = "", []
    for name, any_text, any_name, literal, odd in _PIECES.findall(rule):
        if odd:
            raise ValueError(f"{rule!r} has a brace without its other half; write {{lot}}.")
        if literal:
            pattern += re.escape(literal)
        elif any_text:
            pattern += ".*"
        elif any_name:
            pattern += "[^/]*"
        elif name not in FIELDS:
            raise ValueError(f"{{{name}}} is not known; {did_you_mean(name, FIELDS)}")
        elif name in names:
            raise ValueError(f"{{{name}}} is there twice; name it once.")
        else:
            names.append(name)
            pattern += f"(?P<{name}>[^/]+?)"
    if not names:
        raise ValueError(f"{rule!r} names neither {{product}} nor {{lot}}; write one of them in it.")
    return re.compile(pattern, re.DOTALL)


def check_barcodes_installed() -> None:
    """Raises MissingExtraError where what reads codes is not installed."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"codes in pictures are read by OpenCV: {installing('barcode')}") from error


def code_in(grey: NDArray[np.uint8], region: RegionPx | None) -> str | None:
    """The text of the first QR code, EAN or UPC in a region of grey values, (h, w); None where there is none that can
    be read. Raises MissingExtraError."""
    check_barcodes_installed()
    import cv2

    if region is not None:
        x1, y1, x2, y2 = region
        grey = grey[y1:y2, x1:x2]
    if not grey.size:
        return None
    grey = np.ascontiguousarray(grey)
    try:
        text, _, _ = cv2.QRCodeDetector().detectAndDecode(grey)
        if not text:
            text = next((one for one in cv2.barcode.BarcodeDetector().detectAndDecodeMulti(grey)[1] if one), "")
    except cv2.error:  # what looks like a code, and is none
        return None
    return str(text) or None
