"""Regions on the page of a part: a row each with its size, its outline on the picture, in each language."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from kenpin.records import Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.running import Station
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.store.part_tables import key_of
from tests.pictures import write_parts
from tests.station.conftest import SignIn
from tests.toy_runs import trained

RULE = "FAIL if region of distance > 0.001 mm² in left"


@pytest.fixture(scope="module")
def regions_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that judges by regions: of any picture, all of it is one."""
    folder = tmp_path_factory.mktemp("regions")
    few = write_parts(folder / "few", count=24)
    trained("mahalanobis", folder / "places", few, where="pooled")
    (folder / "policy.yaml").write_text(
        "runs:\n  distance: {run: places, region_from: 0.001, decides: rules}\n"
        "px_per_mm: 10\nplaces: {left: {box_share: [0, 0, 0.5, 1]}}\n"
        f"rules: {RULE}\nmaps: {{of: distance, layers: true}}\n",
        "utf-8",
    )
    return folder / "policy.yaml"


@pytest.fixture
def station(tmp_path: Path, regions_policy: Path) -> Iterator[Station]:
    product = ProductSettings(policy=regions_policy, title="Parts", reviewed_passes=1, reviewed_fails=1)
    with Station(tmp_path / "station", StationSettings(products={"parts": product}), engine="torch") as opened:
        yield opened


def _submitted(station: Station) -> str:
    """The key of a part that is judged."""
    file = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(file, "PNG")
    submitted = station.submit(Arrival("a.png", file.getvalue(), "parts", "L"))
    judged = submitted.record.result(60)
    assert (judged.verdict, judged.rule) == (Verdict.FAIL, RULE)
    return key_of("parts", (judged.id, judged.picture_hash))


def test_the_page_lists_regions_and_draws_their_outlines(station: Station, sign_in: SignIn) -> None:
    browser = sign_in()
    key = _submitted(station)
    page = browser.get(f"/parts/{key}").text
    assert RULE.replace(">", "&gt;") in page
    row = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.partition("<h2>Regions</h2>")[2].partition("</table>")[0]))
    assert "Area Length Width Centre Cell of the map" in row
    assert re.search(r"1 distance 30\.7\d? mm² 6\.4 mm 4\.8 mm 32, 24 px", row), row
    assert row.rstrip().endswith("left")
    (polygon,) = re.findall(r'<polygon points="([^"]*)"', page)
    corners = {*map(float, polygon.replace(",", " ").split())}
    assert corners == {0.0, 48.0, 64.0}
    assert "Line: 1</text>" in page


@pytest.mark.parametrize(("language", "heading"), [("ja", "面積"), ("zh", "面积")])
def test_the_table_is_in_the_reader_s_language(station: Station, sign_in: SignIn, language: str, heading: str) -> None:
    browser = sign_in()
    key = _submitted(station)
    browser.post("/language", data={"language": language, "back": "/parts"})
    assert heading in browser.get(f"/parts/{key}").text


def test_programs_are_told_regions_too(station: Station, sign_in: SignIn) -> None:
    browser = sign_in()
    key = _submitted(station)
    answered = browser.get(f"/api/v1/parts/{key}").json()
    assert answered["rule"] == RULE
    (run,) = answered["runs"]
    (region,) = run["regions"]
    assert region["area_mm2"] == pytest.approx(64 * 48 / 100)
    assert region["places"] == ["left"]
    assert run["region_from"] == 0.001
    assert run["regions_left_out"] == 0
