"""The views of a part in a browser: seen at once, stepped through by keys, and drawn on each by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from kenpin.station.arrival import ArrivedView, PartArrival
from kenpin.station.clock import now_us
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.trail import read_entries
from kenpin.station.who.accounts import NewAccount, insert_account
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import Role
from tests.station.conftest import PASSWORD
from tests.station.in_browser import opened_browser, served, sign_in
from tests.station.test_parts_by_views import policy
from tests.station.test_reviewing import replace_product
from tests.training.test_by_part import parts, run

__all__ = ["parts", "policy", "run"]
pytestmark = pytest.mark.slow
SIZES = {"side": (120, 200), "top": (300, 180)}
"""Of each view's picture, unlike each other: a mark in the wrong frame lies elsewhere."""
RED = {"side": (20, 30, 60, 80), "top": (200, 100, 280, 160)}


def drawn_view(name: str, *, is_bad: bool) -> bytes:
    """A view of a part, with a red rectangle where it is bad."""
    image = Image.new("RGB", SIZES[name], (110, 110, 110))
    if is_bad:
        x1, y1, x2, y2 = RED[name]
        ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill=(255, 0, 0))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def settings(settings: StationSettings) -> StationSettings:
    """Every part waits for its cost, and none is drawn at random: whoever reviews sees all."""
    return replace_product(settings, review_from_cost=0.0, reviewed_fails=0.0, reviewed_passes=0.0)


@pytest.fixture
def page(station: Station, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A browser's page, signed in to a station with a part of two views; of the size that is asked for."""
    with station.store.writing() as connection:
        hashed = Passwords().hash(PASSWORD, "ann")
        insert_account(connection, station.trail, "console", NewAccount("ann", Role.ADMIN, hashed), now_us())
    views = tuple(ArrivedView(name, drawn_view(name, is_bad=True)) for name in SIZES)
    assert station.submit(PartArrival("part 7", views)).record.result(60).views
    width, height = getattr(request, "param", (1280, 720))
    with served(station) as base, opened_browser() as browser:
        opened = browser.new_page(viewport={"width": width, "height": height})
        sign_in(opened, base, "ann", PASSWORD)
        opened.base = base
        yield opened
        opened.close()


def wait_for_view(page: Any, number: int) -> None:
    """Until the picture of a view is large, in its own size."""
    width = [*SIZES.values()][number][0]
    page.wait_for_function(
        """([number, width]) => { const place = document.querySelector(".zoom");
        const item = place.viewer?.world.getItemAt(0);
        return place.dataset.at === number && item?.getContentSize().x === width && place.editor?.view.scale > 0; }""",
        arg=[f"{number}", width],
    )
    page.wait_for_timeout(400)  # of the viewer's way to the whole picture


def drag(page: Any, number: int, *corners_px: tuple[float, float]) -> None:
    """Press the mouse at a pixel of the view that is shown, and let it go at another."""
    box, (width, height) = page.locator(".zoom").bounding_box(), [*SIZES.values()][number]
    scale = min(box["width"] / width, box["height"] / height)
    left = box["x"] + (box["width"] - scale * width) / 2
    top = box["y"] + (box["height"] - scale * height) / 2
    (x1, y1), (x2, y2) = corners_px
    page.mouse.move(left + x1 * scale, top + y1 * scale)
    page.mouse.down()
    page.mouse.move(left + x2 * scale, top + y2 * scale, steps=4)
    page.mouse.up()


def current(page: Any) -> int:
    """The view that the strip shows as chosen."""
    return int(page.locator("[data-side][aria-current]").get_attribute("data-side"))


def shown_marks(page: Any) -> int:
    """How many marks are drawn on the large picture."""
    return int(page.evaluate("document.querySelectorAll('.zoom g.mark:not(.gone):not(.proposal)').length"))


def test_marks_are_drawn_on_each_view_and_arrive_with_it(page: Any, station: Station) -> None:
    page.goto(f"{page.base}/review")
    page.wait_for_selector(".marking:not([hidden])")
    first = current(page)
    decides = page.locator("[data-side]", has=page.locator("strong"))
    assert decides.count() == 1
    assert int(decides.get_attribute("data-side")) == first, "the one that decides is large at first"
    wait_for_view(page, first)
    names = [*SIZES]
    drawn: list[dict[str, Any]] = []
    for number in (first, 1 - first):
        if number != first:
            page.keyboard.press("k")
        wait_for_view(page, number)
        assert current(page) == number
        assert shown_marks(page) == 0, "those of the other view are not drawn here"
        x1, y1, x2, y2 = RED[names[number]]
        page.keyboard.press("b")
        page.keyboard.press("Escape")
        page.click('[data-mark="box"]')
        drag(page, number, (x1, y1), (x2, y2))
        drawn.append({"label": None, "box": [x1, y1, x2, y2], "view": number})
        assert shown_marks(page) == 1
    rows = page.locator("[data-mark-list] button")
    assert [names[one["view"]] in rows.nth(place).inner_text() for place, one in enumerate(drawn)] == [True, True]
    counts = page.locator("[data-count]").all_inner_texts()
    assert counts == ["Marks: 1", "Marks: 1"]
    rows.nth(0).focus()  # a mark of the other view shows that view
    wait_for_view(page, first)
    assert current(page) == first
    page.keyboard.press("Shift+ArrowRight")
    step = json.loads(page.input_value("input[name=marks]"))[0]["box"][2] - drawn[0]["box"][2]
    assert step >= 1, "keys move the mark in the frame of its own view"
    page.keyboard.press("z")
    page.keyboard.press("j")
    wait_for_view(page, 1 - first)
    got = json.loads(page.input_value("input[name=marks]"))
    for one, meant in zip(got, drawn, strict=True):
        assert one["view"] == meant["view"]
        assert max(abs(a - b) for a, b in zip(one["box"], meant["box"], strict=True)) <= 1, "the very pixels"
    page.keyboard.press("f")
    page.wait_for_selector(".empty")
    (trail,) = station.folder.trails.glob("*.jsonl")
    (said,) = [entry.about for entry in read_entries(trail) if entry.what == "part-reviewed"]
    assert said["marks"] == got
    page.goto(f"{page.base}/parts/{said['part']}")
    page.wait_for_function("document.querySelector('.zoom').viewer?.world.getItemAt(0)")
    for number in (first, 1 - first, first):
        if current(page) != number:
            page.click(f'[data-side="{number}"]')
        page.wait_for_function("number => document.querySelector('.zoom').dataset.at === number", arg=f"{number}")
        visible = page.evaluate(
            "[...document.querySelectorAll('.zoom svg.marks:not(.gone)')].map((one) => one.dataset.of)"
        )
        assert visible == [f"{number}"]


def test_each_view_has_its_map_however_quickly_one_steps(page: Any) -> None:
    page.goto(f"{page.base}/review")
    page.wait_for_selector(".marking:not([hidden])")
    first = current(page)
    wait_for_view(page, first)
    for _ in range(7):
        page.keyboard.press("k")
    wait_for_view(page, 1 - first)
    page.wait_for_function("document.querySelector('.zoom').viewer.world.getItemCount() === 2")
    page.wait_for_timeout(500)
    assert page.evaluate("document.querySelector('.zoom').viewer.world.getItemCount()") == 2
    source = page.evaluate("document.querySelector('.zoom').viewer.world.getItemAt(1).source.url")
    assert source.endswith(f"/layer?view={1 - first}")


@pytest.mark.parametrize("page", [(1280, 720), (1920, 1080), (390, 800), (320, 640)], indirect=True)
@pytest.mark.parametrize("language", ["en", "ja", "zh"])
def test_the_views_are_seen_at_once_on_any_screen(page: Any, language: str) -> None:
    page.context.add_cookies([{"name": "kenpin-language", "value": language, "url": page.base}])
    page.goto(f"{page.base}/review")
    page.wait_for_selector(".marking:not([hidden])")
    height = page.viewport_size["height"]
    strip, zoom = page.locator("[data-sides]").bounding_box(), page.locator(".zoom").bounding_box()
    assert strip["y"] + strip["height"] <= zoom["y"] + 1
    assert zoom["y"] + zoom["height"] / 2 < height, "the picture's middle is seen without scrolling"
    for number in range(2):
        tile = page.locator(f'[data-side="{number}"]').bounding_box()
        assert tile["y"] + tile["height"] <= height
        assert tile["x"] + tile["width"] <= page.viewport_size["width"] + 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert Path(page.url).name == "review"
