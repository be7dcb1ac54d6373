"""Reviews: who gets which part, when it is settled, and what a rebuilt store knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.reviewing.drawn import drawn_parts
from kenpin.station.reviewing.gage import ReviewGage, review_gage
from kenpin.station.reviewing.rates import line_rates
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import confusion, find_part, page
from kenpin.station.who.rights import RIGHTS_OF, NotAllowedError, Person, Role

ANN, BO, CY = (Person(name, Role.REVIEWER, RIGHTS_OF[Role.REVIEWER], None) for name in ("ann", "bo", "cy"))


def _fill(station: Station, few_parts: Path, count: int) -> None:
    files = sorted(few_parts.glob("*/*"))[::5][:count]
    for number, file in enumerate(files):
        station.submit(Arrival(f"{number}.png", file.read_bytes(), lot="L")).record.result(60)


def _settled(station: Station, key: str) -> tuple[Verdict | None, str | None]:
    with station.store.reading() as connection:
        part = find_part(connection, key)
    assert part is not None
    return part.settled_verdict, part.settled_label


def test_each_part_comes_once_and_settles(station: Station, few_parts: Path) -> None:
    _fill(station, few_parts, 5)
    reviewing = station.reviewing
    seen = []
    while (task := reviewing.next_task(ANN, "parts")) is not None:
        other = reviewing.next_task(BO, "parts")
        assert other is None or other.part.key != task.part.key, "two people look at one part"
        seen.append(task.part.key)
        reviewing.review(ANN, task.part.key, Verdict.FAIL, "scratch", "deep")
    assert len(seen) == len(set(seen)) == 5 - (other is not None)
    assert _settled(station, seen[0]) == (Verdict.FAIL, "scratch")
    assert reviewing.undo(ANN) == seen[-1]
    assert _settled(station, seen[-1]) == (None, None)
    assert (again := reviewing.next_task(ANN, "parts")) is not None
    assert again.part.key == seen[-1]


def test_two_who_disagree_want_a_third_and_none_reviews_twice(
    tmp_path: Path, settings: StationSettings, few_parts: Path
) -> None:
    product = replace_product(settings, second_reviews=1.0)
    with Station(tmp_path / "s", product, engine="torch") as station:
        _fill(station, few_parts, 1)
        reviewing = station.reviewing
        task = reviewing.next_task(ANN, "parts")
        assert task is not None
        key = task.part.key
        reviewing.review(ANN, key, Verdict.PASS, None, None)
        assert reviewing.next_task(ANN, "parts") is None, "the second look is another person's"
        second = reviewing.next_task(BO, "parts")
        assert second is not None
        assert (second.part.key, second.why, second.is_blind) == (key, "second", True)
        reviewing.review(BO, key, Verdict.FAIL, "dent", None)
        assert _settled(station, key) == (None, None)
        assert reviewing.next_task(ANN, "parts") is reviewing.next_task(BO, "parts") is None
        third = reviewing.next_task(CY, "parts")
        assert third is not None
        assert third.why == "third"
        reviewing.review(CY, key, Verdict.FAIL, "scratch", None)
        assert _settled(station, key) == (Verdict.FAIL, "scratch")
        assert reviewing.waiting("parts") == 0
        with station.store.reading() as connection:
            said = [(one.who, one.verdict, one.undone) for one in reviewing.reviews_of(connection, key)]
        assert said == [("cy", "FAIL", False), ("bo", "FAIL", False), ("ann", "PASS", False)]


def test_a_part_that_was_left_comes_to_others(station: Station, few_parts: Path) -> None:
    _fill(station, few_parts, 1)
    task = station.reviewing.next_task(ANN, "parts")
    assert task is not None
    assert station.reviewing.next_task(BO, "parts") is None
    station.reviewing.leave(ANN, task.part.key)
    assert station.reviewing.next_task(ANN, "parts") is None
    assert station.reviewing.next_task(BO, "parts") is not None


def test_only_who_may_reviews_and_says_pass_or_fail(station: Station, few_parts: Path) -> None:
    _fill(station, few_parts, 1)
    task = station.reviewing.next_task(ANN, "parts")
    assert task is not None
    viewer = Person("vi", Role.VIEWER, RIGHTS_OF[Role.VIEWER], None)
    with pytest.raises(NotAllowedError):
        station.reviewing.review(viewer, task.part.key, Verdict.PASS, None, None)
    with pytest.raises(OptionError, match="PASS or FAIL"):
        station.reviewing.review(ANN, task.part.key, Verdict.REVIEW, None, None)
    with pytest.raises(OptionError, match="no such part"):
        station.reviewing.review(ANN, "0" * 32, Verdict.PASS, None, None)
    station.reviewing.review(ANN, task.part.key, Verdict.PASS, None, None)
    with pytest.raises(OptionError, match="others have settled"):
        station.reviewing.review(BO, task.part.key, Verdict.FAIL, None, None)


def test_rates_and_reviews_are_the_same_in_a_store_that_is_filled_anew(station: Station, few_parts: Path) -> None:
    _fill(station, few_parts, 8)
    for _ in range(6):
        task = station.reviewing.next_task(ANN, "parts")
        assert task is not None
        is_bad = task.part.id in ("0.png", "3.png")
        station.reviewing.review(ANN, task.part.key, Verdict.FAIL if is_bad else Verdict.PASS, None, None)
    station.reviewing.undo(ANN)

    def told(store: Station) -> object:
        asked = PartFilter("parts")
        with store.store.reading() as connection:
            drawn = drawn_parts(connection, asked, store.drawing_key)
            rates = line_rates(connection, asked, drawn, store.settings_of("parts"))
            parts = page(connection, asked).parts
            return rates, confusion(connection, asked), [(one.key, one.settled_verdict, one.sampled) for one in parts]

    before = told(station)
    path, settings = station.folder.path, station.settings
    station.close()
    (path / "store.sqlite").unlink()
    for file in path.glob("store.sqlite-*"):
        file.unlink()
    with Station(path, settings, engine="torch") as again:
        assert told(again) == before


def test_a_drawn_part_is_looked_at_blind_whichever_way_it_comes(
    tmp_path: Path, settings: StationSettings, few_parts: Path
) -> None:
    for drawn in (1.0, 0.0):
        product = replace_product(settings, review_from_cost=0.0, reviewed_passes=drawn, reviewed_fails=drawn)
        with Station(tmp_path / f"{drawn}", product, engine="torch") as station:
            _fill(station, few_parts, 3)
            ways = set()
            while (task := station.reviewing.next_task(ANN, "parts")) is not None:
                ways.add(task.why)
                assert task.is_blind == (drawn == 1.0)
                station.reviewing.review(ANN, task.part.key, Verdict.PASS, None, None)
            assert "cost" in ways


def test_third_looks_and_those_taken_back_do_not_count_for_agreement(
    tmp_path: Path, settings: StationSettings, few_parts: Path
) -> None:
    product = replace_product(settings, second_reviews=1.0)
    with Station(tmp_path / "s", product, engine="torch") as station:
        _fill(station, few_parts, 1)
        reviewing, asked = station.reviewing, PartFilter("parts")
        for who, verdict in ((ANN, Verdict.PASS), (BO, Verdict.FAIL), (CY, Verdict.FAIL)):
            task = reviewing.next_task(who, "parts")
            assert task is not None
            reviewing.review(who, task.part.key, verdict, None, None)

        def study() -> ReviewGage:
            with station.store.reading() as connection:
                drawn = drawn_parts(connection, asked, station.drawing_key)
                return review_gage(connection, asked, drawn, station.drawing_key, product.products["parts"])

        found = study()
        assert sum(found.pairs.values()) == 1
        assert found.people is not None
        assert [{first, second} for first, second, _ in found.people.pairs] == [{"ann", "bo"}]
        assert {name for pair in found.with_line for name in pair[:2]} == {"ann", "bo", "the line"}
        reviewing.undo(ANN)
        found = study()
        assert found.people is None, "cy looked at it because ann and bo disagreed"
        assert {name for pair in found.with_line for name in pair[:2]} == {"bo", "the line"}


def replace_product(settings: StationSettings, **values: object) -> StationSettings:
    """Settings with other ones of the product."""
    product = settings.products["parts"].model_copy(update=values)
    return settings.model_copy(update={"products": {"parts": product}})
