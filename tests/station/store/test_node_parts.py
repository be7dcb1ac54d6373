"""A node knows every part that has a record, and of several nodes one alone judges a part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from kenpin.errors import RunError
from kenpin.inspection.journal import read_records
from kenpin.inspection.record import PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.intake.product_line import KnownParts
from kenpin.station.store.claims import claim
from kenpin.station.store.following import Follower
from kenpin.station.store.node_parts import NodeParts
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import CLAIMS
from tests.inspection.made import record, unreadable
from tests.station.store.made import append, key, part


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
    assert parts.find([*wanted, key(record(4))]) == wanted
    assert parts.find([]) == {}
    assert NodeParts(store, folder, "n1", "b").find([*wanted]) == {}, "another product"
    assert parts.find([(records[0].id, "f" * 32)]) == {}, "another content"


def test_a_claim_keeps_others_off_until_the_part_has_a_record(store: Store, folder: StationFolder) -> None:
    first, second = (NodeParts(store, folder, node, "a") for node in ("n1", "n2"))
    keys = [key(part(n)) for n in range(3)]
    assert first.claim([]) == []
    assert first.claim(keys[:2]) == []
    assert first.claim(keys[:2]) == [], "its own"
    assert second.claim(keys) == keys[:2]
    append(folder, [part(0)])
    first.follow()
    assert second.claim(keys) == keys[:2], "recorded now, or claimed still"
    assert [*second.find(keys)] == keys[:1]
    assert _claims(store) == 2, "a claim on what has a record does not stay"
    assert NodeParts(store, folder, "n2", "b").claim(keys) == [], "another product"


def test_a_restart_ends_a_nodes_own_claims(store: Store, folder: StationFolder) -> None:
    keys = [key(part(n)) for n in range(4)]
    NodeParts(store, folder, "n1", "a").claim(keys[:3])
    NodeParts(store, folder, "n2", "a").claim(keys[3:])
    append(folder, [part(0)])
    assert Follower(store, folder).take_up("n1").parts == 1
    third = NodeParts(store, folder, "n3", "a")
    assert third.claim(keys) == [keys[0], keys[3]], "recorded, and claimed by the other node"


def test_a_journal_that_holds_another_part_is_told(store: Store, folder: StationFolder) -> None:
    path = append(folder, [part(1), part(2)])
    parts = NodeParts(store, folder, "n1", "a")
    parts.follow()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[1] + lines[0])
    with pytest.raises(RunError, match=r"records\.jsonl byte 0: holds another part than the store says"):
        parts.find([key(part(1))])
    path.unlink()
    with pytest.raises(RunError, match=r"records\.jsonl: is gone; restore it"):
        parts.find([key(part(1))])


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
        found = known.find(some)
        refused = known.claim([one for one in some if one not in found])
        mine = [one for one in some if one not in found and one not in refused]
        append(folder, [left[one] for one in mine], node=node)
        known.follow()
        for one in (*found, *mine):
            del left[one]


def test_what_was_recorded_since_it_was_looked_for_is_not_claimed(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1)])
    NodeParts(store, folder, "n1", "a").follow()
    with store.writing() as connection:
        assert claim(connection, [key(part(1))], "n2", "a") == {key(part(1))}
    assert _claims(store) == 0
