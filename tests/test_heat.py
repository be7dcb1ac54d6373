"""Drawn maps: the colours are inferno's, the bar says what they mean, and a good part stays dark."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kenpin.drawing._heat import _bar, _ticks, draw_maps
from kenpin.drawing._lettering import Lettering
from kenpin.heat import colours
from kenpin.records import Map

GREY = Image.new("RGB", (200, 100), (128, 128, 128))


def _peak(height: int = 100, width: int = 200, highest: float = 8.0) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width]
    return np.asarray(highest * np.exp(-((x - 0.75 * width) ** 2 + (y - 0.25 * height) ** 2) / 200), np.float32)


def test_colours_are_inferno_s() -> None:
    shares = np.linspace(0, 1, 256)
    table = 255 * np.array(matplotlib.colormaps["inferno"](np.arange(256)))[:, :3]
    assert np.abs(colours(shares) - table).max() < 2


def _panel(one: Map, *, fails_from: float | None = None) -> NDArray[np.int64]:
    """The picture under the map as it was drawn, (height, width, 3)."""
    drawn = np.asarray(draw_maps(GREY, [one], fails_from=fails_from), np.int64)
    rows = np.flatnonzero(
        (drawn == 128).all(axis=2).sum(axis=1) >= 360
    )  # those of the picture itself, in the first panel
    gap = int((drawn[rows[0]] == 128).all(axis=1).argmax())
    return drawn[rows[0] : rows[-1] + 1, 2 * gap + 360 : 2 * gap + 720]


def test_the_highest_number_shines_where_it_is() -> None:
    panel = _panel(Map(_peak(), "what", "unit")).sum(axis=2)
    y, x = np.unravel_index(panel.argmax(), panel.shape)
    assert (x / panel.shape[1], y / panel.shape[0]) == pytest.approx((0.75, 0.25), abs=0.03)


def test_a_good_part_stays_dark() -> None:
    """Its numbers lie far below those from which a part fails."""
    low = Map(_peak(highest=1.0), "what", "D²/k", score=1.0)
    assert _panel(low, fails_from=20.0).max() < 130 < _panel(low).max()


def test_what_was_not_looked_at_is_pale() -> None:
    values = _peak()
    values[:, :60] = np.nan
    panel = _panel(Map(values, "what", "unit"))
    assert (panel[:, :100] == 191).all()
    assert panel[:, 112:].min() < 128


def test_a_detection_s_box_is_drawn() -> None:
    panel = _panel(Map(np.zeros((100, 200), np.float32), "what", "unit", box=(50, 25, 150, 75)))
    scale = 360 / 200
    assert (panel[round(25 * scale), round(60 * scale) : round(140 * scale)] == 255).all()
    assert (panel[round(30 * scale) : round(70 * scale), round(150 * scale)] == 255).all()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 13.2, ["0", "2", "4", "6", "8", "10", "12"]),
        (0, 0.00031, ["0.00000", "0.00005", "0.00010", "0.00015", "0.00020", "0.00025", "0.00030"]),
        (-0.4, 0.7, ["−0.4", "−0.2", "0.0", "0.2", "0.4", "0.6"]),
        (0, 45_000, ["0", "10,000", "20,000", "30,000", "40,000"]),
        (0, 3e-9, ["0", "5e−10", "1e−09", "1.5e−09", "2e−09", "2.5e−09", "3e−09"]),
    ],
)
def test_numbers_on_the_bar_are_round(low: float, high: float, words: list[str]) -> None:
    assert [word for _, word in _ticks(low, high, most=7)] == words


def test_numbers_on_the_bar_stand_at_their_colours() -> None:
    bar = np.asarray(_bar(300, 0.0, 10.0, "unit", Lettering(["0123456789 unit"], 13), None), np.float64)
    column = bar[:, Lettering(["0"], 13).height_px]  # within the colours
    shades = colours(np.linspace(0, 1, 11))
    nearest = [int(np.abs(column - shade).sum(axis=1).argmin()) for shade in shades]
    assert nearest == sorted(nearest, reverse=True)
    assert np.diff(nearest) == pytest.approx(np.diff(nearest).mean(), abs=2)


@pytest.mark.parametrize("size_wh", [(7, 5), (40, 400), (3000, 20), (1500, 1000)])
def test_any_picture_is_drawn(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    maps = [Map(np.zeros((height, width), np.float32), "不良 " * 30, "unit", score=1e-7)] * 4
    drawn = draw_maps(Image.new("RGB", size_wh), maps, fails_from=float("inf"))
    assert drawn.width < 4000
    everywhere_unknown = Map(np.full((height, width), np.nan, np.float32), "what", "unit")
    draw_maps(Image.new("RGB", size_wh), [everywhere_unknown])
