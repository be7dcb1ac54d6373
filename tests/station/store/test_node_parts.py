"""A node knows every part that has a record, and of several nodes one alone judges a part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from kenpin.errors import RunError
from kenpin.inspection.journal import JOURNAL, Journal, read_records
from kenpin.inspection.record import PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.intake.contract import KnownParts
from kenpin.station.store.claims import claim
from kenpin.station.store.following import Follower
from kenpin.station.store.node_parts import Claimed, NodeParts
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import CLAIMS
from tests.inspection.made import record, unreadable
from tests.station.store.made import append, content, key, part


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    """The folder of a station, empty."""
    return StationFolder(tmp_path)


def _claims(store: Store) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(CLAIMS)).scalar_one()


def test_records_are_found_whole_by_any_version_and_node(store: Store, folder: StationFolder) -> None:
    records = [record(1), unreadable(2), record(3, id="a" * 4_000)]
    for number, one in enumerate(records):
        append(folder, [part(number + 10), one], node=f"n{number}", version=number + 1)
        NodeParts(store, folder, f"n{number}", "a").follow()
    parts: KnownParts = NodeParts(store, folder, "n9", "a")
    wanted = {key(one): one for one in records}
    assert parts.claim([*wanted, key(record(4))]).records == wanted
    assert parts.claim([]).records == {}
    assert NodeParts(store, folder, "n1", "b").claim([*wanted]).records == {}, "another product"
    assert parts.claim([(records[0].id, "f" * 32)]).records == {}, "another content"


@pytest.mark.parametrize("seed", range(4))
def test_what_was_appended_fills_the_store_as_the_journal_does(
    store: Store, folder: StationFolder, tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)
    parts, left = NodeParts(store, folder, "n1", "a"), [part(number) for number in range(40)]
    with ExitStack() as opened:
        journals = []
        for version in (1, 2):
            place = folder.records_of("n1", "a", version)
            place.mkdir(parents=True)
            journals.append(opened.enter_context(closing(Journal(place / JOURNAL))))
        while left:
            some = [left.pop() for _ in range(min(len(left), chance.randint(1, 5)))]
            parts.claim([key(one) for one in some[1:]])
            appended = chance.choice(journals).append(some)
            how = chance.choice(("told", "told", "told", "looked", "failed"))
            if how == "told":
                parts.follow(appended)
            elif how == "looked":
                parts.follow()
    parts.follow()
    assert _claims(store) == 0
    with Store(f"sqlite:///{tmp_path / 'again.sqlite'}") as again:
        Follower(again, folder).take_up("n1")
        assert content(store) == content(again)
        assert NodeParts(again, folder, "n1", "a").claim([key(part(n)) for n in range(40)]).records.keys() == {
            key(part(n)) for n in range(40)
        }


def test_a_claim_keeps_others_off_until_the_part_has_a_record(store: Store, folder: StationFolder) -> None:
    first, second = (NodeParts(store, folder, node, "a") for node in ("n1", "n2"))
    keys = [key(part(n)) for n in range(3)]
    assert first.claim([]) == Claimed({}, frozenset())
    assert first.claim(keys[:2]) == Claimed({}, frozenset())
    assert first.claim(keys[:2]) == Claimed({}, frozenset()), "its own"
    assert second.claim(keys) == Claimed({}, frozenset(keys[:2]))
    append(folder, [part(0)])
    first.follow()
    assert second.claim(keys) == Claimed({keys[0]: part(0)}, frozenset(keys[1:2])), "recorded now, or claimed still"
    assert _claims(store) == 2, "a claim on what has a record does not stay"
    assert NodeParts(store, folder, "n2", "b").claim(keys) == Claimed({}, frozenset()), "another product"


def test_a_restart_ends_a_nodes_own_claims(store: Store, folder: StationFolder) -> None:
    keys = [key(part(n)) for n in range(4)]
    NodeParts(store, folder, "n1", "a").claim(keys[:3])
    NodeParts(store, folder, "n2", "a").claim(keys[3:])
    append(folder, [part(0)])
    assert Follower(store, folder).take_up("n1").parts == 1
    third = NodeParts(store, folder, "n3", "a")
    assert third.claim(keys) == Claimed({keys[0]: part(0)}, frozenset(keys[3:])), "the last one is the other node's"


def test_a_journal_that_holds_another_part_is_told(store: Store, folder: StationFolder) -> None:
    path = append(folder, [part(1), part(2)])
    parts = NodeParts(store, folder, "n1", "a")
    parts.follow()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[1] + lines[0])
    with pytest.raises(RunError, match=r"records\.jsonl byte 0: holds another part than the store says"):
        parts.claim([key(part(1))])
    path.unlink()
    with pytest.raises(RunError, match=r"records\.jsonl: is gone; restore it"):
        parts.claim([key(part(1))])


def test_nodes_at_once_judge_each_part_once(address: str, folder: StationFolder) -> None:
    nodes, parts = [f"n{number}" for number in range(4)], [part(number) for number in range(24)]
    with Store(address) as store, ThreadPoolExecutor(len(nodes)) as pool:
        for done in [pool.submit(_judge, store, folder, node, parts) for node in nodes]:
            done.result(60)
        judged = [one.id for path in folder.records.glob("*/*/records.jsonl") for one in read_records(path)]
        assert sorted(judged) == [one.id for one in parts]
        assert _claims(store) == 0


def _judge(store: Store, folder: StationFolder, node: str, parts: list[PartRecord]) -> None:
    """Judge all parts that no other node judges, some at a time, as a product's line does."""
    known, chance = NodeParts(store, folder, node, "a"), Random(node)
    left = {key(one): one for one in chance.sample(parts, len(parts))}
    while left:
        some = [*left][: chance.randint(1, 5)]
        claims = known.claim(some)
        mine = [one for one in some if one not in claims.records and one not in claims.refused]
        append(folder, [left[one] for one in mine], node=node)
        known.follow()
        for one in (*claims.records, *mine):
            del left[one]


def test_what_was_recorded_since_it_was_looked_for_is_not_claimed(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1)])
    NodeParts(store, folder, "n1", "a").follow()
    with store.writing() as connection:
        found, refused = claim(connection, [key(part(1))], "n2", "a")
    assert ([*found], refused) == ([key(part(1))], set())
    assert _claims(store) == 0
