"""Pages hold labels and names as long as German makes them, and as unbroken as Japanese and Chinese write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kenpin
from kenpin.report import write_report
from kenpin.report.look import look
from kenpin.words import Language
from tests.pictures import write_parts
from tests.station.in_browser import opened_browser

GERMAN = "Oberflächenbeschichtungsunregelmäßigkeitenverdachtsmeldungsstelle"
CHINESE = "绝缘端子外壳表面涂层不均匀且伴有细微划痕与缩孔缺陷疑似需要人工复核确认类别"
JAPANESE = "絶縁端子外装表面塗装不均一および微細傷巣穴疑い要人手確認区分"
_WIDER = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const over = [...document.querySelectorAll("body *")].filter((one) =>
        one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll, .strip"));
    return over.map((one) => one.outerHTML.replace(/base64,[^"]*/g, "").slice(0, 160)).slice(0, 5);
}"""
# the empty half of a closing bracket of full width may stand beyond the line
_OVER = """() => [...document.querySelectorAll("p, h1, h2, h3, li, td, th, b, figcaption, .card, .tag, span, a")]
    .filter((one) => one.checkVisibility() && !one.closest("svg, .scroll") && one.scrollWidth > one.clientWidth + 7 &&
                     one.clientWidth > 0 && getComputedStyle(one).display !== "inline")
    .map((one) => one.outerHTML.replace(/base64,[^"]*/g, "").slice(0, 160)).slice(0, 5)"""


# letters may reach into the margin of their figure, not out of it
_OUTSIDE = """() => [...document.querySelectorAll("svg text")].filter((one) => {
        const box = one.getBoundingClientRect(), drawn = one.ownerSVGElement.getBoundingClientRect();
        return box.width && (box.left < drawn.left - 16 || box.right > drawn.right + 16);
    }).map((one) => one.outerHTML.slice(0, 160)).slice(0, 5)"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each kind and the page of the pictures, of classes with long names."""
    folder = tmp_path_factory.mktemp("long")
    parts = write_parts(folder / "parts", count=16)
    (parts / "scratch").rename(parts / GERMAN)
    for number, path in enumerate(sorted((parts / GERMAN).iterdir())):
        other = parts / (CHINESE if number % 3 == 1 else JAPANESE)
        other.mkdir(exist_ok=True)
        if number % 3:
            path.rename(other / f"{GERMAN}-{path.name}")
    made = {}
    languages: tuple[Language, ...] = ("en", "ja", "zh")
    for language in languages:
        look(kenpin.load_dataset(parts), folder / f"look-{language}.html", language=language)
        made[f"look {language}"] = folder / f"look-{language}.html"
    hows: dict[str, dict[str, Any]] = {"classifier": {"tuning": "head"}, "mahalanobis": {"where": "pooled"}}
    for family, how in hows.items():
        run = kenpin.train(family, data=str(parts), out=folder / family, base="toy", ok_labels=["ok"], **how)
        for language in languages:
            made[f"{family} {language}"] = folder / f"{family}-{language}.html"
            write_report(run, made[f"{family} {language}"], language=language)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with opened_browser() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_page(pages: dict[str, Path], browser: Any, width: int) -> None:
    found = {}
    for name, file in pages.items():
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(file.as_uri())
        if over := [one for script in (_WIDER, _OVER, _OUTSIDE) for one in page.evaluate(script)]:
            found[name] = over
        page.close()
    assert not found, "\n".join(f"{name}: {one}" for name, over in found.items() for one in over)
