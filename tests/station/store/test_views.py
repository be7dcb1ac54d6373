"""The store holds each picture of a part that is judged by several, and these stay or are removed together."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from kenpin.inspection.record import PartRecord, RecordedView
from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.retention.removing import Removed, remove_pictures
from kenpin.station.settings import RetentionRule
from kenpin.station.store.adding import move
from kenpin.station.store.addresses import read_address
from kenpin.station.store.following import Followed, Follower, rebuild
from kenpin.station.store.migrating import migrate
from kenpin.station.store.opening import Store, _engine
from kenpin.station.store.part_tables import PARTS, key_of
from kenpin.station.store.views import stream_views, views_of
from tests.station.store.made import append, content, key, part

_LATER_US = 4_000_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    """The folder of a station, empty."""
    (tmp_path / "station").mkdir()
    return StationFolder(tmp_path / "station")


def _view(name: str | None, content: str) -> RecordedView:
    return RecordedView(name, f"{name}.png", f"/line/{name}.png", content, 7, 0, (4, 4))


def _by_views(number: int, *contents: str, **values: object) -> PartRecord:
    """A part by several pictures, one for each content."""
    names = [*"abcdefg"[: len(contents)]]
    return replace(part(number), views=tuple(map(_view, names, contents)), **values)  # type: ignore[arg-type]


def _key(record: PartRecord, product: str = "a") -> str:
    return key_of(product, key(record))


def test_views_are_those_of_the_record_and_a_rebuild_fills_them_again(store: Store, folder: StationFolder) -> None:
    odd = replace(_by_views(2), views=(_view(None, ""), _view("a" * 1000 + "\0", "f" * 32)))
    records = [_by_views(0, "a" * 32, "b" * 32, "c" * 32), part(1), odd, _by_views(3, "a" * 32)]
    append(folder, records)
    append(folder, records[:1], node="n2")  # the same part in a second journal is there once
    assert Follower(store, folder).take_up_all() == Followed(parts=4)
    with store.reading() as connection:
        for record in records:
            found = views_of(connection, _key(record))
            assert [one.number for one in found] == [*range(len(record.views))]
            assert [one.picture_hash for one in found] == [one.picture_hash for one in record.views]
        assert [one.name for one in views_of(connection, _key(records[0]))] == ["a", "b", "c"]
        assert views_of(connection, _key(odd))[0].name is None
    before = content(store)
    assert len(before["part_views"]) == 6
    rebuild(store, folder)
    assert content(store) == before


def test_views_are_streamed_whole_by_pages_of_any_size(store: Store, folder: StationFolder) -> None:
    random_of = random.Random(5)
    records = [_by_views(n, *(f"{n:031x}{i}" for i in range(random_of.randrange(5)))) for n in range(12)]
    append(folder, records)
    append(folder, [_by_views(40, "d" * 32, "e" * 32)], product="b")
    Follower(store, folder).take_up_all()
    wanted = sorted((_key(one), number) for one in records for number in range(len(one.views)))
    for size in range(1, 8):
        assert [(one.key, one.number) for one in stream_views(store, "a", size=size)] == wanted


def test_a_part_that_is_moved_to_another_product_takes_its_views_along(store: Store, folder: StationFolder) -> None:
    record = _by_views(0, "a" * 32, "b" * 32)
    append(folder, [record])
    Follower(store, folder).take_up_all()
    with store.writing() as connection:
        assert move(connection, _key(record), "b")
    assert [*stream_views(store, "a")] == []
    assert [one.picture_hash for one in stream_views(store, "b")] == ["a" * 32, "b" * 32]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_of_a_part_are_removed_together_and_shared_ones_stay(
    store: Store, folder: StationFolder, seed: int
) -> None:
    random_of = random.Random(seed)
    names = [f"{n:032x}" for n in range(0xA00, 0xA14)]
    records = [
        _by_views(n, *random_of.sample(names, random_of.randint(2, 3)), verdict=random_of.choice([*Verdict]))
        for n in range(5)
    ]
    append(folder, records)
    Follower(store, folder).take_up_all()
    pictures = KeptPictures(folder)
    for name in names:
        pictures.keep(name, b"1234567")
    rule = RetentionRule(after_days=1, verdicts=(Verdict.PASS, Verdict.REVIEW))
    wanted = {name for record in records if record.verdict is Verdict.FAIL for name in _contents(record)}
    gone = {name for record in records for name in _contents(record)} - wanted
    assert remove_pictures(store, pictures, ["a"], [rule], 0) == Removed()
    assert remove_pictures(store, pictures, ["a"], [rule], _LATER_US) == Removed(len(gone), 7 * len(gone))
    assert {name for name in names if pictures.find(name) is None} == gone


def _contents(record: PartRecord) -> set[str]:
    return {one.picture_hash for one in record.views}


def test_a_store_with_parts_of_the_schema_before_is_brought_up(address: str, folder: StationFolder) -> None:
    old, new = part(1), _by_views(2, "a" * 32, "b" * 32)
    append(folder, [old])
    with Store(address) as store:
        Follower(store, folder).take_up_all()
        with store.reading() as connection:
            row = dict(connection.execute(select(PARTS)).mappings().one())
    engine = _engine(read_address(address))
    try:
        with engine.begin() as connection:  # what the schema before had
            connection.exec_driver_sql("DROP TABLE part_views")
            connection.exec_driver_sql("UPDATE kenpin_schema SET version_num = '0002'")
        with engine.begin() as connection:
            migrate(connection)
            assert inspect(connection).has_table("part_views")
    finally:
        engine.dispose()
    append(folder, [new])
    with Store(address) as store:
        assert Follower(store, folder).take_up_all() == Followed(parts=1)
        with store.reading() as connection:
            assert dict(connection.execute(select(PARTS).where(PARTS.c.key == row["key"])).mappings().one()) == row
            assert views_of(connection, row["key"]) == ()
            assert len(views_of(connection, _key(new))) == 2
