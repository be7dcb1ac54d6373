"""Lists, counts and tallies are what a look at every part gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from math import nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.store import queries
from kenpin.station.store.filtering import PartFilter, asked_tallies
from kenpin.station.store.following import Follower
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import key_of
from kenpin.station.store.queries import Cursor, LotRow, PartCount, PartRow
from tests.station.store.made import BEGAN_US, HOUR_US, SECOND_US, append, key, needs, part, say, settled

MANY = 60
REVIEWERS = {"ando": range(0, 40, 3), "ito": range(0, 60, 7)}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of sixty parts of two products, some reviewed. Read only."""
    folder = StationFolder(tmp_path_factory.mktemp("station"))
    append(folder, [part(n) for n in range(0, 40)])
    # two were judged at the same moment as others
    append(folder, [part(n, judged_at=part(n - n // 58).judged_at) for n in range(40, MANY)], product="b", version=2)
    reviews = [(n, who) for who, numbers in REVIEWERS.items() for n in numbers if n < 40]
    say(folder, [settled(part(n), [*Verdict][n % 2], who) for n, who in reviews])
    address = f"sqlite:///{folder.path / 'store.sqlite'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql").new_database()
    with Store(address) as store:
        Follower(store, folder, needs).take_up_all()
        yield store


def _all(store: Store) -> list[PartRow]:
    with store.reading() as connection:
        return [*queries.page(connection, PartFilter(), size=MANY + 1).parts]


def _fits(one: PartRow, asked: PartFilter) -> bool:
    """The filter, written another way."""
    number = int(one.id[:5])
    return all(
        (
            asked.product in (None, one.product),
            asked.version in (None, one.version),
            asked.lot in (None, one.lot or ""),
            asked.from_us is None or one.judged_us >= asked.from_us,
            asked.to_us is None or one.judged_us < asked.to_us,
            asked.verdict in (None, one.verdict),
            asked.label in (None, one.label or ""),
            asked.score_from is None or (one.score is not None and one.score >= asked.score_from),
            asked.score_to is None or (one.score is not None and one.score <= asked.score_to),
            asked.id in (None, one.id),
            asked.settled in (None, one.settled_verdict),
            asked.is_settled in (None, one.settled_verdict is not None),
            asked.reviewer is None or (one.product == "a" and number in REVIEWERS.get(asked.reviewer, ())),
        )
    )


_MOMENTS = st.integers(-2, 14).flatmap(
    lambda hour: st.sampled_from([0, 1, 700 * SECOND_US, HOUR_US - 1]).map(
        lambda more: BEGAN_US + hour * HOUR_US + more
    )
)
_FILTERS = st.builds(
    PartFilter,
    product=st.sampled_from([None, "a", "b", "c"]),
    version=st.sampled_from([None, None, 1, 2]),
    lot=st.sampled_from([None, None, "", "L-1", "L-4", "none"]),
    from_us=st.none() | _MOMENTS,
    to_us=st.none() | _MOMENTS,
    verdict=st.sampled_from([None, *Verdict]),
    label=st.sampled_from([None, None, "", "ok", "傷"]),
    score_from=st.sampled_from([None, None, None, 0.2]),
    score_to=st.sampled_from([None, None, None, 0.35]),
    id=st.sampled_from([None, None, None, "00012.png"]),
    settled=st.sampled_from([None, None, *Verdict]),
    is_settled=st.sampled_from([None, None, True, False]),
    reviewer=st.sampled_from([None, None, None, "ando", "ito", "nobody"]),
)


@given(asked=_FILTERS, size=st.integers(1, 20))
def test_a_filter_is_what_a_look_at_every_part_gives(filled: Store, asked: PartFilter, size: int) -> None:
    every = _all(filled)
    wanted = [one for one in every if _fits(one, asked)]
    with filled.reading() as connection:
        found, behind = list[PartRow](), None
        while True:
            page = queries.page(connection, asked, size=size, behind=behind)
            found += page.parts
            assert page.following is None or len(page.parts) == size
            if page.following is None:
                break
            behind = queries.read_cursor(str(page.following))
        assert found == wanted
        bounded = asked_tallies(asked) is None and len(wanted) > 5
        assert queries.count(connection, asked, most=5) == PartCount(5 if bounded else len(wanted), not bounded)
    assert [*queries.stream(filled, asked)] == wanted


def test_a_count_of_parts_of_hours_is_exact(filled: Store) -> None:
    every = [one.judged_us for one in _all(filled)]
    moments = [None, *(BEGAN_US + hours * HOUR_US // 4 for hours in (-5, 0, 1, 3, 4, 5, 9, 16, 18, 60))]
    with filled.reading() as connection:
        for first, end in product(moments, moments):
            parts = sum((first is None or at >= first) and (end is None or at < end) for at in every)
            found = queries.count(connection, PartFilter(from_us=first, to_us=end))
            assert found == PartCount(parts, is_exact=True), (first, end)


def test_the_newest_comes_first_and_each_once(filled: Store) -> None:
    every = _all(filled)
    assert len({one.seq for one in every}) == len(every) == MANY
    assert all((one.judged_us, one.seq) > (other.judged_us, other.seq) for one, other in pairwise(every))
    assert len({one.judged_us for one in every}) < MANY, "two of the same moment are among them"


@given(
    asked=_FILTERS, by=st.lists(st.sampled_from(["product", "version", "lot", "hour", "verdict", "label"]), unique=True)
)
def test_tallies_are_counts_of_parts(filled: Store, asked: PartFilter, by: list[queries.TallyColumn]) -> None:
    with filled.reading() as connection:
        if asked_tallies(asked) is None:
            with pytest.raises(OptionError, match="do not tell scores, ids and reviewers"):
                queries.tallied(connection, asked, by)
            return
        found = queries.tallied(connection, asked, by)
    hours = replace(
        asked,
        from_us=None if asked.from_us is None else asked.from_us // HOUR_US * HOUR_US,
        to_us=None if asked.to_us is None else -(-asked.to_us // HOUR_US) * HOUR_US,
    )
    wanted: Counter[tuple[object, ...]] = Counter()
    for one in _all(filled):
        values = {"hour": one.judged_us // HOUR_US}
        if _fits(one, hours):
            wanted[tuple(values[name] if name == "hour" else getattr(one, name) or "" for name in by)] += 1
    assert found == wanted


def test_verdicts_beside_settled_ones(filled: Store) -> None:
    with filled.reading() as connection:
        found = queries.confusion(connection, PartFilter())
        for (verdict, settled_verdict), parts in found.items():
            cell = PartFilter(verdict=verdict, settled=settled_verdict)
            assert len(queries.page(connection, cell).parts) == parts
    assert sum(found.values()) == len({n for numbers in REVIEWERS.values() for n in numbers if n < 40})


def test_lots_come_newest_first_with_their_counts(filled: Store) -> None:
    lots, behind = list[LotRow](), None
    with filled.reading() as connection:
        while some := queries.lots(connection, size=4, behind=behind):
            lots += some
            behind = some[-1]
        of_b = queries.lots(connection, "b")
    assert len({(one.product, one.lot) for one in lots}) == len(lots)
    assert all(one.last_us >= other.last_us for one, other in pairwise(lots))
    assert [one for one in lots if one.product == "b"] == [*of_b]
    every = _all(filled)
    for lot in lots:
        those = [one for one in every if (one.product, one.lot) == (lot.product, lot.lot)]
        verdicts = Counter(one.verdict for one in those)
        assert [lot.passes, lot.fails, lot.reviews] == [verdicts[one] for one in Verdict]
        assert (lot.first_us, lot.last_us) == (those[-1].judged_us, those[0].judged_us)


def test_a_part_is_found_by_its_name(filled: Store) -> None:
    with filled.reading() as connection:
        found = queries.find_part(connection, key_of("a", key(part(3))))
        assert found is not None
        assert (found.id, found.journal.version, found.score) == ("00003.png", 1, 0.03)
        assert queries.find_part(connection, "'") is None


@pytest.mark.parametrize("text", ["", "1", "1.2.3", "a.b", "1.-2", "9" * 40 + ".1", "1.2\n", "1.1e3"])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    assert queries.read_cursor("-5.7") == Cursor(-5, 7)
    with pytest.raises(OptionError, match="is no beginning of a page; take the one"):
        queries.read_cursor(text)


@pytest.mark.parametrize("values", [{"version": 2**40}, {"from_us": 10**30}, {"to_us": -(10**30)}, {"score_to": nan}])
def test_a_filter_by_a_number_that_no_part_has_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="which no part has; leave it out"):
        PartFilter(**values)


def test_lists_are_read_in_the_order_of_an_index(tmp_path: Path) -> None:
    """A plan that sorts takes seconds for a million parts. PostgreSQL plans by what it has counted."""
    plans = list[str]()

    def explain(connection: Connection, _: object, statement: str, values: tuple[object, ...], *__: object) -> None:
        if statement.startswith("SELECT parts.seq"):
            plans.append(str([*connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]))

    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store, store.reading() as connection:
        event.listen(connection.engine, "before_cursor_execute", explain)
        for asked in (
            PartFilter(),
            PartFilter("a", verdict=Verdict.FAIL, score_from=2),
            PartFilter("a", score_from=2, lot="L-1"),
            PartFilter("a", verdict=Verdict.FAIL, label="ok"),
            PartFilter("a", reviewer="ando"),
        ):
            queries.page(connection, asked, behind=Cursor(BEGAN_US, 1))
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
    wanted = ["parts_by_time", "parts_by_time", "parts_by_lot", "parts_by_label", "SEARCH reviewers"]
    assert [name in plan for name, plan in zip(wanted, plans, strict=True)] == [True] * len(wanted)


@pytest.mark.parametrize(
    "key", ["", "\0", "a" * 32 + "\0", "A" * 32, "g" * 32, "a" * 31, "a" * 10_000, "\ud800", "\n" + "a" * 32]
)
def test_what_is_no_name_of_a_part_finds_none(key: str, filled: Store) -> None:
    with filled.reading() as connection:
        assert queries.find_part(connection, key) is None
