"""Marks: what people draw arrives at the same pixels in trail, store and data set, and nothing else is kept."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

import kenpin.station.pages.reviewing
from kenpin.data.images import displayed_size, read_image
from kenpin.data.loading import load_dataset
from kenpin.data.picture_files import hash_of
from kenpin.errors import DatasetError
from kenpin.inspection.record import Answer, PartRecord
from kenpin.outlines import Outline
from kenpin.records import Detections, ImageSource, Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.learning.data_sets import DATA, freeze, load_frozen
from kenpin.station.learning.reviewed import ReviewedPart
from kenpin.station.pages.marking import layers_of, marking_of
from kenpin.station.pages.upright import shown_as_it_is
from kenpin.station.reviewing.marks import (
    MOST_CORNERS,
    MOST_CORNERS_TOGETHER,
    MOST_LETTERS,
    MOST_MARKS,
    DefectMark,
    MarksError,
    check_marks,
    detections_of_marks,
    kept_marks,
    marks_of_detections,
    marks_of_text,
    values_of_marks,
)
from kenpin.station.reviewing.settling import Review, outcome
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.store.full_records import read_record
from kenpin.station.store.marks import settled_marks
from kenpin.station.store.queries import PartRow, find_part
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import RIGHTS_OF, Person, Role
from tests.builders import picture_bytes
from tests.inspection.made import record
from tests.station.conftest import SignIn
from tests.station.test_reviewing import replace_product

SIZE_WH = (64, 64)
BOX, REGION = [1.0, 2.0, 30.5, 40.0], [5.0, 5.0, 20.0, 6.0, 12.0, 30.0]
DRAWN = [{"label": "scratch", "box": BOX}, {"label": None, "corners": REGION}]
ORIENTATION = 0x0112
ANN, BO, CY = (Person(name, Role.REVIEWER, RIGHTS_OF[Role.REVIEWER], None) for name in ("ann", "bo", "cy"))


def _turned(orientation: int, size_wh: tuple[int, int] = (40, 24), seed: int = 0) -> bytes:
    """A JPEG that its EXIF turns."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    Image.open(io.BytesIO(picture_bytes(seed, size_wh=size_wh))).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture
def settings(settings: StationSettings, request: pytest.FixtureRequest) -> StationSettings:
    """Every part waits for its cost too; all that fail are drawn, or another share of them."""
    return replace_product(settings, review_from_cost=0.0, reviewed_fails=getattr(request, "param", 1.0))


# ---- any marks, from the form to the data set ----


@st.composite
def drawn_marks(draw: st.DrawFn, size_wh: tuple[int, int]) -> list[dict[str, Any]]:
    """Values of a form that fit on a picture."""

    def span(size: int) -> list[float]:
        low = draw(st.integers(0, 16 * (size - 1)))
        return [low / 16, draw(st.integers(low + 16, 16 * size)) / 16]

    def mark() -> dict[str, Any]:
        label = draw(st.sampled_from([None, "scratch", "dent <b>&amp;", "傷"]))
        (x1, x2), (y1, y2) = span(size_wh[0]), span(size_wh[1])
        if draw(st.booleans()):
            return {"label": label, "box": [x1, y1, x2, y2]}
        middle = draw(st.integers(int(16 * x1), int(16 * x2))) / 16
        # a triangle whose area is half of its box's
        return {"label": label, "corners": [x1, y2, x2, y2, middle, y1]}

    marks = [mark() for _ in range(draw(st.integers(1, 5)))]
    return [one for one in marks if "box" in one or _width(one) * _height(one) >= 2] or [
        {"label": None, "box": [0, 0, 1, 1]}
    ]


def _width(one: dict[str, Any]) -> float:
    return float(max(one["corners"][0::2]) - min(one["corners"][0::2]))


def _height(one: dict[str, Any]) -> float:
    return float(max(one["corners"][1::2]) - min(one["corners"][1::2]))


@tried(max_examples=20, deadline=None)
@given(data=st.data(), orientation=st.sampled_from([1, 3, 6, 8]))
def test_marks_survive_from_the_form_to_a_loaded_data_set(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, orientation: int
) -> None:
    folder = tmp_path_factory.mktemp("frozen")
    picture = _turned(orientation)
    (folder / "picture").write_bytes(picture)
    size_wh = displayed_size(ImageSource(str(folder / "picture")))
    assert size_wh == ((24, 40) if orientation in (6, 8) else (40, 24))
    values = data.draw(drawn_marks(size_wh))

    marks = marks_of_text(json.dumps(values))
    check_marks(marks, {None: size_wh}, ["scratch", "dent <b>&amp;", "傷"])
    in_trail = json.loads(json.dumps(values_of_marks(marks)))
    assert in_trail == [{name: one[name] for name in one} for one in values]
    assert kept_marks(json.dumps(in_trail)) == marks

    content = hash_of(picture)
    part = ReviewedPart(
        "part",
        content,
        folder / "picture",
        Verdict.FAIL,
        "scratch",
        detections_of_marks(marks),
        "ann",
        1,
        sampled=False,
    )
    freeze([part], folder / "set", who="ann", at_us=2, of_boxes=True)
    (example,) = load_frozen(folder / "set")
    assert example.size_wh == size_wh
    found = example.boxes
    assert found is not None
    assert found.boxes_xyxy_px == tuple(mark.box_xyxy_px for mark in marks)
    assert found.labels == tuple(mark.label or "scratch" for mark in marks)
    outlines = found.outlines or (None,) * len(marks)
    assert outlines == tuple(None if mark.ring_px is None else Outline((mark.ring_px,)) for mark in marks)


# ---- what cannot be kept ----

_BOX = '[{"label": null, "box": %s}]'
_RING = '[{"label": null, "corners": %s}]'
HOSTILE = {
    "not a number": _BOX % "[NaN, 0, 9, 9]",
    "endless": _BOX % "[0, 0, Infinity, 9]",
    "huge": _BOX % "[0, 0, 1e9, 9]",
    "beyond all": _BOX % "[0, 0, 1e400, 9]",
    "more digits than any": _BOX % f"[0, 0, {'9' * 5000}, 9]",
    "negative": _BOX % "[-1, 0, 9, 9]",
    "a text": _BOX % '["0", 0, 9, 9]',
    "true": _BOX % "[true, 0, 9, 9]",
    "null": _BOX % "[null, 0, 9, 9]",
    "three": _BOX % "[0, 0, 9]",
    "empty": _BOX % "[5, 5, 5, 9]",
    "less than a pixel": _BOX % "[5, 5, 5.5, 9]",
    "inverted": _BOX % "[9, 9, 2, 2]",
    "out": _BOX % "[0, 0, 64.1, 9]",
    "two corners": _RING % "[0, 0, 9, 9]",
    "odd corners": _RING % "[0, 0, 9, 9, 3]",
    "a line": _RING % "[0, 0, 9, 9, 18, 18]",
    "corner out": _RING % "[0, 0, 9, 9, 3, 65]",
    "too many corners": _RING % json.dumps([float(n % 60) for n in range(2 * MOST_CORNERS + 2)]),
    "too many boxes": json.dumps([{"box": [0, 0, 9, 9]}] * 10_000),
    "one box too many": json.dumps([{"box": [0, 0, 9, 9]}] * (MOST_MARKS + 1)),
    "html": '[{"label": "<img src=x onerror=alert(1)>", "box": [0, 0, 9, 9]}]',
    "good": '[{"label": "ok", "box": [0, 0, 9, 9]}]',
    "label of numbers": '[{"label": 7, "box": [0, 0, 9, 9]}]',
    "half a letter": '[{"label": "\\ud800", "box": [0, 0, 9, 9]}]',
    "both": '[{"label": null, "box": [0, 0, 9, 9], "corners": [0, 0, 9, 0, 9, 9]}]',
    "neither": '[{"label": null}]',
    "more": '[{"label": null, "box": [0, 0, 9, 9], "who": "eve"}]',
    "an object": '{"label": null, "box": [0, 0, 9, 9]}',
    "no json": "[{",
    "deep": "[" * 60_000,
    "long": f"{' ' * MOST_LETTERS}[1]",
}


def _first(browser: TestClient) -> tuple[str, str]:
    """The page of the review, and the key of its part."""
    page = browser.get("/review").text
    found = re.search(r'data-review="([0-9a-f]{32})"', page)
    assert found is not None, page
    return page, found[1]


def _send(browser: TestClient, id: str, data: bytes) -> dict[str, Any]:
    answer = browser.post("/api/v1/parts", params={"id": id}, content=data)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _said(station: Station) -> list[dict[str, Any]]:
    entries = read_entries(station.folder.trail(station.settings.node))
    return [dict(entry.about) for entry in entries if entry.what == "part-reviewed"]


@pytest.fixture
def browser(sign_in: SignIn, few_parts: Path) -> TestClient:
    """An engineer's, after a part was sent."""
    opened = sign_in(Role.ENGINEER)
    _send(opened, "a.png", (few_parts / "scratch" / "000.png").read_bytes())
    return opened


def test_what_does_not_fit_is_refused_in_place_and_nothing_is_stored(browser: TestClient, station: Station) -> None:
    _, key = _first(browser)
    for name, marks in HOSTILE.items():
        form = {"say": "fail", "marks": marks}
        answer = browser.post(f"/review/{key}", data=form, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers.get("hx-retarget")) == (200, "#refused"), name
        assert re.fullmatch(r"marks?(?: \d+)?: [^\n]{10,300}[.]", answer.text.strip()), (name, answer.text)
        assert "<" not in answer.text, name
        plain = browser.post(f"/review/{key}", data=form)
        assert plain.status_code == 409
        assert answer.text.strip() in plain.text, name
    for say in ("pass",):
        answer = browser.post(
            f"/review/{key}", data={"say": say, "marks": json.dumps(DRAWN)}, headers={"HX-Request": "1"}
        )
        assert "a good part has no marks" in answer.text
    assert _said(station) == []
    assert _first(browser)[1] == key


def test_corners_of_all_regions_are_bounded_together() -> None:
    ring = tuple(float(value) for n in range(MOST_CORNERS) for value in (n % 60, (7 * n) % 50))
    many = [DefectMark(None, (0.0, 0.0, 59.0, 49.0), ring)] * (MOST_CORNERS_TOGETHER // MOST_CORNERS)
    with pytest.raises(MarksError, match="corners together"):
        check_marks([*many, many[0]], {None: SIZE_WH}, [])
    with pytest.raises(MarksError, match="no picture to draw"):
        check_marks(many[:1], {None: None}, [])
    with pytest.raises(MarksError, match="at most 200"):
        check_marks([DefectMark(None, (0.0, 0.0, 9.0, 9.0))] * (MOST_MARKS + 1), {None: SIZE_WH}, [])


def test_as_much_as_may_be_is_kept_and_read_again() -> None:
    ring = [value + 0.0625 for n in range(MOST_CORNERS) for value in (12345 + n % 60, 12345 + (7 * n) % 50)]
    regions = [{"label": "a defect of a long name", "corners": ring}] * (MOST_CORNERS_TOGETHER // MOST_CORNERS)
    boxes = [{"label": "a defect of a long name", "box": [12345.0625, 12345.0625, 12399.0625, 12399.0625]}]
    marks = marks_of_text(json.dumps([*regions, *boxes * (MOST_MARKS - len(regions))]))
    check_marks(marks, {None: (20_000, 20_000)}, ["a defect of a long name"])
    assert kept_marks(json.dumps(values_of_marks(marks))) == marks


# ---- from the form to all who read ----


def test_marks_are_in_the_trail_on_the_pages_in_tables_and_in_json(browser: TestClient, station: Station) -> None:
    _, key = _first(browser)
    browser.post(f"/review/{key}", data={"say": "class:scratch", "marks": json.dumps(DRAWN), "note": "deep"})
    assert [about["marks"] for about in _said(station)] == [DRAWN]
    found = browser.get(f"/api/v1/parts/{key}").json()
    assert found["settled_marks"] == found["reviews"][0]["marks"]
    assert [(one["label"], one["corners_px"]) for one in found["settled_marks"]] == [("scratch", None), (None, REGION)]
    assert [one["xyxy_px"] for one in found["settled_marks"]] == [BOX, [5.0, 5.0, 20.0, 30.0]]
    assert (found["key"], found["reviews"][0]["who"], found["settled_verdict"]) == (key, "ann", "FAIL")
    assert browser.get(f"/api/v1/parts/{'0' * 32}").status_code == 404
    page = browser.get(f"/parts/{key}").text
    assert f'<rect x="1.0" y="2.0" width="{BOX[2] - 1}" height="38.0"/>' in page
    assert '<polygon points="5.0 5.0 20.0 6.0 12.0 30.0"/>' in page
    assert ">ann: scratch</text>" in page
    assert "scratch: 1, 2 – 30.5, 40" in page
    (row,) = csv.DictReader(io.StringIO(browser.get("/parts.csv").text.removeprefix("\ufeff")))
    assert json.loads(row["settled_marks"]) == DRAWN
    table = pq.read_table(io.BytesIO(browser.get("/parts.parquet").content))
    assert json.loads(table.column("settled_marks")[0].as_py()) == DRAWN


def test_what_was_taken_back_is_offered_again_to_whoever_drew_it(browser: TestClient, station: Station) -> None:
    _, key = _first(browser)
    browser.post(f"/review/{key}", data={"say": "fail", "marks": json.dumps(DRAWN)})
    assert station.reviewing.taken_back(ANN, key) == ()  # it stands
    browser.post("/review/none", data={"say": "undo"})
    with station.store.reading() as connection:
        assert settled_marks(connection, [key]) == {}
    assert _marking(_first(browser)[0])["drafts"] == DRAWN
    assert browser.get(f"/api/v1/parts/{key}").status_code == 404, "ann looks at it again, and blind"
    station.reviewing.leave(ANN, key)
    assert browser.get(f"/api/v1/parts/{key}").json()["settled_marks"] == []
    assert "<polygon" not in browser.get(f"/parts/{key}").text
    assert station.reviewing.taken_back(BO, key) == ()
    assert (
        next(csv.DictReader(io.StringIO(browser.get("/parts.csv").text.removeprefix("\ufeff"))))["settled_marks"] == ""
    )


def _marking(page: str) -> dict[str, Any]:
    found = re.search(r"data-marking='([^']*)'", page)
    assert found is not None
    values: dict[str, Any] = json.loads(found[1])
    return values


def test_marks_are_the_same_in_a_store_that_is_filled_anew(browser: TestClient, station: Station) -> None:
    _, key = _first(browser)
    browser.post(f"/review/{key}", data={"say": "fail", "marks": json.dumps(DRAWN)})

    def told(of: Station) -> Any:
        with of.store.reading() as connection:
            return of.reviewing.reviews_of(connection, key)

    before = told(station)
    assert before[0].marks_hold
    path, settings_ = station.folder.path, station.settings
    station.close()
    for file in path.glob("store.sqlite*"):
        file.unlink()
    with Station(path, settings_, engine="torch") as again:
        assert told(again) == before
        assert values_of_marks(told(again)[0].marks) == DRAWN


def test_marks_become_a_data_set_of_boxes_that_is_asked_for(
    browser: TestClient, station: Station, few_parts: Path
) -> None:
    files = [few_parts / "ok" / "001.png", few_parts / "scratch" / "002.png"]
    for file in files:
        _send(browser, f"{file.parent.name}.png", file.read_bytes())
    with pytest.raises(DatasetError, match="review some first"):
        station.learning.freeze(_engineer(), "parts", of_boxes=True)
    for _ in range(3):
        page, key = _first(browser)
        is_first = "<h2>a.png</h2>" in page
        said = {"say": "pass"} if "<h2>ok.png</h2>" in page else {"say": "class:scratch"}
        browser.post(f"/review/{key}", data={**said, "marks": json.dumps(DRAWN) if is_first else ""})
    assert browser.post("/learn/freeze", data={"form": "boxes"}).status_code == 200
    assert browser.post("/learn/freeze", data={"form": "else"}).status_code == 404
    folder = station.folder.data_sets / "parts-1"
    found = {boxes for boxes in (example.boxes for example in load_frozen(folder)) if boxes}
    assert [(one.labels, one.boxes_xyxy_px[0]) for one in found] == [(("scratch", "scratch"), tuple(BOX))]
    assert [one.outlines[1] for one in found if one.outlines] == [Outline((tuple(REGION),))]
    assert len(load_frozen(folder)) == 2
    page = browser.get("/learn").text
    assert "1 defective part on which nobody drew a box was left out: " in page
    assert "draw their boxes, and freeze again." in page
    for language, sentence in (
        ("ja", "枠が描かれていない不良品 1 個を除外"),
        ("zh", "1 个没有人画框的缺陷零件"),
    ):
        browser.post("/language", data={"language": language, "back": "/learn"})
        assert sentence in browser.get("/learn").text, language
    browser.post("/language", data={"language": "en", "back": "/learn"})
    assert "2 boxes" in page
    browser.post("/learn/freeze", data={"form": "classes"})
    assert load_dataset(station.folder.data_sets / "parts-2" / DATA).column("label").count("scratch") == 2


def _engineer() -> Person:
    return Person("eve", Role.ENGINEER, RIGHTS_OF[Role.ENGINEER], None)


# ---- whose marks count ----


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        ("ann F marks", "ann"),
        ("ann F, bo F marks", "bo"),
        ("ann F marks, bo F marks", "bo"),
        ("ann F marks, bo F", "ann"),
        ("ann P, bo F marks, cy F marks", "cy"),
        ("ann P, bo F marks, cy F", "bo"),
        ("ann F marks, bo P, cy P", None),
        ("ann F marks, bo P", None),
        ("ann F", None),
    ],
)
def test_whose_marks_count(reviews: str, expected: str | None) -> None:
    said = [one.split() for one in reviews.split(", ")]
    given_ = [Review(who, Verdict.FAIL if verdict == "F" else Verdict.PASS, None, "marks" in more)
              for who, verdict, *more in said]  # fmt: skip
    assert outcome(given_, wants_second=len(given_) > 1).drawn_by == expected


def test_of_two_who_agree_the_second_one_s_marks_count(
    tmp_path: Path, settings: StationSettings, few_parts: Path
) -> None:
    first, second = (marks_of_text(json.dumps([{"label": None, "box": box}])) for box in (BOX, [3, 3, 9, 9]))
    with Station(tmp_path / "s", replace_product(settings, second_reviews=1.0), engine="torch") as station:
        station.submit(Arrival("a.png", (few_parts / "ok" / "000.png").read_bytes())).record.result(60)
        task = station.reviewing.next_task(ANN, "parts")
        assert task is not None
        key = task.part.key
        for who, marks in ((ANN, first), (BO, second)):
            station.reviewing.review(who, key, Verdict.FAIL, None, None, marks)
        with station.store.reading() as connection:
            holding = [one.who for one in station.reviewing.reviews_of(connection, key) if one.marks_hold]
        assert holding == ["bo"]
        (part,) = station.learning._reviewed("parts")
        assert part.boxes == detections_of_marks(second)
        station.reviewing.undo(BO)
        with station.store.reading() as connection:
            assert not any(one.marks_hold for one in station.reviewing.reviews_of(connection, key))


# ---- what the line found ----


def _with_boxes(found: PartRecord) -> PartRecord:
    boxes = Detections(
        ((1.0, 2.0, 30.5, 40.0), (60.0, 60.0, 70.0, 70.03), (63.9, 0.0, 70.0, 9.0)),
        ("scratch", "<i>", "x"),
        (0.5, 0.9, 0.1),
    )
    answer = Answer("boxes", "v", "d", None, None, None, None, (), boxes=boxes)
    return replace(found, answers=(*found.answers, answer))


@pytest.mark.parametrize("settings", [0.0, 1.0], indirect=True)
def test_what_the_line_found_is_shown_to_whoever_may_see_it(
    browser: TestClient, settings: StationSettings, few_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kenpin.station.pages.reviewing, "read_record", lambda *where: _with_boxes(read_record(*where)))
    assert _send(browser, "1.png", (few_parts / "scratch" / "001.png").read_bytes())["verdict"] == "FAIL"
    page, _ = _first(browser)
    if settings.products["parts"].reviewed_fails:  # drawn parts are looked at blindly, whichever way they come
        assert _marking(page)["proposals"] == []
        assert '<svg class="marks"' not in page
        assert "30.5" not in page
    else:
        proposals = _marking(page)["proposals"]
        assert proposals == [{"label": None, "box": [60.0, 60.0, 64.0, 64.0]}, {"label": "scratch", "box": BOX}]
        assert '<svg class="marks"' in page


def test_found_boxes_are_cut_to_the_picture_and_keep_their_outlines() -> None:
    ring = (0.0, 0.0, 10.0, 0.0, 10.0, 90.0)
    found = Detections(
        ((0.0, 0.0, 10.0, 90.0), (3.0, 3.0, 3.5, 9.0), (-9.0, -9.0, 5.0, 5.0)), ("a", "b", "c"),
        outlines=(Outline((ring,)), None, None),
    )  # fmt: skip
    marks = marks_of_detections(found, SIZE_WH, ["a", "c"])
    assert marks == [
        DefectMark("a", (0.0, 0.0, 10.0, 64.0), (0.0, 0.0, 10.0, 0.0, 10.0, 64.0)),
        DefectMark("c", (0.0, 0.0, 5.0, 5.0)),
    ]
    check_marks(marks, {None: SIZE_WH}, ["a", "c"])
    many = Detections(tuple((0.0, 0.0, 9.0, 9.0) for _ in range(300)), ("a",) * 300)
    assert len(marks_of_detections(many, SIZE_WH, ())) == MOST_MARKS


def test_a_part_without_a_picture_has_nothing_to_draw_on(
    station: Station, few_parts: Path, browser: TestClient
) -> None:
    _, key = _first(browser)
    with station.store.reading() as connection:
        part = find_part(connection, key)
    assert part is not None
    closed: PartRow = replace(part, width_px=None, height_px=None)
    assert marking_of(closed, record(1), (), (), is_blind=False) is None
    assert layers_of(closed, record(1), ()) == []
    assert [layer.who for layer in layers_of(part, record(1), ())] == [None]


# ---- the picture that is drawn on ----


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_picture_is_handed_out_upright(sign_in: SignIn, orientation: int) -> None:
    opened = sign_in(Role.ENGINEER)
    data = _turned(orientation, seed=orientation)
    key = _send(opened, "turned.jpg", data)["key"]
    answer = opened.get(f"/parts/{key}/picture")
    kind = "image/jpeg" if orientation == 1 else "image/png"
    assert answer.headers["content-type"] == kind
    with Image.open(io.BytesIO(answer.content)) as handed_out:
        assert handed_out.getexif().get(ORIENTATION, 1) == 1
        expected = read_image(ImageSource("turned.jpg", data))
        assert np.array_equal(np.asarray(handed_out.convert("RGB")), np.asarray(expected))


def test_what_may_be_read_otherwise_is_not_handed_out_as_it_is() -> None:
    plain, turned = picture_bytes(1, format="JPEG"), _turned(6)
    assert shown_as_it_is(plain) == shown_as_it_is(_turned(1)) == "image/jpeg"
    assert shown_as_it_is(picture_bytes(1)) == "image/png"
    assert shown_as_it_is(picture_bytes(1, format="BMP")) is None
    assert shown_as_it_is(turned) is None
    at = turned.index(b"Exif\0\0") + 6
    for damaged in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"xx"):
        assert shown_as_it_is(turned[:at] + damaged) is None
    upright = _turned(1)
    block = upright[upright.index(b"Exif") :][:60]
    assert shown_as_it_is(upright + 7 * block) == "image/jpeg"
    assert shown_as_it_is(upright + 8 * block) is None
    for sentence in (b'tiff:Orientation="6"', b"Raw profile type exif\0"):
        assert shown_as_it_is(plain + sentence) is None
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    Image.open(io.BytesIO(plain)).save(file, "PNG", exif=exif)
    assert shown_as_it_is(file.getvalue()) is None
