"""Marks on the views of a part: what is drawn on a picture of it stays with that picture, wherever it is read."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from starlette.testclient import TestClient

from kenpin.data.picture_files import hash_of
from kenpin.errors import DatasetError
from kenpin.finished_run import Run
from kenpin.inspection import Line, Policy
from kenpin.inspection.record import SCHEMA, from_values, to_row, to_values
from kenpin.records import Detections, Verdict
from kenpin.regions.region import told_region
from kenpin.station.folder import StationFolder
from kenpin.station.learning.data_sets import freeze, load_frozen, read_frozen
from kenpin.station.learning.reviewed import ReviewedPart, ReviewedView
from kenpin.station.pages.regions import region_table
from kenpin.station.reviewing.marks import (
    DefectMark,
    MarksError,
    Sizes,
    check_marks,
    kept_marks,
    marks_of_text,
    on_views,
    values_of_marks,
)
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.store.marks import settled_marks
from kenpin.station.store.queries import find_part
from kenpin.station.trail import Entry, read_entries
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, Person, Role
from kenpin.words import Texts
from kenpin.words.recorded import translated
from tests.builders import picture_bytes
from tests.catalogues import TRANSLATED
from tests.part_pictures import FORM
from tests.station.conftest import SignIn
from tests.station.test_parts_by_views import form, new, policy, send
from tests.station.test_reviewing import replace_product
from tests.training.test_by_part import parts, run

__all__ = ["new", "parts", "policy", "run"]
SIZE_WH = (72, 56)  # of each of the parts' pictures
ON_SIDE = {"label": "scratch", "box": [1.0, 2.0, 30.5, 40.0], "view": 0}
ON_TOP = {"label": None, "corners": [5.0, 5.0, 20.0, 6.0, 12.0, 30.0], "view": 1}
DRAWN: list[dict[str, Any]] = [ON_TOP, ON_SIDE, {"label": None, "box": [40.0, 8.0, 60.0, 20.0], "view": 1}]


@pytest.fixture
def settings(settings: StationSettings) -> StationSettings:
    """Every part waits for its cost, and none is drawn at random: whoever reviews sees all."""
    return replace_product(settings, review_from_cost=0.0, reviewed_fails=0.0, reviewed_passes=0.0)


@pytest.fixture
def browser(sign_in: SignIn) -> TestClient:
    return sign_in(Role.ENGINEER)


def _said(folder: StationFolder) -> list[Entry]:
    return [
        one for trail in folder.trails.glob("*.jsonl") for one in read_entries(trail) if one.what == "part-reviewed"
    ]


def _review(browser: TestClient, marks: list[dict[str, Any]], key: str | None = None, say: str = "fail") -> str:
    page = browser.get("/review").text
    found = re.search(r'data-review="([0-9a-f]{32})"', page)
    assert found is not None
    answer = browser.post(f"/review/{key or found[1]}", data={"say": say, "marks": json.dumps(marks)})
    assert answer.status_code == 200, answer.text
    return key or found[1]


# ---- from the form to all who read ----


def test_marks_stay_with_their_views_in_trail_store_pages_tables_and_json(
    browser: TestClient, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    told = send(browser, "p0", form(new[0]))
    key = _review(browser, DRAWN)
    (entry,) = _said(station.folder)
    assert entry.about["marks"] == DRAWN
    hashes = [view["picture_hash"] for view in told["views"]]
    assert entry.about["views"] == [
        {"name": name, "picture": one} for name, one in zip(("side", "top"), hashes, strict=True)
    ]
    answer = browser.get(f"/api/v1/parts/{key}").json()
    assert [one["view"] for one in answer["settled_marks"]] == [1, 0, 1]
    assert answer["settled_marks"] == answer["reviews"][0]["marks"]
    with station.store.reading() as connection:
        assert json.loads(settled_marks(connection, [key])[key]) == DRAWN
    (row,) = csv.DictReader(io.StringIO(browser.get("/parts.csv").text.removeprefix("\ufeff")))
    table = pq.read_table(io.BytesIO(browser.get("/parts.parquet").content)).to_pylist()
    for of in (row, table[0]):
        assert json.loads(of["settled_marks"]) == DRAWN
        views = json.loads(of["views"])
        assert [views[mark["view"]]["view"] for mark in json.loads(of["settled_marks"])] == ["top", "side", "top"]
    page = browser.get(f"/parts/{key}").text
    drawings = {
        int(found[1]): found[0] for found in re.finditer(r'<svg class="marks[^"]*" data-of="(\d)".*?</svg>', page, re.S)
    }
    assert [*drawings] == [0, 1]
    assert ('width="29.5" height="38.0"' in drawings[0], "ann: scratch" in drawings[0]) == (True, True)
    assert ('points="5.0 5.0 20.0 6.0 12.0 30.0"' in drawings[1], "ann: scratch" in drawings[1]) == (True, False)
    decides = [view["decides"] for view in told["views"]]
    assert [' gone"' in drawings[number].partition(">")[0] for number in range(2)] == [not one for one in decides]
    said = page.partition("<h2>What people said</h2>")[2]
    assert "side – scratch: 1, 2 – 30.5, 40" in said
    assert said.count("top – ") == 2


def test_what_was_taken_back_is_offered_again_on_its_view_and_a_rebuild_changes_nothing(
    browser: TestClient, station: Station, settings: StationSettings, new: dict[int, dict[str, bytes]]
) -> None:
    send(browser, "p0", form(new[0]))
    key = _review(browser, DRAWN)

    def told(of: Station) -> Any:
        with of.store.reading() as connection:
            return of.reviewing.reviews_of(connection, key), settled_marks(connection, [key])

    before = told(station)
    folder = station.folder.path
    station.close()
    for file in folder.glob("store.sqlite*"):
        file.unlink()
    with Station(folder, settings, engine="torch") as again:
        assert told(again) == before
        ann = Person("ann", Role.ENGINEER, RIGHTS_OF[Role.ENGINEER], None)
        assert again.reviewing.undo(ann) == key
        assert values_of_marks(again.reviewing.taken_back(ann, key)) == DRAWN


def test_marks_without_a_view_are_on_the_picture_that_decides(
    browser: TestClient, station: Station, settings: StationSettings, new: dict[int, dict[str, bytes]]
) -> None:
    """As they are in stores and trails that were written before each view could be drawn on."""
    told = [send(browser, f"p{number}", form(new[number])) for number in range(3)]
    old = [{"label": "scratch", "box": ON_SIDE["box"]}]
    decided = {}
    for one in told:
        (decided[str(one["key"])],) = (place for place, view in enumerate(one["views"]) if view["decides"])
        station.reviewing.review(CONSOLE, one["key"], Verdict.FAIL, None, None, marks_of_text(json.dumps(old)))
    assert {entry.about["part"]: entry.about["marks"] for entry in _said(station.folder)} == {
        key: [{**old[0], "view": place}] for key, place in decided.items()
    }
    assert {*decided.values()} == {0, 1}
    with station.store.writing() as connection:  # as the store of an earlier kenpin has them
        connection.exec_driver_sql("UPDATE reviews SET marks = ?", (json.dumps(old),))
    for key, place in decided.items():
        answer = browser.get(f"/api/v1/parts/{key}").json()
        assert [one["view"] for one in answer["settled_marks"]] == [place]
        with station.store.reading() as connection:
            assert [one["view"] for one in json.loads(settled_marks(connection, [key])[key])] == [place]
        page = browser.get(f"/parts/{key}").text
        drawing = page.partition(f'data-of="{place}"')[2].partition("</svg>")[0]
        assert 'width="29.5" height="38.0"' in drawing
    for part in station.learning._reviewed("parts"):
        assert part.boxes is None
        key = next(one["key"] for one in told if one["id"] == part.id)
        assert [view.boxes is not None for view in part.views] == [place == decided[key] for place in range(2)]


def test_what_fits_on_no_view_is_refused_and_nothing_is_stored(
    browser: TestClient, station: Station, new: dict[int, dict[str, bytes]], few_parts: Path
) -> None:
    send(browser, "p0", form(new[0]))
    broken = send(browser, "broken", form({"side": new[1]["side"], "top": b"no picture"}))
    box = {"label": None, "box": [1, 1, 9, 9]}
    hostile: dict[str, Any] = {
        "is on a view that the part does not have": 2,
        "its view is none of a part's": -1,
        "is on a view that the part does not have; draw": 10**9,
    }
    values: list[tuple[str, Any]] = [*hostile.items()]
    odd: tuple[Any, ...] = (True, "0", 0.0, [0], {})
    values += [("its view is none of a part's", one) for one in odd]
    for sentence, view in values:
        key = re.search(r'data-review="([0-9a-f]{32})"', browser.get("/review").text)
        assert key is not None
        marks = json.dumps([{**box, "view": 0}, {**box, "view": view}])
        answer = browser.post(f"/review/{key[1]}", data={"say": "fail", "marks": marks}, headers={"HX-Request": "1"})
        told = unescape(answer.text.strip())
        assert told.startswith(f"mark 2: {sentence}"), (view, told)
        for language in TRANSLATED:
            assert translated(told, Texts(language)) is not None, told
    for view, refusal in ((1, "is on a view without a picture"), (0, "")):
        marks = json.dumps([{**box, "view": view}])
        answer = browser.post(
            f"/review/{broken['key']}", data={"say": "fail", "marks": marks}, headers={"HX-Request": "1"}
        )
        assert refusal in answer.text
    assert [entry.about["part"] for entry in _said(station.folder)] == [broken["key"]]
    single = browser.post(
        "/api/v1/parts", params={"id": "one"}, content=(few_parts / "scratch" / "000.png").read_bytes()
    ).json()
    with pytest.raises(MarksError, match="a view that the part does not have"):
        station.reviewing.review(
            CONSOLE, single["key"], Verdict.FAIL, None, None, [DefectMark(None, (1.0, 1.0, 9.0, 9.0), view=1)]
        )


def test_each_view_has_its_own_size() -> None:
    sizes: Sizes = {0: (72, 56), 1: (10, 200)}
    for view, box in ((0, (0.0, 0.0, 72.0, 56.0)), (1, (0.0, 0.0, 10.0, 200.0))):
        check_marks([DefectMark(None, box, view=view)], sizes, ())
        with pytest.raises(MarksError, match="reaches out of the picture"):
            check_marks([DefectMark(None, box, view=1 - view)], sizes, ())


MARKS = st.builds(
    lambda label, x, y, view, is_region: DefectMark(
        label,
        (float(x), float(y), x + 5.0, y + 6.0),
        (x + 0.0, y + 0.0, x + 5.0, y + 0.0, x + 0.0, y + 6.0) if is_region else None,
        view,
    ),
    st.sampled_from([None, "scratch", "傷"]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.none() | st.integers(0, 3),
    st.booleans(),
)


@given(st.lists(MARKS, max_size=8), st.none() | st.integers(0, 3))
def test_marks_survive_their_json_and_only_those_without_a_view_move_to_the_deciding_one(
    marks: list[DefectMark], deciding: int | None
) -> None:
    assert kept_marks(json.dumps(values_of_marks(marks))) == tuple(marks)
    moved = on_views(marks, deciding)
    assert [replace(mark, view=None) for mark in moved] == [replace(mark, view=None) for mark in marks]
    assert [mark.view for mark in moved] == [deciding if mark.view is None else mark.view for mark in marks]


# ---- what the runs found ----


def test_regions_are_told_by_view_in_reasons_records_and_the_table(
    tmp_path: Path, run: Run, new: dict[int, dict[str, bytes]]
) -> None:
    rule = "REVIEW if region of pooled larger than 20 px²"
    settings = Policy.from_mapping({"runs": {"pooled": str(run)}, "rules": [rule]}, "made")
    with Line(settings, tmp_path / "records") as line:
        alone = [line.judge_part(f"p{number}", new[number]) for number in range(3)]
        worst = {one.deciding.name: new[number] for number, one in enumerate(alone) if one.deciding is not None}
        assert {*worst} == {"side", "top"}
        both = line.judge_part("both", {str(name): of_part[str(name)] for name, of_part in worst.items()})
    assert {row.view_name for row in region_table(both).rows} == {"side", "top"}
    for record in (*alone, both):
        regions = [region for view in record.views for region in view.answers[0].regions or ()]
        for view in record.views:
            assert {region.view for region in view.answers[0].regions or ()} <= {view.name}
        assert [(row.view_name, row.region) for row in region_table(record).rows] == [
            (region.view, region) for region in regions
        ]
        assert [record.views[mark.view or 0].name for mark in region_table(record).marks] == [
            region.view for region in regions
        ]
        largest = max(regions, key=lambda one: one.area_px)
        (told,) = [reason for reason in record.reasons if " px on view " in reason]
        assert told.startswith(f"pooled: {told_region(largest)}"), "the largest of all views"
        for language in TRANSLATED:
            found = translated(told, Texts(language))
            assert found is not None
            assert f" {largest.view} " in found
        assert from_values(to_values(record), "made") == record
        row = pa.Table.from_pylist([to_row(record)], schema=SCHEMA).to_pylist()[0]
        assert [one["view"] for view in row["views"] for one in view["answers"][0]["regions"] or ()] == [
            one.view for one in regions
        ]


def test_regions_are_told_by_view_on_the_page_and_in_json(
    browser: TestClient, new: dict[int, dict[str, bytes]]
) -> None:
    for number in range(3):
        told = send(browser, f"p{number}", form(new[number]))
        named = [(view["name"], {region["view"] for region in view["runs"][0]["regions"]}) for view in told["views"]]
        assert all(of <= {name} for name, of in named)
        (found,) = (name for name, of in named if of)
        page = browser.get(f"/parts/{told['key']}").text
        table = page.partition("<h2>Regions</h2>")[2].partition("</section>")[0]
        assert "<th>View</th>" in table
        assert f"<td>{found}</td>" in table


# ---- the data set ----


def _part(folder: Path, number: int, drawn: tuple[Detections | None, ...], verdict: Verdict) -> ReviewedPart:
    folder.mkdir(exist_ok=True)
    views = []
    for place, boxes in enumerate(drawn):
        data = picture_bytes(number * 100 + place, size_wh=(64, 48))
        file = folder / hash_of(data)
        file.write_bytes(data)
        views.append(ReviewedView(("side", "top", "under")[place], hash_of(data), file, boxes))
    whole = hash_of("".join(view.content for view in views).encode())
    return ReviewedPart(
        f"part {number}", whole, views[0].picture, verdict, None, None, "ann", 5, sampled=True, views=tuple(views)
    )


BOXES = st.lists(
    st.tuples(
        st.integers(0, 30), st.integers(0, 20), st.integers(2, 20), st.integers(2, 20), st.sampled_from(["", "x"])
    ),
    max_size=3,
)


@given(
    st.lists(st.tuples(st.booleans(), st.tuples(BOXES, BOXES, BOXES)), min_size=1, max_size=8),
    st.sampled_from([FORM, "part"]),
)
@tried(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_boxes_are_frozen_on_the_views_that_they_were_drawn_on(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[bool, tuple[Any, Any, Any]]], by: str
) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    parts = [
        _part(folder / "kept", number, tuple(None if fails is False else _boxes(one) for one in drawn),
              Verdict.FAIL if fails else Verdict.PASS)
        for number, (fails, drawn) in enumerate(said)
    ]  # fmt: skip
    drawn_on = [part for part in parts if part.is_drawn]
    if not drawn_on:
        with pytest.raises(DatasetError, match="nobody drew a box"):
            freeze(parts, folder / "set", who="bo", at_us=7, of_boxes=True, by=by)
        return
    frozen = freeze(parts, folder / "set", who="bo", at_us=7, of_boxes=True, by=by)
    assert read_frozen(folder / "set") == frozen
    for language in TRANSLATED:
        assert not [note for note in frozen.notes if translated(note, Texts(language)) is None]
    dataset = load_frozen(folder / "set")
    assert dataset.findings == ()
    expected = {}
    for part in parts:
        for view in part.views:
            if part.verdict is Verdict.PASS or view.boxes:
                expected[view.content] = (part.content, view.boxes or Detections())
    found = dict(zip(dataset.contents(), dataset, strict=True))
    assert found.keys() == expected.keys()
    for content, (part_content, boxes) in expected.items():
        example = found[content]
        assert example.group == part_content
        assert example.boxes is not None
        assert example.boxes.boxes_xyxy_px == boxes.boxes_xyxy_px
        assert example.boxes.labels == tuple(label or "defective" for label in boxes.labels)
    by_part: dict[str, set[str | None]] = {}
    for example in dataset:
        by_part.setdefault(str(example.group), set()).add(example.split)
    assert all(len(splits) == 1 for splits in by_part.values())
    assert frozen.boxes == sum(len(boxes) for _, boxes in expected.values())
    bare = sum(part.is_drawn and not view.boxes for part in parts for view in part.views)
    assert any(note.startswith(f"{bare} view") for note in frozen.notes) is (bare > 0)
    assert len(frozen.left_out) == sum(part.verdict is Verdict.FAIL and not part.is_drawn for part in parts)


def _boxes(drawn: list[tuple[int, int, int, int, str]]) -> Detections | None:
    if not drawn:
        return None
    return Detections(
        tuple((float(x), float(y), float(x + width), float(y + height)) for x, y, width, height, _ in drawn),
        tuple(label for *_, label in drawn),
    )


def test_what_was_held_out_stays_so_whichever_view_is_drawn_on_later(tmp_path: Path) -> None:
    box = _boxes([(1, 1, 9, 9, "")])
    on_first = [_part(tmp_path / "kept", number, (box, None), Verdict.FAIL) for number in range(12)]
    on_second = [_part(tmp_path / "kept", number, (None, box), Verdict.FAIL) for number in range(12)]
    first = freeze(on_first, tmp_path / "first", who="bo", at_us=7, of_boxes=True, by=FORM)
    again = freeze(
        on_second[::-1], tmp_path / "again", who="bo", at_us=8, of_boxes=True, by=FORM, earlier=[first], test_share=0.6
    )
    before = {part.content: part.split for part in first.parts}
    assert {part.content for part in first.parts if part.split == "test"} <= {
        part.content for part in again.parts if part.split == "test"
    }
    assert all(part.split == "train" for part in again.parts if before[part.content] == "train")


def test_a_station_freezes_the_boxes_of_views(
    browser: TestClient, station: Station, new: dict[int, dict[str, bytes]]
) -> None:
    for number in range(8):
        told = send(browser, f"p{number}", form(new[number]))
        marks = [DefectMark(None, (9.0, 9.0, 34.0, 26.0), view=number % 2)] if number < 3 else []
        verdict = Verdict.FAIL if marks else Verdict.PASS
        station.reviewing.review(CONSOLE, told["key"], verdict, None, None, marks)
        with station.store.reading() as connection:
            assert find_part(connection, told["key"]) is not None
    named = station.learning.freeze(CONSOLE, "parts", of_boxes=True)
    dataset = load_frozen(station.folder.data_sets / named.name)
    assert (len(named.frozen.parts), named.frozen.boxes, named.frozen.by) == (8, 3, None)
    assert len(dataset) == 3 + 2 * 5
    assert len({*dataset.column("group")}) == 8
    drawn = {example.group: example for example in dataset if example.boxes}
    assert {
        content for example in drawn.values() for content in [hash_of(Path(str(example.image.path)).read_bytes())]
    } == {hash_of(new[number][("side", "top")[number % 2]]) for number in range(3)}
    page = browser.get("/learn").text
    assert "each view is a picture of its own." in page
    assert "3 views of defective parts on which nobody drew a box were left out" in page
