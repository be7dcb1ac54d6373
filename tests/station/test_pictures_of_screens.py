"""The documentation shows a picture of every screen in the bar, and of what else `tests.station_pictures` draws."""

from __future__ import annotations

import re

from PIL import Image

from kenpin.station.pages.shell import screens
from kenpin.station.who.rights import Right
from kenpin.words import Texts
from tests.station_pictures import FOLDER, SCREENS
from tests.tree import ROOT

LARGEST_BYTES = 120_000


def test_each_screen_has_a_small_picture_that_the_page_shows() -> None:
    shown = re.findall(r"pictures/station-([a-z-]+)\.webp", (ROOT / "docs" / "station.md").read_text("utf-8"))
    assert sorted(shown) == sorted(SCREENS)
    assert {one.name for one in screens(Texts("en"), "", frozenset(Right))} <= set(SCREENS)
    assert {path.name for path in FOLDER.glob("station-*")} == {f"station-{name}.webp" for name in SCREENS}
    for name in SCREENS:
        file = FOLDER / f"station-{name}.webp"
        assert file.stat().st_size < LARGEST_BYTES, name
        with Image.open(file) as picture:
            assert picture.width == 1280
