"""Parts by several pictures in a station: one record a part whatever comes, each view kept, shown and exported."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from kenpin.finished_run import Run
from kenpin.inspection import Line, read_policy
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival, ArrivedView, PartArrival
from kenpin.station.running import Station
from kenpin.station.settings import RetentionRule, StationSettings
from kenpin.station.store.following import rebuild
from kenpin.station.store.opening import open_store
from kenpin.station.store.queries import find_part
from kenpin.station.store.views import ViewRow, views_of
from kenpin.station.who.rights import Role
from tests.part_pictures import FORM, VIEWS, draw_parts
from tests.station.conftest import SignIn
from tests.station.store.made import content
from tests.toy_runs import trained
from tests.training.test_by_part import parts, run

__all__ = ["parts", "run"]
_POLICY = "runs: {{pooled: {{run: '{}'}}}}\nmaps: {{of: pooled, when: [PASS, FAIL, REVIEW], layers: true}}\n"


@pytest.fixture(scope="module")
def policy(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy whose run judges parts by two views."""
    file = tmp_path_factory.mktemp("by_part") / "policy.yaml"
    file.write_text(_POLICY.format(run), "utf-8")
    return file


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """The pictures of eight parts by their views; the first three are defective."""
    folder = draw_parts(tmp_path_factory.mktemp("new"), 8, 3, seed=7)
    return {
        part: {path.stem.split("_")[1]: path.read_bytes() for path in sorted(folder.rglob(f"p7-{part:02d}_*.png"))}
        for part in range(8)
    }


Files = list[tuple[str, tuple[str, bytes]]]


def form(views: dict[str, bytes]) -> Files:
    """A form with a file for each view."""
    return [(name, (f"{name}.png", data)) for name, data in views.items()]


def views_in(station: Station, key: str) -> tuple[ViewRow, ...]:
    with station.store.reading() as connection:
        return views_of(connection, key)


def send(browser: TestClient, id: str, files: Files, **query: str) -> dict[str, Any]:
    answer = browser.post("/api/v1/parts/views", params={"id": id, **query}, files=files)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_form_with_all_views_is_one_record_as_a_line_gives_it(
    sign_in: SignIn, station: Station, policy: Path, new: dict[int, dict[str, bytes]], tmp_path: Path
) -> None:
    browser = sign_in()
    with Line(read_policy(policy), tmp_path / "records") as line:
        for number, of_part in new.items():
            told = send(browser, f"p{number}", form(of_part), lot="L-1")
            alone = line.judge_part(f"p{number}", of_part)
            assert (told["verdict"], told["picture_hash"]) == (alone.verdict.value, alone.picture_hash)
            assert told["verdict"] == ("FAIL" if number < 3 else "PASS")
            assert [view["name"] for view in told["views"]] == list(VIEWS)
            scores = [view["runs"][0]["score"] for view in told["views"]]
            assert scores == [view.answers[0].score for view in alone.views]
            assert [view["decides"] for view in told["views"]] == [one == max(scores) for one in scores]
            assert told["runs"][0]["view"] == alone.answers[0].view
            key = str(told["key"])
            rows = views_in(station, key)
            assert [row.score for row in rows] == scores
            assert [station.pictures.read(row.picture_hash) for row in rows] == [of_part[name] for name in VIEWS]
            with station.store.reading() as connection:
                part = find_part(connection, key)
            assert part is not None
            assert (part.lot, part.content) == ("L-1", alone.picture_hash)
            (deciding,) = [row for row in rows if row.decides]
            assert (part.picture_hash, part.score, part.has_map) == (deciding.picture_hash, deciding.score, True)
            assert part.size_wh == deciding.size_wh == (72, 56)
            assert part.brightness is not None
            assert all((station.folder.records_of("node-1", "parts", 1) / (row.map or "")).is_file() for row in rows)
            assert browser.get(f"/api/v1/parts/{key}").json()["views"] == told["views"]
    assert station.state()["parts"].judged == 8
    table = [*csv.DictReader(io.StringIO(browser.get("/parts.csv").text.removeprefix("\ufeff"), newline=""))]
    for row in table:
        told = browser.get(f"/api/v1/parts/{row['key']}").json()["views"]
        shown = [(one["view"], one["picture_hash"], one["decides"]) for one in json.loads(row["views"])]
        assert shown == [(one["name"], one["picture_hash"], one["decides"]) for one in told]
    assert len(table) == 8


def test_the_same_part_is_judged_once_in_whatever_order_its_pictures_come(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    browser, chance = sign_in(), random.Random(3)
    first = {number: send(browser, f"p{number}", form(of_part)) for number, of_part in new.items()}
    for _ in range(12):
        number = chance.randrange(8)
        again = form(new[number])
        chance.shuffle(again)
        by_name = [("picture", (f"x{number}_{name}.png", data)) for name, (_, data) in again]
        assert send(browser, f"p{number}", chance.choice([again, by_name])) == first[number]
    with station.store.reading() as connection:
        assert len(connection.exec_driver_sql("SELECT key FROM parts").all()) == 8
    other = send(browser, "p0", form(new[4]))
    assert other["key"] != first[0]["key"]


def _odd(new: dict[int, dict[str, bytes]]) -> dict[str, Files]:
    good = new[6]
    return {
        "View side is missing": form({"top": good["top"]}),
        "View odd is none of them": form({**good, "odd": good["top"]}),
        "View top came 2 times": [*form(good), ("top", ("b.png", new[5]["top"]))],
        "side: ": form({**good, "side": good["side"][:-300]}),
        "top: ": form({**good, "top": b""}),
        "View none/../of them is none of them": form({**good, "none/../of them": good["top"]}),
    }


def test_a_part_that_cannot_be_judged_is_recorded_for_a_person(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    browser = sign_in()
    for number, (reason, files) in enumerate(_odd(new).items()):
        told = send(browser, f"odd{number}", files)
        assert told["verdict"] == "REVIEW", reason
        assert str(told["reasons"][0]).startswith(reason), told["reasons"]
        assert len(told["views"]) == len(files)
        assert sum(view["decides"] for view in told["views"]) == 1
        kept = sorted(station.pictures.read(row.picture_hash) or b"" for row in views_in(station, str(told["key"])))
        assert kept == sorted(data for _, (_, data) in files)
        assert send(browser, f"odd{number}", files) == told
    single = browser.post("/api/v1/parts", params={"id": "single"}, content=new[6]["top"]).json()
    assert (single["verdict"], len(single["views"])) == ("REVIEW", 1)
    assert "view side is missing" in single["reasons"][0].lower()


@pytest.mark.parametrize(
    ("files", "status", "sentence"),
    [
        ([("picture", ("a_top.png", b"1")), ("picture", ("b_side.png", b"2"))], 400, "their names are of two parts"),
        ([("picture", ("top.png", b"1"))], 400, f"its name has not the form {FORM}"),
        ([("top", (None, b"1"))], 400, "field 'top' of the form is no file"),
        ([("t" * 101, ("a.png", b"1"))], 400, "the name of a view has 1 to 100 letters"),
        ([(f"v{number}", ("a.png", b"1")) for number in range(65)], 400, "more than 64 pictures"),
        ([("top", ("a.png", b"1" * 1_000_001))], 413, "picture 'top' has more than 1,000,000 bytes"),
        ([(f"v{number}", ("a.png", b"1" * 990_000)) for number in range(4)], 413, "has more than 3,000,000 bytes"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence_and_leaves_nothing(
    sign_in: SignIn, station: Station, files: Files, status: int, sentence: str
) -> None:
    browser = sign_in()
    answer = browser.post("/api/v1/parts/views", params={"id": "p"}, files=files)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert station.state()["parts"].judged == 0
    assert [path for path in station.folder.pictures.glob("*/*") if path.is_file()] == []


@pytest.fixture
def settings(settings: StationSettings) -> StationSettings:
    """With small limits, so that little is too large."""
    limits = settings.limits.model_copy(update={"picture_bytes": 1_000_000, "part_bytes": 3_000_000, "free_bytes": 0})
    return settings.model_copy(update={"limits": limits})


def test_no_form_and_no_picture_are_refused(sign_in: SignIn, new: dict[int, dict[str, bytes]]) -> None:
    browser = sign_in()
    whole = browser.build_request("POST", "/api/v1/parts/views", params={"id": "p"}, files=form(new[0]))
    body, kind = whole.read(), whole.headers["content-type"]
    for data, of_kind in [(new[0]["top"], "image/png"), (body[:-40], kind), (b"", kind), (b"x" + body, kind)]:
        answer = browser.post(
            "/api/v1/parts/views", params={"id": "p"}, content=data, headers={"Content-Type": of_kind}
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"].startswith("the upload is no")
    empty = kind.partition("boundary=")[2].encode()
    answer = browser.post(
        "/api/v1/parts/views", params={"id": "p"}, content=b"--" + empty + b"--\r\n", headers={"Content-Type": kind}
    )
    assert answer.status_code == 400, answer.text


def test_several_pictures_to_runs_of_single_ones_are_for_a_person(
    tmp_path: Path, new: dict[int, dict[str, bytes]], toy_policy: Path
) -> None:
    settings = StationSettings.from_mapping({"products": {"single": {"policy": str(toy_policy)}}}, "made")
    views = tuple(ArrivedView(name, data) for name, data in new[0].items())
    with Station(tmp_path / "single", settings, engine="torch") as station:
        assert station.known_form("single") is None
        record = station.submit(PartArrival("p", views)).record.result(60)
        one = station.submit(Arrival("q", new[0]["top"])).record.result(60)
        assert record.verdict is Verdict.REVIEW
        assert record.reasons == ("It came as 2 pictures, and parts are judged by single ones: a person must look.",)
        assert [view.name for view in record.views] == list(VIEWS)
        assert (one.verdict is Verdict.REVIEW, one.views) == (False, ())


@pytest.fixture(scope="module")
def toy_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    trained("classifier", folder / "toy", draw_parts(folder / "data", 8, 3))
    (folder / "policy.yaml").write_text("runs: {toy: {run: toy, fail_from: 0.5}}\n")
    return folder / "policy.yaml"


def test_a_rebuild_and_retention_know_each_view(
    tmp_path: Path, settings: StationSettings, sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    browser = sign_in()
    keys = [str(send(browser, f"p{number}", form(of_part))["key"]) for number, of_part in new.items()]
    hashes = {key: [row.picture_hash for row in views_in(station, key)] for key in keys}
    before = content(station.store)["part_views"]
    assert len(before) == 16
    folder = station.folder
    station.close()
    with open_store(folder, None) as store:
        rebuild(store, folder)
        assert content(store)["part_views"] == before
    rule = RetentionRule(after_days=1e-9, verdicts=(Verdict.PASS,))
    with Station(folder.path, settings.model_copy(update={"retention": (rule,)}), engine="torch") as again:
        again._retain()
        kept = {key: [again.pictures.find(one) is not None for one in of] for key, of in hashes.items()}
        assert [*kept.values()] == [[number < 3] * 2 for number in range(8)]


def test_who_may_not_hand_in_parts_hands_in_none(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    for role, status in ((None, 401), (Role.VIEWER, 403), (Role.REVIEWER, 403), (Role.AUDITOR, 403)):
        browser = sign_in(role, f"who{status}{role}".lower().replace(".", ""))
        answer = browser.post("/api/v1/parts/views", params={"id": "p"}, files=form(new[0]))
        assert answer.status_code == status, (role, answer.text)
    assert station.state()["parts"].judged == 0


def test_the_page_of_a_part_shows_every_view_with_its_map_and_which_one_decided(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    browser = sign_in()
    told = send(browser, "p0", form(new[0]))
    key, decided = told["key"], [view["name"] for view in told["views"] if view["decides"]]
    page = browser.get(f"/parts/{key}").text
    for number, name in enumerate(VIEWS):
        side = page.partition(f'data-side="{number}"')[2].partition("</li>")[0]
        assert f'src="/parts/{key}/thumbnail?view={number}"' in side
        assert (">decides<" in side) is ('aria-current="true"' in side) is (name in decided)
        figure = page.partition("<h2>Views</h2>")[2].partition(f'src="/parts/{key}/picture?view={number}"')[2]
        figure = figure.partition("</figure>")[0]
        assert f"View {name} of the part" in figure
        assert f'src="/parts/{key}/layer?view={number}"' in figure
        assert (">decides<" in figure) is (name in decided)
        assert browser.get(f"/parts/{key}/picture?view={number}").content == new[0][name]
        assert browser.get(f"/parts/{key}/thumbnail?view={number}").headers["content-type"] == "image/jpeg"
    layers = [browser.get(f"/parts/{key}/layer?view={number}").content for number in range(2)]
    assert layers[0] != layers[1]
    worst = VIEWS.index(decided[0])
    assert browser.get(f"/parts/{key}/picture").content == new[0][decided[0]]
    assert browser.get(f"/parts/{key}/layer").content == layers[worst]
    for bad in ("2", "-1", "../0", "0" * 5_000, "٣", ""):
        for what in ("picture", "layer", "thumbnail"):
            assert browser.get(f"/parts/{key}/{what}", params={"view": bad}).status_code == 404, (bad, what)
    missing = send(browser, "half", form({"top": new[6]["top"]}))
    browser.post("/language", data={"language": "ja"}, headers={"X-CSRF-Token": browser.headers["X-CSRF-Token"]})
    page = browser.get(f"/parts/{missing['key']}").text
    assert "ビュー side がありません。部品はビュー side、top で判定します：人が確認してください。" in page
    assert "判定を決めたビュー" in page


def test_whoever_looks_blind_sees_the_views_and_nothing_of_what_runs_say(
    sign_in: SignIn, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    browser = sign_in()
    told = send(browser, "p6", form(new[6]))  # passed, and drawn for review
    key = told["key"]
    assert told["verdict"] == "PASS"
    task = browser.get("/review").text
    assert f'data-zoom="/parts/{key}/picture?view=0"' in task, "which one decides is not told"
    assert all(f'href="/parts/{key}/picture?view={number}" data-side="{number}"' in task for number in range(2))
    assert "layer" not in task.partition('id="task"')[2]
    assert ">decides<" not in task
    assert "pooled" not in task
    assert browser.get(f"/parts/{key}/layer?view=0").status_code == 404
    answer = browser.post(f"/review/{key}", data={"say": "fail", "marks": ""}, headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer.text
    shown = browser.get(f"/api/v1/parts/{key}").json()
    assert (shown["settled_verdict"], len(shown["views"])) == ("FAIL", 2)
    send(browser, "p0", form(new[0]))
    failed = browser.get("/review").text
    assert failed.count('data-side="') == 2
