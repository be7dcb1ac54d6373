"""Marks in a browser: boxes and regions, by mouse and by keys alone, arrive in the trail at the very pixels."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from kenpin.data.picture_files import hash_of
from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.inspection.record import Answer
from kenpin.records import Detections, Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.trail import read_entries
from tests.inspection.made import record
from tests.tree import ROOT

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
_PASSWORD = "a long enough password"
_SIZE_WH = (120, 200)
FOUND = "found.jpg"
_RED = (20, 30, 60, 80)
"""Where the part's picture is red, in the frame in which it is displayed."""

if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def _picture(seed: int) -> bytes:
    """A JPEG whose EXIF turns it by a quarter, with a red rectangle."""
    displayed = Image.new("RGB", _SIZE_WH, (90, 90 + seed, 90))
    ImageDraw.Draw(displayed).rectangle((_RED[0], _RED[1], _RED[2] - 1, _RED[3] - 1), fill=(255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # is shown turned to the right, and so is kept turned to the left
    file = io.BytesIO()
    displayed.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", exif=exif, quality=100, subsampling=0)
    return file.getvalue()


def _write_found(folder: StationFolder) -> None:
    """A part of another node, on which runs found boxes."""
    data = _picture(9)
    folder.picture(hash_of(data)).parent.mkdir(parents=True)
    folder.picture(hash_of(data)).write_bytes(data)
    boxes = Detections(
        ((20.0, 30.0, 60.5, 80.25), (5.0, 10.0, 25.0, 30.0), (100.0, 150.0, 130.0, 210.0)),
        ("scratch", "unknown", "scratch"), (0.9, 0.8, 0.7),
    )  # fmt: skip
    answer = Answer("boxes", "v", "d", 0.5, None, Verdict.FAIL, 0.9, (), boxes=boxes)
    found = replace(
        record(1, id=FOUND, content=hash_of(data)), size_wh=_SIZE_WH, answers=(answer,), picture_bytes=len(data)
    )
    records = folder.records_of("node-9", "parts", 1)
    records.mkdir(parents=True)
    with closing(Journal(records / JOURNAL)) as journal:
        journal.append([found])


@dataclass(frozen=True)
class Reviewer:
    """A page of the review, and what the station keeps."""

    page: Any
    base: str
    folder: StationFolder

    def open(self, *, leaves: bool = True) -> None:
        """Open the review. leaves: whether the part on which runs found boxes is left to others."""
        self.page.goto(f"{self.base}/review")
        self._wait()
        if leaves and self.heading() == FOUND:
            self.press("s")
            self.page.wait_for_function("name => document.querySelector('#task h2')?.textContent !== name", arg=FOUND)
            self._wait()

    def _wait(self) -> None:
        self.page.wait_for_selector(".marking:not([hidden])")
        self.page.wait_for_function("() => document.querySelector('.zoom').editor?.view.scale > 2")

    def heading(self) -> str:
        """The name of the part."""
        return str(self.page.locator("#task h2").inner_text())

    def drawn(self) -> list[dict[str, Any]]:
        """What the form would send."""
        return json.loads(self.page.input_value("input[name=marks]") or "[]")  # type: ignore[no-any-return]

    def on_screen(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Where a pixel of the picture lies on the page: the viewer shows all of it, in its middle."""
        box = self.page.locator(".zoom").bounding_box()
        scale = min(box["width"] / _SIZE_WH[0], box["height"] / _SIZE_WH[1])
        left, top = (box["width"] - scale * _SIZE_WH[0]) / 2, (box["height"] - scale * _SIZE_WH[1]) / 2
        return box["x"] + left + x_px * scale, box["y"] + top + y_px * scale

    def drag(self, *corners_px: tuple[float, float]) -> None:
        """Press the mouse at one pixel, and let it go at another."""
        self.page.mouse.move(*self.on_screen(*corners_px[0]))
        self.page.mouse.down()
        for corner in corners_px[1:]:
            self.page.mouse.move(*self.on_screen(*corner), steps=4)
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self) -> str:
        """The text of what has the focus."""
        return str(self.page.evaluate("document.activeElement.textContent"))

    def said(self) -> list[dict[str, Any]]:
        """The reviews in the trail."""
        (trail,) = self.folder.trails.glob("*.jsonl")
        return [dict(one.about) for one in read_entries(trail) if one.what == "part-reviewed"]

    def submit(self, key: str) -> None:
        """Say what the part is, and wait for what follows."""
        before = len(self.said())
        self.press(key)
        for _ in range(100):
            if len(self.said()) > before:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(self.page.locator("#refused").inner_text())


@pytest.fixture
def reviewer(tmp_path: Path, policy: Path) -> Iterator[Reviewer]:
    """A reviewer before a station with two parts."""
    folder = tmp_path / "station"
    folder.mkdir()
    product = {
        "policy": str(policy),
        "reviewed_passes": 1,
        "reviewed_fails": 0,
        "second_reviews": 0,
        "review_from_cost": 0,
    }
    _write_found(StationFolder(folder))
    (folder / "station.yaml").write_text(json.dumps({"products": {"parts": product}}))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore", "KENPIN_ENGINE": "torch"}
    command = [sys.executable, "-m", "kenpin", "station", "--folder", str(folder), "--port", "0"]
    with (tmp_path / "log.txt").open("wb") as log, sync_api.sync_playwright() as player:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        found = re.search(r"http\S+/first/\S+", "".join(lines))
        assert found is not None, (lines, (tmp_path / "log.txt").read_text())
        base = found.group().partition("/first/")[0]
        browser = player.chromium.launch(executable_path=CHROMIUM, args=[*_SWITCHES])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(f"{error}"))
        page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
        page.goto(found.group())
        for name, value in (("name", "ann"), ("password", _PASSWORD), ("again", _PASSWORD)):
            page.fill(f"input[name={name}]", value)
        page.click("form.form button.main")
        page.wait_for_url("**/line*")
        for number in range(2):
            script = """async ([url, bytes]) => (await fetch(url, {method: "POST", body: new Uint8Array(bytes),
                headers: {"X-CSRF-Token": document.querySelector('meta[name="csrf"]').content}})).status"""
            status = page.evaluate(script, [f"{base}/api/v1/parts?id={number}.jpg", [*_picture(number)]])
            assert status == 200
        yield Reviewer(page, base, StationFolder(folder))
        assert faults == []  # none of the browser's about what a page may not do
        browser.close()
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "log.txt").read_text()
        process.stdout.close()


def test_boxes_and_regions_arrive_at_the_pixels_that_were_drawn(reviewer: Reviewer) -> None:
    reviewer.open()
    page = reviewer.page

    # the browser shows the turned picture in the frame in which kenpin reads it
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for x, y, is_red in ((40, 55, True), (18, 55, False), (61, 55, False), (40, 28, False), (40, 81, False)):
        left, top = reviewer.on_screen(x + 0.5, y + 0.5)
        red, green, _ = shot.getpixel((int(left), int(top)))  # type: ignore[misc]
        assert (red - green > 100) == is_red, (x, y)

    # by mouse, around what is red; then moved, and pulled at its lower right corner
    page.click('[data-mark="box"]')
    reviewer.drag((10, 15), (50, 65))
    assert reviewer.drawn() == [{"label": None, "box": [10, 15, 50, 65]}]
    reviewer.drag((30, 40), (40, 55))
    reviewer.drag((60, 80), (71, 93))
    assert reviewer.drawn() == [{"label": None, "box": [20, 30, 71, 93]}]
    reviewer.drag((71, 93), (60, 80))
    assert reviewer.drawn() == [{"label": None, "box": [*_RED]}]

    # by keys alone: at the centre of the view, moved, resized, and with a class
    reviewer.press("b")
    (_, begun) = reviewer.drawn()
    x1, y1, x2, y2 = begun["box"]
    assert abs(x1 + x2 - _SIZE_WH[0]) <= 1
    assert abs(y1 + y2 - _SIZE_WH[1]) <= 1
    assert 1 <= y2 - y1 < _SIZE_WH[1]
    moves = ["ArrowRight"] * 3 + ["ArrowUp"] * 5 + ["Shift+ArrowDown"] * 4 + ["Shift+ArrowLeft"] * 2
    reviewer.press(*moves, "Enter", "c", "ArrowDown", "Enter")
    by_keys = [min(x1 + 3, _SIZE_WH[0] - (x2 - x1)), y1 - 5]
    by_keys += [by_keys[0] + (x2 - x1) - 2, by_keys[1] + (y2 - y1) + 4]
    assert reviewer.drawn()[1] == {"label": "scratch", "box": by_keys}
    assert f"{by_keys[0]}, {by_keys[1]}" in page.locator("[data-mark-told]").inner_text()

    # from box to box, and one away and back again
    assert "2 of 2" in reviewer.focused()
    reviewer.press("Shift+Tab")
    assert "1 of 2" in reviewer.focused()
    reviewer.press("Delete")
    assert [one["box"] for one in reviewer.drawn()] == [by_keys]
    reviewer.press("z")
    assert [one["box"] for one in reviewer.drawn()] == [[*_RED], by_keys]

    # a region by keys alone, whose second corner is then moved
    reviewer.press("r", "Enter", *["ArrowRight"] * 6, "Enter", *["ArrowDown"] * 7, "Enter", "r")
    middle = [_SIZE_WH[0] // 2, _SIZE_WH[1] // 2]
    corners = [*middle, middle[0] + 6, middle[1], middle[0] + 6, middle[1] + 7]
    assert reviewer.drawn()[2] == {"label": "scratch", "corners": corners}
    reviewer.press("v", "v", "ArrowUp", "ArrowUp")
    corners[3] -= 2

    # a good part has no marks: the sentence comes, and everything stays
    reviewer.press("p")
    page.wait_for_selector("#refused:not(:empty)")
    assert "a good part has no marks" in page.locator("#refused").inner_text()
    reviewer.submit("f")
    expected = [
        {"label": None, "box": [*_RED]}, {"label": "scratch", "box": by_keys}, {"label": "scratch", "corners": corners},
    ]  # fmt: skip
    assert reviewer.said()[0]["marks"] == expected

    # everybody's marks are on the part's page, over the same pixels
    page.goto(f"{reviewer.base}/parts/{reviewer.said()[0]['part']}")
    page.wait_for_selector(".openseadragon-canvas svg.marks g[transform]")
    shown = page.locator(".zoom svg.marks rect").first.bounding_box()
    left, top = reviewer.on_screen(_RED[0], _RED[1])
    right, bottom = reviewer.on_screen(_RED[2], _RED[3])
    assert [shown["x"], shown["y"]] == pytest.approx([left, top], abs=3)
    assert [shown["width"], shown["height"]] == pytest.approx([right - left, bottom - top], abs=5)
    assert "ann" in page.locator(".legend").inner_text()
    page.click(".legend input")
    assert not page.locator(".zoom svg.marks rect").first.is_visible()


def test_a_region_by_mouse_at_any_zoom_and_after_moving_the_view(reviewer: Reviewer) -> None:
    reviewer.open()
    page = reviewer.page

    def at(x_px: int, y_px: int) -> tuple[float, float]:
        """Where a pixel of the picture lies on the page, as OpenSeadragon says."""
        found = page.evaluate(
            """([x, y]) => {
                const place = document.querySelector('.zoom'), {world, viewport} = place.viewer;
                const point = world.getItemAt(0).imageToViewerElementCoordinates(new OpenSeadragon.Point(x, y));
                const box = place.getBoundingClientRect();
                return [box.x + point.x, box.y + point.y];
            }""",
            [x_px, y_px],
        )
        return found[0], found[1]

    home = at(60, 100)
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_timeout(600)  # the view has come to rest
    assert at(60, 101)[1] - at(60, 100)[1] > 6
    page.mouse.move(*at(60, 100))
    page.mouse.down()
    page.mouse.move(home[0] + 45, home[1] - 31, steps=5)
    page.mouse.up()
    page.wait_for_timeout(600)
    assert abs(at(60, 100)[0] - home[0] - 45) < 20

    page.click('[data-mark="region"]')
    corners = [(40, 75), (80, 80), (75, 120), (45, 125)]
    for corner in corners:
        page.mouse.click(*at(*corner))
    page.mouse.click(*at(*corners[0]))
    flat = [value for corner in corners for value in corner]
    assert reviewer.drawn() == [{"label": None, "corners": flat}]
    page.mouse.move(*at(*corners[1]))
    page.mouse.down()
    page.mouse.move(*at(85, 78), steps=3)
    page.mouse.up()
    flat[2:4] = [85, 78]
    assert reviewer.drawn() == [{"label": None, "corners": flat}]
    reviewer.press("ArrowLeft", "ArrowDown")
    moved = [value + (1 if n % 2 else -1) for n, value in enumerate(flat)]
    reviewer.submit("f")
    assert reviewer.said()[0]["marks"] == [{"label": None, "corners": moved}]


def test_what_the_line_found_is_taken_corrected_or_left(reviewer: Reviewer) -> None:
    page = reviewer.page
    reviewer.open(leaves=False)
    while reviewer.heading() != FOUND:  # a sampled part comes first, of which nothing is shown
        assert page.locator('[data-mark="take"]').count() == 0
        assert page.locator(".editing .proposal").count() == 0
        reviewer.submit("p")
        page.wait_for_timeout(300)
    page.wait_for_selector(".editing .proposal rect")
    rows = page.locator("[data-mark-list] button")
    assert [row.split(":")[0] for row in rows.all_inner_texts()] == [
        "Box 1 of 3, scratch",
        "Box 2 of 3, of the part's class",
        "Box 3 of 3, scratch",
    ]
    assert reviewer.drawn() == []  # nobody has taken any

    # one is taken as it is, one is moved, and one is left
    rows.nth(0).focus()
    reviewer.press("Enter", "Tab", "ArrowDown", "Shift+ArrowRight")
    one, two = {"label": "scratch", "box": [20, 30, 60.5, 80.25]}, {"label": None, "box": [5, 11, 26, 31]}
    assert reviewer.drawn() == [one, two]
    # all of them, and back again
    reviewer.press("a")
    assert [mark["label"] for mark in reviewer.drawn()] == ["scratch", None, "scratch"]
    reviewer.press("z")
    assert reviewer.drawn() == [one, two]
    # what was said is taken back, and offered to be corrected
    reviewer.submit("f")
    assert reviewer.said()[-1]["marks"] == [one, two]
    page.wait_for_timeout(300)
    page.keyboard.press("u")
    page.wait_for_function("name => document.querySelector('#task h2')?.textContent === name", arg=FOUND)
    assert reviewer.drawn() == [one, two]
    assert page.locator(".editing .proposal").count() == 2


def test_a_finger_draws_without_moving_the_picture(reviewer: Reviewer) -> None:
    reviewer.open()
    touch = reviewer.page.context.new_cdp_session(reviewer.page)

    def touched(kind: str, *at_px: int) -> None:
        x, y = reviewer.on_screen(*at_px) if at_px else (0, 0)
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}] if at_px else []})

    reviewer.page.click('[data-mark="box"]')
    touched("touchStart", 30, 40)
    for step in range(1, 6):
        touched("touchMove", 30 + 8 * step, 40 + 10 * step)
    touched("touchEnd")
    assert reviewer.drawn() == [{"label": None, "box": [30, 40, 70, 90]}]
    reviewer.drag((50, 65), (51, 66))  # the view is where it was
    assert reviewer.drawn() == [{"label": None, "box": [31, 41, 71, 91]}]


def test_without_scripts_the_verdict_can_be_said(reviewer: Reviewer) -> None:
    with reviewer.page.context.browser.new_context(java_script_enabled=False) as context:
        context.add_cookies(reviewer.page.context.cookies())
        plain = context.new_page()
        plain.goto(f"{reviewer.base}/review")
        assert not plain.locator(".marking").is_visible()
        plain.click("button[value=fail]")
        plain.wait_for_selector("#task")
    assert [one["marks"] for one in reviewer.said()] == [[]]
