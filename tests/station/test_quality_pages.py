"""Pages of the line and of quality: standstills, alarms with charts, chosen references, gage, costs, and their JSON."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from kenpin.data.picture_look import PictureLook
from kenpin.records import Verdict
from kenpin.station.clock import HOUR_US, SECOND_US, now_us
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.running import Station
from kenpin.station.service import gate
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import page
from kenpin.station.store.tables import moment_of
from kenpin.station.who.accounts import NewAccount, insert_account
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import RIGHTS_OF, Person, Role
from tests.station.conftest import BASE, PASSWORD, SignIn
from tests.station.monitoring.made import skewed
from tests.station.store.made import append, part

ANN, BO = (Person(name, Role.REVIEWER, RIGHTS_OF[Role.REVIEWER], None) for name in ("ann", "bo"))
_LATER_US = now_us() + HOUR_US
_HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def settings(policy: Path) -> StationSettings:
    """One product, of which every part is drawn, and looked at by two people; its reference is short."""
    product = ProductSettings(
        policy=policy, title="Parts", reviewed_passes=1, reviewed_fails=1, second_reviews=1, reference_parts=250,
        review_from_cost=10_000,
    )  # fmt: skip
    return StationSettings(products={"parts": product})


def _judge(station: Station, distances: NDArray[np.float64], first: int = 1, verdict: Verdict = Verdict.PASS) -> None:
    """Parts that another node judged."""
    records = [
        part(
            number,
            distance=distance,
            verdict=verdict,
            lot=f"L-{number // 100}",
            judged_at=moment_of(_LATER_US + number * SECOND_US),
            look=PictureLook(128.0, 30.0 + distance % 0.1, 7.0),
        )
        for number, distance in enumerate(distances.tolist(), first)
    ]
    append(station.folder, records, node="n2", product="parts")
    station._entering.follower.journals("n2", "parts")


def test_a_reference_that_is_too_short_says_so_in_place_of_a_chart(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()
    _judge(station, skewed(np.random.default_rng(1), 249))
    for language, line, quality in (
        ("en", "No control chart yet: its reference has 249 of 250 parts.", "Limits from fewer parts"),
        ("ja", "249", "250"),
        ("zh", "249", "250"),
    ):
        browser.post("/language", data={"language": language, "back": "/line"})
        assert line in browser.get("/line").text
        page = browser.get("/quality").text
        assert quality in page
        assert "<svg role=" not in page.partition('id="drift"')[2].partition("</section>")[0]
    answer = browser.get("/api/v1/state/alarm").json()
    assert answer["reference"]["lack"] == "short"
    assert (answer["reference"]["parts"], answer["reference"]["wanted_parts"], answer["alarm"]) == (249, 250, None)
    station.watching.catch_up()
    metrics = browser.get("/metrics").text
    assert 'kenpin_control_charted{product="parts"} 0.0' in metrics
    assert "kenpin_control_alarm{" not in metrics


def test_an_alarm_is_told_large_with_its_chart_and_as_json_and_gauge(sign_in: SignIn, station: Station) -> None:
    draw = np.random.default_rng(2)
    browser = sign_in()
    _judge(station, skewed(draw, 600))
    page = browser.get("/line").text
    assert "No alarm runs." in page
    assert 'class="standstill alarm"' not in page
    _judge(station, 2 + skewed(draw, 60), 601)
    page = browser.get("/line").text
    assert "<h2>Parts lie farther from good ones than in the reference</h2>" in page
    control = page.partition('id="control"')[2]
    assert '<svg role="img"' in control
    assert 'class="mark s2"' in control, "points outside the limits are marked"
    quality = browser.get("/quality").text
    assert "Reference: the first 250 parts since version 1 judges" in quality
    assert "It holds parts of 3 lots." in quality
    assert "alarm at most once in about 100,000 parts" in quality
    assert "Not charted, as it does not vary in the reference: Brightness of the pictures" in quality
    answer = browser.get("/api/v1/state/alarm", params={"points": 4}).json()
    alarm = answer["alarm"]
    assert (alarm["chart"], alarm["side"], alarm["at_least"]) == ("distance", "above", False)
    # a point is ten parts, and the first one behind the change may still lie within
    assert alarm["since"] in [moment_of(_LATER_US + number * SECOND_US) for number in (601, 611)]
    assert f'href="/parts/{alarm["part"]}"' in page
    first = browser.get(f"/parts/{alarm['part']}").text
    assert "00601.png" in first or "00611.png" in first
    (distance,) = [one for one in answer["charts"] if one["chart"] == "distance"]
    assert len(distance["points"]) == 4
    assert all(point["value"] > point["high"] for point in distance["points"])
    assert browser.get("/api/v1/state").json()["parts"]["alarm"] == "distance"
    metrics = browser.get("/metrics").text
    assert 'kenpin_control_alarm{chart="distance",product="parts"} 1.0' in metrics
    assert 'kenpin_control_alarm{chart="fail",product="parts"} 0.0' in metrics
    assert 'kenpin_control_alarm_since_seconds{chart="distance",product="parts"}' in metrics


def test_what_a_page_shows_already_is_not_sent_again(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()
    _judge(station, skewed(np.random.default_rng(3), 300))
    page = browser.get("/line").text
    for name in ("standing", "control"):
        address = page.partition(f'hx-get="/line/{name}?')[2].partition('"')[0].replace("&amp;", "&")
        assert browser.get(f"/line/{name}?{address}").status_code == 204
        other = browser.get(f"/line/{name}?product=parts&seen=other")
        assert (other.status_code, f'id="{name}"' in other.text) == (200, True)
    _judge(station, 3 + skewed(np.random.default_rng(3), 20), 301)
    assert browser.get(f"/line/control?{address}").status_code == 200


def test_who_may_chooses_the_reference_with_a_reason(sign_in: SignIn, station: Station) -> None:
    draw = np.random.default_rng(4)
    engineer = sign_in(Role.ENGINEER, "eng")
    _judge(station, np.concatenate([skewed(draw, 300), 2 + skewed(draw, 300)]))
    assert "Parts lie farther" in engineer.get("/quality").text
    for form, sentence in (
        ({"last": "300", "reason": ""}, "a reference needs a reason"),
        ({"last": "12", "reason": "so"}, "250 to 20,000"),
        ({"last": "many", "reason": "so"}, "is not a number of parts"),
        ({"since": "yesterday", "until": "now", "reason": "so"}, "is not a date and time"),
        (
            {"since": moment_of(_LATER_US), "until": moment_of(_LATER_US + 600 * SECOND_US), "reason": "so"},
            "in the past",
        ),
    ):
        refused = engineer.post("/quality/reference?product=parts", data=form)
        assert refused.status_code == 400, form
        assert sentence in refused.text
    station.references._clock = lambda: _LATER_US + HOUR_US
    form = {"last": "300", "reason": _HOSTILE}
    page = engineer.post("/quality/reference?product=parts", data=form)
    assert page.status_code == 200
    assert "Reference: 300 parts of version 1" in page.text
    assert "chosen by eng" in page.text
    assert "<script>alert" not in page.text
    assert "Parts lie farther" not in page.text
    viewer = sign_in(Role.VIEWER, "vi")
    assert "/quality/reference" not in viewer.get("/quality").text
    assert viewer.post("/quality/reference?product=parts", data=form).status_code == 403
    engineer.post("/quality/reference?product=parts", data={"clear": "yes", "reason": "it was wrong"})
    assert "Parts lie farther" in engineer.get("/quality").text


def test_a_full_disk_stands_in_a_large_sentence_and_once(
    sign_in: SignIn, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in()
    assert browser.get("/api/v1/state/standstills").json() == []
    monkeypatch.setattr(KeptPictures, "free_bytes", property(lambda _: 3))
    until_s = time.monotonic() + 10
    while not (told := browser.get("/api/v1/state/standstills").json()):
        assert time.monotonic() < until_s
        time.sleep(0.1)
    assert [(one["cause"], one["name"]) for one in told] == [("disk-full", "parts")]
    assert browser.get("/api/v1/state").json()["parts"]["cause"] == "disk"
    page = browser.get("/line").text
    assert "<h2>Parts takes no parts: the disk is full</h2>" in page
    assert page.count("the disk has 3 bytes left") == 1
    assert "the disk has 3 bytes left" in browser.get("/parts").text


def test_a_product_without_a_version_says_what_to_do(tmp_path: Path, settings: StationSettings) -> None:
    from kenpin.station.standstills import Cause, standstills

    assert told_nothing_at_all(tmp_path / "empty").startswith("<h2>No product is set up yet</h2>")
    without = settings.model_copy(update={"products": {"new": ProductSettings()}})
    with Station(tmp_path / "s", without, engine="torch") as station:
        assert [one.cause for one in standstills(station, "new")] == [Cause.NO_VERSION]
        assert station.watching.of("new") is None


def told_nothing_at_all(folder: Path) -> str:
    """What the page of the line says first, of a station that is new."""
    with Station(folder, StationSettings(), engine="torch") as station:
        with station.store.writing() as connection:
            hashed = Passwords().hash(PASSWORD, "ann")
            insert_account(connection, station.trail, "console", NewAccount("ann", Role.ADMIN, hashed), now_us())
        headers = {"Origin": BASE, "Accept": "text/html"}
        with TestClient(gate(station, "127.0.0.1"), base_url=BASE, headers=headers) as browser:
            browser.post("/sign-in", data={"name": "ann", "password": PASSWORD})
            page = browser.get("/line").text
    return page[page.index("<h2>") :]


def test_people_and_the_line_are_compared_by_blind_looks_alone(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()
    _judge(station, skewed(np.random.default_rng(5), 20))
    _judge(station, skewed(np.random.default_rng(6), 20), 21, Verdict.FAIL)
    empty = browser.get("/quality").text
    assert "How far people agree is unknown" in empty
    reviewing = station.reviewing
    disagreed = 0
    while (task := reviewing.next_task(ANN, "parts")) is not None:
        assert task.is_blind
        reviewing.review(ANN, task.part.key, task.part.verdict, None, None)
    while (task := reviewing.next_task(BO, "parts")) is not None:
        other = Verdict.FAIL if task.part.verdict is Verdict.PASS else Verdict.PASS
        disagrees = task.part.verdict is Verdict.FAIL and disagreed < 5
        disagreed += disagrees
        reviewing.review(BO, task.part.key, other if disagrees else task.part.verdict, None, None)
    page = browser.get("/quality").text
    assert "40 parts were looked at by two people." in page
    assert "20 of 20 agree" in page
    assert "15 of 20 agree: 75.0%" in page
    assert "ann – bo" in page
    answer = browser.get("/api/v1/quality/gage").json()
    assert (answer["pairs"], answer["waiting"]) == ({"PASS": 20, "FAIL": 20}, 0)
    with_line = {frozenset(one["who"]): one["kappa"] for one in answer["line"]}
    assert with_line[frozenset({"ann", "the line"})] == 1
    assert with_line[frozenset({"bo", "the line"})] == pytest.approx(0.75)
    costs = browser.get("/api/v1/quality/cost", params={"days": 7}).json()
    assert len(costs) == 7
    assert sum(one["parts"] for one in costs) <= 40


def test_who_looks_at_a_part_blind_cannot_read_elsewhere_what_the_line_says(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()  # ann
    _judge(station, skewed(np.random.default_rng(5), 3))
    task = station.reviewing.next_task(ANN, "parts")
    assert task is not None
    assert task.is_blind
    key = task.part.key
    sent = browser.get(f"/parts/{key}", follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/review?product=parts")
    for address in (f"/parts/{key}/layer", f"/api/v1/parts/{key}"):
        refused = browser.get(address)
        assert refused.status_code == 404, address
        assert "say what it is" in refused.text
    with station.store.reading() as connection:
        other = next(one.key for one in page(connection, PartFilter("parts")).parts if one.key != key)
    assert browser.get(f"/parts/{other}", follow_redirects=False).status_code == 200
    assert not station.reviewing.looks_blind(BO, key)
    station.reviewing.review(ANN, key, Verdict.PASS, None, None)
    assert browser.get(f"/parts/{key}", follow_redirects=False).status_code == 200
    assert browser.get(f"/api/v1/parts/{key}").status_code == 200


def test_days_and_products_that_are_none_are_refused(sign_in: SignIn) -> None:
    browser = sign_in()
    for address in ("/quality?days=3", "/api/v1/state/alarm?product=none", "/api/v1/state/standstills?product=none"):
        assert browser.get(address).status_code == 400, address
    assert browser.get("/api/v1/quality/cost?days=0").status_code == 422
    described = browser.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/state/standstills", "/api/v1/state/alarm", "/api/v1/quality/gage", "/api/v1/quality/cost"} <= {
        *described
    }
