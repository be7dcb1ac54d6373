"""How pictures were taken: blurred, dark, bright, flat, of another shape or colour than the rest of the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from kenpin.data.doctor.subject import listed
from kenpin.data.picture_look import sharpness_of, small_grey
from kenpin.plural import counted, is_are
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from PIL import Image

    from kenpin.data.doctor.subject import Subject

_FEWEST = 8  # pictures, with fewer of which there is no rest to compare with
_MOST = 0.05  # share of the pictures that may be odd: what more of them are is how the product looks
_APART = 6.0  # distances from the median, in units of the usual distance from it
_NORMAL = 1.4826  # the median distance from the median, of normal numbers, is the standard deviation divided by this


@dataclass(frozen=True, slots=True)
class Quality:
    """What is measured of one picture; grey values from 0 to 255."""

    dark: float
    """Grey value below which 5 % of the pixels lie."""
    bright: float
    """Grey value below which 95 % of the pixels lie."""
    sharpness: float
    """Standard deviation of the Laplacian, in grey values, at a longer side of 256 pixels at most."""
    shape: float
    """Width divided by height."""
    colour: tuple[float, float, float]
    """Mean red, green and blue."""


def quality_of(picture: Image.Image) -> Quality:
    """Measure one picture, mode RGB."""
    grey = small_grey(picture)
    dark, bright = _percentiles(grey)
    width, height = picture.size
    red, green, blue = np.asarray(picture.resize((1, 1), Resampling.BOX, reducing_gap=1.0))[0, 0].tolist()
    return Quality(dark, bright, sharpness_of(grey), width / height, (red, green, blue))


def _percentiles(grey: NDArray[np.uint8]) -> tuple[float, float]:
    shares = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
    dark, bright = np.searchsorted(shares, (0.05, 0.95)).tolist()
    return float(dark), float(bright)


@dataclass(frozen=True, slots=True)
class _Check:
    """A way in which a picture may be unlike the rest."""

    code: str
    is_odd: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
    """Of the measured values (n, 7) and their medians (7,), which pictures are odd, (n,)."""
    what: str
    remedy: str


_DARK, _BRIGHT, _SHARP, _SHAPE = range(4)
_COLOUR = slice(4, 7)


def _apart(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each value lies from the median, in units of the usual distance from it, signed. (n,) -> (n,)."""
    from_median = values - np.median(values)
    return from_median / max(_NORMAL * float(np.median(np.abs(from_median))), 1e-9)


def _colours_apart(values: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.bool_]:
    # the colour alone: brightness has checks of its own
    tint = values[:, _COLOUR] - values[:, _COLOUR].mean(axis=1, keepdims=True)
    usual_tint = np.median(tint, axis=0)
    distances = np.abs(tint - usual_tint).max(axis=1)
    return np.asarray((distances > 25) & (_apart(distances) > _APART))


_CHECKS = (
    _Check(
        "image-dark",
        lambda v, usual: (v[:, _BRIGHT] < 0.4 * usual[_BRIGHT]) & (_apart(v[:, _BRIGHT]) < -_APART),
        "much darker than the others",
        "Take it again with the lamp on, or leave it out",
    ),
    _Check(
        "image-bright",
        lambda v, usual: (v[:, _DARK] > usual[_DARK] + 0.5 * (255 - usual[_DARK])) & (_apart(v[:, _DARK]) > _APART),
        "much brighter than the others",
        "Take it again with a shorter exposure, or leave it out",
    ),
    _Check(
        "image-flat",
        lambda v, usual: (
            (v[:, _BRIGHT] - v[:, _DARK] < 0.2 * np.median(v[:, _BRIGHT] - v[:, _DARK]))
            & (_apart(v[:, _BRIGHT] - v[:, _DARK]) < -_APART / 2)
        ),
        "nearly of one grey, unlike the others",
        "Look whether a part is in it; else leave it out",
    ),
    _Check(
        "image-blurred",
        lambda v, usual: (v[:, _SHARP] < 0.4 * usual[_SHARP]) & (_apart(np.log(v[:, _SHARP] + 0.1)) < -_APART),
        "blurred, compared with the others",
        "Take it again in focus, or leave it out",
    ),
    _Check(
        "image-odd-shape",
        lambda v, usual: np.abs(np.log(v[:, _SHAPE] / usual[_SHAPE])) > np.log(1.25),
        "of another shape than the others",
        "Cut it as the others are cut: a network scales all to one shape",
    ),
    _Check(
        "image-odd-colour",
        _colours_apart,
        "of another colour than the others",
        "Look whether it shows the same product under the same light; else leave it out",
    ),
)


def quality_findings(subject: Subject) -> Iterator[Finding]:
    """Findings on pictures that were taken otherwise than the rest; none where so many are that it is the product."""
    measured = [
        (name, look.quality) for name, look in zip(subject.ids, subject.looks, strict=True) if look.quality is not None
    ]
    if len(measured) < _FEWEST:
        return
    values = np.array([(q.dark, q.bright, q.sharpness, q.shape, *q.colour) for _, q in measured])
    usual = np.median(values, axis=0)
    told = np.zeros(len(measured), bool)  # a dark picture is flat, and looks blurred: the first that holds is said
    for check in _CHECKS:
        is_odd = check.is_odd(values, usual) & ~told
        odd = np.flatnonzero(is_odd)
        if 0 < len(odd) <= max(1, _MOST * len(measured)):
            told |= is_odd
            yield _finding(check, [measured[index][0] for index in odd.tolist()], subject.name)


def _finding(check: _Check, names: Sequence[str], where: str) -> Finding:
    what = f"{counted(len(names), 'picture')} {is_are(len(names))} {check.what}: {listed(names)}"
    return Finding(Severity.WARNING, check.code, where, what, check.remedy, tuple(names))
