"""Where a part lies in its picture: turn and shift against a reference picture, by OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.errors import MissingExtraError
from kenpin.installing import installing

Affine = NDArray[np.float64]
"""(2, 3): x, y of one frame -> x, y of another, in pixels, the centre of the first pixel at (0.5, 0.5)."""
STRAIGHT: Affine = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

_COARSE_PX, _FINE_PX = 256, 512  # of the longer side, at which turns are tried, and refined
_ANGLES = np.arange(-10.0, 10.1, 1.0)  # degrees that are tried at first
_BLUR_PX = 5
_STEPS, _PRECISION = 100, 1e-7
LEAST_CORRELATION = 0.5
"""Between an aligned picture and its reference; below it they do not show the same."""


class NotAlignedError(ValueError):
    """A picture that does not lie over the reference, however it is turned and shifted."""

    code, remedy = "image-not-aligned", "Leave it out, or align to a picture that it is like"
    """As of a `PictureError`."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Brings pictures over a reference: turned by at most 10 degrees, shifted by as much as leaves most of it in sight.

    The turn is looked for by phase correlation with the reference turned by each degree, and both are then refined by
    the enhanced correlation coefficient (Evangelidis & Psarakis 2008). Raises MissingExtraError.
    """

    reference: NDArray[np.uint8]
    """Grey, (h, w)."""

    def __post_init__(self) -> None:
        check_alignment_installed()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Of the reference, and of pictures that lie over it."""
        return self.reference.shape[1], self.reference.shape[0]

    def find(self, image: Image.Image) -> Affine:
        """From the frame of the reference to that of a picture of its size. Raises NotAlignedError."""
        if image.size != self.size_wh:
            (width, height), (own_width, own_height) = image.size, self.size_wh
            raise NotAlignedError(
                f"it has {width} × {height} pixels and the reference of the alignment {own_width} × {own_height}"
            )
        import cv2

        grey = np.asarray(image.convert("L"))
        coarse, seen = self._small(grey, _COARSE_PX), self._small(grey, _FINE_PX)
        turned, window = self._turned
        # of copies: what it is given it may write into
        tried = [(*cv2.phaseCorrelate(one.copy(), coarse * window), angle) for angle, one in turned]
        (right, down), _, angle = max(tried, key=lambda found: found[1])
        start = _about_centre(angle, seen.shape)
        start[:, 2] += np.array((right, down)) * seen.shape[1] / coarse.shape[1]
        try:
            likeness, found = cv2.findTransformECC(
                self._small(self.reference, _FINE_PX),
                seen,
                start.astype(np.float32),
                cv2.MOTION_EUCLIDEAN,
                (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, _PRECISION),
                np.full(seen.shape, 255, np.uint8),
                _BLUR_PX,
            )
        except cv2.error as error:  # it does not converge
            raise NotAlignedError("it cannot be brought over the reference of the alignment") from error
        if not likeness >= LEAST_CORRELATION:
            raise NotAlignedError(
                f"it is too little like the reference of the alignment (correlation {likeness:.2f}, needed "
                f"{LEAST_CORRELATION:g})"
            )
        return self._full_size(np.asarray(found, np.float64))

    @cached_property
    def _turned(self) -> tuple[list[tuple[float, NDArray[np.float32]]], NDArray[np.float32]]:
        """The small reference turned by each angle that is tried, behind a window that hides the edges; and this."""
        import cv2

        small = self._small(self.reference, _COARSE_PX)
        size = (small.shape[1], small.shape[0])
        how: Any = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
        window: NDArray[np.float32] = np.outer(np.hanning(size[1]), np.hanning(size[0])).astype(np.float32)
        turned = [
            (angle, cv2.warpAffine(small, inverse(_about_centre(angle, small.shape)), size, **how) * window)
            for angle in _ANGLES.tolist()
        ]
        return turned, window

    def _small(self, grey: NDArray[np.uint8], side_px: int) -> NDArray[np.float32]:
        width, height = (max(1, round(side * self._scale(side_px))) for side in self.size_wh)
        # a box would shift what it shrinks by a fifth of a pixel
        small = Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(small, np.float32)

    def _scale(self, side_px: int) -> float:
        return min(1.0, side_px / max(self.size_wh))

    def _full_size(self, found: NDArray[np.float64]) -> Affine:
        """From pixels by number of the small pictures to pixels of the full ones."""
        turn = found[:, :2]
        shift = found[:, 2] + 0.5 - turn @ (0.5, 0.5)
        return np.column_stack([turn, shift / self._scale(_FINE_PX)])


def _about_centre(angle_degrees: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A turn about the middle of a picture, by numbers of pixels."""
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    cos, sin = np.cos(np.radians(angle_degrees)), np.sin(np.radians(angle_degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, middle - turn @ middle])


def _square(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([affine, (0.0, 0.0, 1.0)])


def inverse(affine: Affine) -> Affine:
    """The way back."""
    return np.asarray(np.linalg.inv(_square(affine))[:2], np.float64)


def check_alignment_installed() -> None:
    """Raises MissingExtraError where OpenCV is not there."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"pictures are aligned by OpenCV: {installing('align')}") from error
