"""Pictures of a station's screens for the documentation; `python -m tests.station_pictures` draws them anew."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kenpin.station.running import Station
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import page as page_of
from kenpin.training import train
from tests.station.filled import ADMIN, PASSWORD, fill, filled_settings
from tests.station.in_browser import CHROMIUM, SWITCHES, served, sign_in
from tests.station.sinks.ports import free_port
from tests.tree import ROOT

FOLDER = ROOT / "docs" / "pictures"
SCREENS = {
    "line": "/line?product=parts",
    "review": "/review?product=parts",
    "parts": "/parts?product=parts",
    "part": "/parts/{key}",
    "quality": "/quality?product=parts",
    "learn": "/learn?product=parts",
    "set-up": "/set-up",
    "machine": "/machine",
    "people": "/people",
    "account": "/account",
    "trail": "/trail",
}
"""Name of each picture, and the address of its screen."""
_SIZE = {"width": 1280, "height": 860}
_LEARNED, _JUDGED, _REVIEWED = 60, 44, 40
_PLATE_WH = (320, 240)


def plate(seed: int, *, scratched: bool) -> Image.Image:
    """A brushed plate with a bore, lit a little differently each time, and with a scratch where asked."""
    rng = np.random.default_rng(seed)
    width, height = _PLATE_WH
    brushed = rng.normal(0, 9, (height, 1)) + rng.normal(0, 4, (height, width))
    light = np.linspace(-14, 14, width) * rng.uniform(0.7, 1.3)
    picture = Image.fromarray((138 + light + brushed).clip(0, 255).astype(np.uint8)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    x, y = (int(value) for value in rng.normal((160, 120), 1.5))
    draw.ellipse((x - 46, y - 46, x + 46, y + 46), fill=(44, 46, 50), outline=(196, 198, 202), width=4)
    for left in (26, 294):
        draw.ellipse((left - 9, y - 9, left + 9, y + 9), fill=(60, 62, 66))
    if scratched:
        begin = rng.uniform((60, 20), (110, 60))
        line = [(float(begin[0] + 26 * step), float(begin[1] + 10 * np.sin(step + seed))) for step in range(5)]
        draw.line(line, fill=(236, 238, 240), width=3)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def _plates(folder: Path, first: int, ok: int, scratched: int) -> list[tuple[str, Path]]:
    """Class and file of made plates, the scratched ones among the others."""
    found = []
    for number in range(ok + scratched):
        is_bad = number % 4 == 3 and number // 4 < scratched
        path = folder / ("scratch" if is_bad else "ok") / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        plate(first + number, scratched=is_bad).save(path)
        found.append((path.parent.name, path))
    return found


@contextmanager
def shown_station(folder: Path) -> Iterator[tuple[str, str]]:
    """A station of made plates that is served: its address, and the key of a part with a map. folder: an empty one."""
    _plates(folder / "learned", 0, _LEARNED, 14)
    train("mahalanobis", data=str(folder / "learned"), out=folder / "run", where="positions", report=False)
    policy = folder / "policy.yaml"
    policy.write_text("runs: {look: run}\nmaps: {of: look, when: [FAIL, REVIEW], layers: true}\n")
    (folder / "in").mkdir()
    pictures = _plates(folder / "judged", 10_000, _JUDGED - 11, 11)
    with Station(folder / "station", filled_settings(policy, folder, free_port())) as station, served(station) as base:
        fill(station, pictures, _REVIEWED)
        with station.store.reading() as connection:
            parts = page_of(connection, PartFilter("parts")).parts
        yield base, next(part.key for part in parts if part.has_map)


def main(names: Sequence[str]) -> None:
    """Draw the named pictures, all where none is named."""
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory(prefix="plant-") as temporary,
        shown_station(Path(temporary)) as (base, key),
        sync_playwright() as player,
    ):
        browser = player.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES])
        page = browser.new_page(viewport=_SIZE)
        sign_in(page, base, ADMIN, PASSWORD)
        for name in names or SCREENS:
            page.goto(base + SCREENS[name].format(key=key), wait_until="load")
            page.wait_for_timeout(1_000)
            print(f"{name}: {_keep(page, name):,} bytes")
        browser.close()


def _keep(page: Any, name: str) -> int:
    """Write what a page shows as a small picture, and return its size in bytes."""
    height = min(_SIZE["height"], page.evaluate("document.querySelector('main').getBoundingClientRect().bottom"))
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": _SIZE["width"], "height": height})
    file = FOLDER / f"station-{name}.webp"
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").save(file, "WEBP", quality=72, method=6)
    return file.stat().st_size


if __name__ == "__main__":
    main(sys.argv[1:])
