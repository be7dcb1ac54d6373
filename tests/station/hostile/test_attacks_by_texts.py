"""Hostile texts as ids, lots, notes, reasons, names of files, titles and classes: on every page and in every table."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from kenpin.data.spreadsheets import is_formula
from kenpin.station.who.rights import Role
from tests.station.hostile.attacked import Hostile, address, routes, upload
from tests.station.hostile.texts import CLASSES, SCRIPT, TEXTS
from tests.station.station_process import Caller

_OWN = ("/", "data:image/", "#", "?")
"""How addresses on a page begin."""


class _Page(HTMLParser):
    """A page as a browser takes it: what in it would run, or lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.tags = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += 1
        given = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "applet", "math"):
            self.faults.append(f"<{tag}>")
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.faults.append(f"<script> {attrs}")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc") or not name.replace("-", "").isalnum():
                self.faults.append(f"<{tag} {name}={value!r:.80}>")
            if name in ("href", "src", "action", "formaction") and value and not value.startswith(_OWN):
                self.faults.append(f"<{tag} {name}={value!r:.80}>")
            if name in ("href", "src", "action") and (value or "").startswith("//"):
                self.faults.append(f"<{tag} {name}={value!r:.80}>")


@pytest.fixture(scope="module")
def full(station: Hostile) -> Hostile:
    """The station with hostile texts wherever texts are taken."""
    reviewer, engineer = station.of(Role.REVIEWER), station.of(Role.ENGINEER)
    for number, text in enumerate(TEXTS):
        answer = station.send(text, station.pictures[number % len(station.pictures)], lot=text)
        assert answer.status == 200, answer.text
        key = reviewer.ask("GET", "/review").text.partition('data-review="')[2].partition('"')[0]
        say = f"class:{CLASSES[1]}" if number % 2 else "fail"
        assert reviewer.post(f"/review/{key}", say=say, note=text).status == 303
        assert engineer.post("/learn/versions/1", decision="switch", reason=text).status == 303
    for name in TEXTS:
        plain = name.replace('"', "%22").replace("\r", "").replace("\n", "").replace("\x00", "")
        assert upload(engineer, "plates", (plain, b"no picture")).status == 409
    good = [(f"{SCRIPT.replace(chr(34), '')}{number}.png", data) for number, data in enumerate(station.pictures)]
    assert upload(engineer, "plates", *good).status == 200
    frozen = engineer.post("/learn/freeze?product=parts")
    assert frozen.status == 303, frozen.text
    return station


def _keys(station: Hostile) -> list[str]:
    """Of all parts."""
    rows = csv.DictReader(io.StringIO(_text(station.of(Role.VIEWER), "/parts.csv")))
    return [row["key"] for row in rows]


def _text(caller: Caller, page: str, **query: str) -> str:
    answer = caller.ask("GET", page, query=query)
    assert answer.status == 200, (page, answer.text[:500])
    return answer.text.removeprefix("\ufeff")


def _pages(station: Hostile) -> list[str]:
    """Every page that a person can load, those of a part for each of them."""
    pages = []
    for method, path in routes():
        if method == "GET" and "{key}" in path:
            pages += [path.replace("{key}", key) for key in _keys(station)]
        elif method == "GET":
            pages.append(address(path, station))
    pages += [f"{page}?product=plates" for page in ("/line", "/learn", "/review", "/quality", "/parts")]
    return pages


def test_no_text_runs_or_leads_elsewhere_on_any_page(full: Hostile) -> None:
    admin, html = full.of(Role.ADMIN), 0
    for page in _pages(full):
        if page.startswith("/api/v1/events"):
            continue  # has no end, and no text of a stranger
        query = {"product": "parts"} if page.startswith("/api/v1/") else {}
        answer = admin.ask("GET", page, query=query)
        assert answer.status in (200, 303, 400, 403, 404, 409), (page, answer.status, answer.text[:300])
        assert "set-cookie" not in answer.headers, page
        if answer.headers.get("content-type", "").startswith("text/html"):
            html += 1
            found = _Page(answer.text)
            assert found.tags > 0, page
            assert found.faults == [], (page, found.faults)
            for unseen in ("\u202e", "\u2066", "\x1b", "\x00", "\x07"):
                assert unseen not in answer.text, page
    assert html > 25


def test_texts_come_back_as_they_were(full: Hostile) -> None:
    """They are shown, and not thrown away."""
    key = _keys(full)[0]
    assert "&lt;script&gt;alert(1)" in _text(full.of(Role.VIEWER), "/learn")
    assert "{{7*7}}" in _text(full.of(Role.VIEWER), "/learn")
    part = _text(full.of(Role.VIEWER), f"/parts/{key}")
    assert "]]&gt;&lt;!--" in part or "etc/passwd" in part
    for text in TEXTS:
        answer = full.send(text, full.pictures[TEXTS.index(text) % len(full.pictures)], lot=text)
        assert (answer.json["id"], answer.json["lot"]) == (text, text)


def test_filters_and_refusals_show_no_text_that_runs(full: Hostile) -> None:
    admin = full.of(Role.ADMIN)
    for text in TEXTS:
        for page in ("/parts", "/quality", "/sign-in", "/line", "/learn", "/set-up"):
            for name in ("product", "lot", "label", "verdict", "since", "days", "back", "person", "settled"):
                answer = admin.ask("GET", page, query={name: text})
                assert answer.status in (200, 303, 400), (page, name, text)
                assert _Page(answer.text).faults == [], (page, name, text)
                assert not set(answer.headers) & {"set-cookie"}, (page, name, text)
        signing_in = full.caller(Origin=full.origin, Accept="text/html")
        assert _Page(signing_in.post("/sign-in", name=text, password="x", back=text).text).faults == []


def test_a_spreadsheet_computes_nothing(full: Hostile) -> None:
    rows = [*csv.DictReader(io.StringIO(_text(full.of(Role.VIEWER), "/parts.csv")))]
    assert len(rows) >= len(TEXTS)
    assert [cell for row in rows for cell in row.values() if is_formula(cell)] == []
    assert any(row["id"].startswith("'=") for row in rows)
    assert any(row["settled_label"].startswith("'=cmd") for row in rows)


def test_parquet_holds_texts_as_they_are(full: Hostile) -> None:
    answer = full.of(Role.VIEWER).ask("GET", "/parts.parquet")
    ids = set(pq.read_table(io.BytesIO(answer.body)).column("id").to_pylist())
    assert {text for text in TEXTS if len(text) < 100 and "\x00" not in text} <= ids


def test_no_file_is_named_by_a_text(full: Hostile) -> None:
    # a class names a folder of a data set, whose letters cannot lead out of it
    below = full.folder.data_sets
    names = {path.name for path in full.folder.path.parent.rglob("*") if below not in path.parents}
    assert not [name for name in names if any(mark in name for mark in ("passwd", "script", "cmd", "SUM", "onerror"))]
    assert not (full.folder.path.parent.parent / "etc").exists()


def test_texts_steer_no_terminal(full: Hostile) -> None:
    from tests.station.station_process import run_kenpin

    for words in (("audit", "show"), ("audit", "verify"), ("station", "account", "list", "--folder")):
        told = run_kenpin(*words, str(full.folder.path))
        assert told
        assert not set(told) & {"\x1b", "\x07", "\u202e", "\r"}
        assert json.dumps(told)
