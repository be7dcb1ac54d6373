"""Pages and interface of a station: parts in, records out, shown in three languages, and no text of a stranger runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kenpin.data.picture_files import hash_of
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.clock import now_us
from kenpin.station.retention.removing import Removed, remove_pictures
from kenpin.station.running import Station
from kenpin.station.settings import RetentionRule
from kenpin.station.who.rights import RIGHTS_OF, Person, Role
from tests.station.conftest import SignIn

_HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'=cmd|"


@pytest.fixture
def pictures(few_parts: Path) -> list[bytes]:
    """Files of pictures."""
    return [path.read_bytes() for path in sorted(few_parts.glob("*/*"))[:6]]


def _send(browser: TestClient, id: str, data: bytes, **more: str) -> dict[str, object]:
    answer = browser.post("/api/v1/parts", params={"id": id, **more}, content=data)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_part_is_judged_once_and_shown(sign_in: SignIn, station: Station, pictures: list[bytes]) -> None:
    browser = sign_in(Role.ENGINEER)
    first = _send(browser, "a.png", pictures[0], lot="L-7")
    assert (first["id"], first["lot"], first["product"]) == ("a.png", "L-7", "parts")
    assert _send(browser, "a.png", pictures[0]) == first
    assert _send(browser, "a.png", pictures[1])["picture_hash"] != first["picture_hash"]
    assert str(station.folder.path) not in json.dumps(first)
    assert station.state()["parts"].judged == 3
    for page in ("/line", "/line/now", "/parts", "/parts?lot=L-7&verdict=PASS", "/quality"):
        answer = browser.get(page)
        assert answer.status_code == 200, (page, answer.text)
    assert "L-7" in browser.get("/line").text or "a.png" in browser.get("/line").text
    address = browser.get("/parts?lot=L-7").text.partition('href="/parts/')[2].partition('"')[0]
    part = browser.get(f"/parts/{address}")
    assert "a.png" in part.text
    assert str(first["picture_hash"]) in part.text
    assert browser.get(f"/parts/{address}/picture").content == pictures[0]
    assert browser.get(f"/parts/{address}/thumbnail").headers["content-type"] == "image/jpeg"
    assert browser.get("/parts/" + "0" * 32).status_code == 404
    assert browser.get("/review").status_code == 200


@pytest.mark.parametrize(("language", "word"), [("en", "Parts"), ("ja", "部品"), ("zh", "零件")])
def test_pages_are_in_the_person_s_language(sign_in: SignIn, language: str, word: str) -> None:
    browser = sign_in()
    assert browser.post("/language", data={"language": language, "back": "/parts"}).url.path == "/parts"
    page = browser.get("/parts").text
    assert f"<h1>{word}</h1>" in page
    assert f'<html lang="{"zh-Hans" if language == "zh" else language}">' in page


def test_texts_of_strangers_are_texts(sign_in: SignIn, pictures: list[bytes]) -> None:
    browser = sign_in()
    _send(browser, _HOSTILE, pictures[0], lot=_HOSTILE)
    for page in ("/line", "/parts", "/review", "/quality", f"/parts?lot={_HOSTILE}"):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
    _send(browser, "=1+1.png", pictures[1], lot="@x")
    rows = [*csv.DictReader(io.StringIO(browser.get("/parts.csv").text.removeprefix("\ufeff")))]
    assert {row["id"][:2] for row in rows} <= {"'=", '">'}
    assert {row["lot"][:2] for row in rows} <= {"'@", '">'}


def test_what_is_refused_is_a_page_for_browsers_and_json_for_machines(sign_in: SignIn) -> None:
    browser = sign_in(Role.VIEWER)
    refused = browser.post("/api/v1/parts", params={"id": "a"}, content=b"x")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/json")
    page = browser.get("/review")
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "it takes the right review" in page.text
    nobody = sign_in(None)
    assert nobody.get("/parts?lot=1", follow_redirects=False).headers["location"] == "/sign-in?back=%2Fparts%3Flot%3D1"
    assert nobody.get("/api/v1/state").status_code == 401
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "/ok"):
        form = nobody.get("/sign-in", params={"back": back}).text
        assert f'name="back" value="{"/ok" if back == "/ok" else "/"}"' in form


def test_health_is_told_without_signing_in_and_names_nothing(sign_in: SignIn, pictures: list[bytes]) -> None:
    _send(sign_in(), "secret-name.png", pictures[0], lot="secret-lot")
    nobody = sign_in(None)
    assert nobody.get("/healthz").json() == {"status": "alive"}
    assert nobody.get("/readyz").json() == {"status": "ready", "lines": 1}
    metrics = nobody.get("/metrics").text
    assert 'kenpin_parts_total{product="parts"} 1.0' in metrics
    assert "secret" not in metrics


def test_a_body_that_is_too_large_is_refused(sign_in: SignIn, station: Station) -> None:
    limit = station.settings.limits.picture_bytes
    answer = sign_in().post(
        "/api/v1/parts", params={"id": "a"}, content=b"", headers={"Content-Length": f"{limit + 1}"}
    )
    assert answer.status_code == 413


def test_a_station_that_is_opened_again_knows_its_parts(
    sign_in: SignIn, station: Station, pictures: list[bytes]
) -> None:
    browser = sign_in()
    first = _send(browser, "a.png", pictures[0])
    station.close()
    with Station(station.folder.path, station.settings, engine="torch") as again:
        assert again.versions.running() == {"parts": 1}
        record = again.submit(Arrival("a.png", pictures[0])).record.result(30)
        assert record.judged_at == first["judged_at"]


def test_pictures_are_removed_by_rules_and_records_stay(
    sign_in: SignIn, station: Station, pictures: list[bytes]
) -> None:
    browser = sign_in()
    first = _send(browser, "a.png", pictures[0])
    _send(browser, "again.png", pictures[0])
    _send(browser, "b.png", pictures[1])
    day_us = 24 * 3600 * 1_000_000
    verdict = Verdict(str(first["verdict"]))
    rules = [RetentionRule(after_days=2, verdicts=(verdict,), reviewed=False)]

    def remove(days: float) -> Removed:
        return remove_pictures(station.store, station.pictures, ["parts"], rules, int(now_us() + days * day_us))

    assert remove(1) == Removed()
    task = station.reviewing.next_task(_person(), "parts")
    assert task is not None
    station.reviewing.review(_person(), task.part.key, Verdict.PASS, None, None)
    removed = remove(3)
    kept = [one for one in pictures[:2] if station.pictures.find(hash_of(one)) is not None]
    assert removed.pictures == 2 - len(kept)
    assert kept, "a picture that a reviewed part shares was removed"
    for page in ("/line", "/parts"):
        assert browser.get(page).status_code == 200


def _person() -> Person:
    return Person("ann", Role.ADMIN, RIGHTS_OF[Role.ADMIN], None)
