"""The auditor's page: who decided what and when, filtered, as CSV, and whether the files are as they were written."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from kenpin.station.pages.naming import entry_names, right_names, role_names
from kenpin.station.running import Station
from kenpin.station.store.applying import entry_kinds
from kenpin.station.who.rights import Right, Role
from kenpin.words import LANGUAGES, Language, Texts
from tests.station.conftest import SignIn


def _numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r">node-1/(\d+)<", page)]


def test_entries_are_shown_newest_first_and_each_once_over_the_pages(sign_in: SignIn, station: Station) -> None:
    auditor = sign_in(Role.AUDITOR)
    for number in range(230):
        station.trail.append("ren" if number % 2 else "aoi", "job-ordered", {"number": number, "text": "<b>傷"})
    page, found = auditor.get("/trail").text, []
    assert "&lt;b&gt;傷" in page
    assert "<b>傷" not in page
    while True:
        found += _numbers(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if older is None:
            break
        page = auditor.get(older[1].replace("&amp;", "&")).text
    assert found == [*range(len(station.trail), 0, -1)]
    assert auditor.get("/trail", params={"before": "nonsense"}).status_code == 400


def test_a_filter_takes_what_it_says(sign_in: SignIn, station: Station) -> None:
    auditor = sign_in(Role.AUDITOR)
    station.trail.append("aoi", "job-ordered", {})
    station.trail.append("aoi", "job-cancelled", {})
    last = len(station.trail)
    assert _numbers(auditor.get("/trail?who=AOI").text) == [last, last - 1]
    assert _numbers(auditor.get("/trail?who=aoi&what=job-ordered").text) == [last - 1]
    assert "No entry matches" in auditor.get("/trail?until=2020-01-01").text
    assert _numbers(auditor.get("/trail?since=2020-01-01").text)[0] == last
    assert auditor.get("/trail?since=yesterday").status_code == 400


def test_the_table_for_a_spreadsheet_computes_nothing(sign_in: SignIn, station: Station) -> None:
    auditor = sign_in(Role.AUDITOR)
    station.trail.append("=cmd|' /C calc'!A0", "job-ordered", {"text": "@x"})
    text = auditor.get("/trail.csv").text
    rows = [*csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))]
    assert len(rows) == len(station.trail)
    assert rows[-1]["who"].startswith("'=")
    assert rows[-1]["entry"] == f"node-1/{len(station.trail)}"
    assert [row["who"] for row in csv.DictReader(io.StringIO(auditor.get("/trail.csv?what=account-added").text))] == [
        "console"
    ]


def test_a_changed_line_is_found_and_shown(sign_in: SignIn, station: Station) -> None:
    auditor = sign_in(Role.AUDITOR)
    assert "1 file is as it was written" in auditor.get("/trail/check").text
    assert "records.jsonl" not in auditor.get("/trail/check").text
    sound = json.loads(auditor.get("/trail/check.json").text)
    assert {one["problem"] for one in sound["files"]} == {None}
    path = station.folder.trail("node-1")
    path.write_bytes(path.read_bytes().replace(b"named in the settings", b"named in the_settings", 1))
    page = auditor.get("/trail/check").text
    assert "1 file is not as it was written" in page
    assert "was changed" in page
    assert str(station.folder.path) not in page
    rows = [*csv.reader(io.StringIO(auditor.get("/trail.csv").text))]
    assert rows[-1][3] == "damaged"
    path.write_bytes(path.read_bytes().replace(b'"what":', b'"whut":', 1))
    assert auditor.get("/trail").status_code == 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_right_and_role_has_a_name(language: Language) -> None:
    words = Texts(language)
    names = entry_names(words)
    assert {*names} == {kind for kind in entry_kinds() if not kind.startswith("made-")}  # those of other tests
    assert len({*names.values()}) == len(names)
    assert set(right_names(words)) == set(Right)
    assert set(role_names(words)) == set(Role)
