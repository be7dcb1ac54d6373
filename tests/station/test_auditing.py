"""An audit: whatever is changed, taken out, put in or cut off in a trail or a journal is found, at its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenpin.chained import line_of
from kenpin.errors import OptionError, RunError
from kenpin.files import write_json
from kenpin.inspection.journal import JOURNAL
from kenpin.inspection.record import to_values
from kenpin.station.auditing import (
    EntryCursor,
    EntryFilter,
    FileAudit,
    audit_files,
    entries_of,
    moment,
    newest_entries,
    read_entry_cursor,
    read_report,
    report_of,
)
from kenpin.station.folder import StationFolder
from kenpin.station.trail import Entry, Trail, read_entries
from tests.inspection.made import record
from tests.station.station_files import DECIDED, made_station

FILES = ("trails/node-1.jsonl", "trails/node-2.jsonl", f"records/node-1/cells-1/{JOURNAL}")


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    return made_station(tmp_path / "station")


@pytest.fixture
def earlier(folder: StationFolder) -> dict[str, FileAudit]:
    """What is found while all is sound."""
    return _found(folder)


def _found(folder: StationFolder, earlier: dict[str, FileAudit] | None = None) -> dict[str, FileAudit]:
    return {one.file: one for one in audit_files(folder, earlier)}


def _chained(values: list[dict[str, object]]) -> bytes:
    """Lines whose chain is right, as somebody writes who knows how it is made."""
    data = b""
    for one in values:
        data += line_of(one, blake2b(data, digest_size=16).hexdigest()).encode()
    return data


def _values(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    return [{key: value for key, value in line.items() if key != "before"} for line in lines]


def test_what_was_written_is_sound(folder: StationFolder) -> None:
    found = _found(folder)
    assert tuple(found) == FILES
    assert [(one.entries, one.problem, one.unfinished_bytes) for one in found.values()] == [
        (3, None, 0),
        (2, None, 0),
        (3, None, 0),
    ]
    trail = found[FILES[0]]
    assert (trail.first, trail.last) == ("2026-11-27T09:30:00.000000+00:00", "2026-11-27T13:30:00.000000+00:00")
    data = folder.trail("node-1").read_bytes()
    assert (trail.bytes, trail.digest) == (len(data), blake2b(data, digest_size=16).hexdigest())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.data())
def test_a_byte_that_is_changed_is_found(
    folder: StationFolder, earlier: dict[str, FileAudit], name: str, data: st.DataObject
) -> None:
    """In every line but the last, and there against an earlier report."""
    path = folder.path / name
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != before[at]))
    path.write_bytes(before[:at] + bytes([byte]) + before[at + 1 :])
    try:
        found = _found(folder, earlier)[name]
        assert found.problem is not None
        assert found.entries <= before[:at].count(b"\n")
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["take out", "put in twice", "exchange"])
def test_a_line_that_is_moved_is_found(folder: StationFolder, name: str, change: str) -> None:
    path = folder.path / name
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {
        "take out": lines[1:],
        "put in twice": [lines[0], *lines],
        "exchange": [lines[1], lines[0], *lines[2:]],
    }[change]
    path.write_bytes(b"".join(changed))
    found = _found(folder)[name]
    assert found.problem is not None
    assert "line" in found.problem
    assert found.entries < len(lines)


def test_what_is_cut_off_at_the_end_is_found_against_an_earlier_report(folder: StationFolder) -> None:
    earlier = _found(folder)
    path = folder.trail("node-1")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert _found(folder)[FILES[0]].problem is None, "a file cannot tell by itself"
    problem = _found(folder, earlier)[FILES[0]].problem
    assert problem is not None
    assert "has 2 of the 3 lines" in problem
    path.unlink()
    problem = _found(folder, earlier)[FILES[0]].problem
    assert problem is not None
    assert "is gone" in problem


def test_who_writes_the_whole_chain_again_is_found_against_an_earlier_report(folder: StationFolder) -> None:
    earlier = _found(folder)
    path = folder.trail("node-1")
    values = _values(path)
    values[1]["about"] = {"label": "ok"}
    path.write_bytes(_chained(values))
    assert _found(folder)[FILES[0]].problem is None
    found = _found(folder, earlier)[FILES[0]]
    assert found.problem is not None
    assert "is another than it was earlier" in found.problem


def test_what_came_since_is_no_problem(folder: StationFolder, tmp_path: Path) -> None:
    earlier = _found(folder)
    trail = Trail(folder.trail("node-1"), "node-1")
    trail.append("aoi", "signed-in", {})
    trail.close()
    third = Trail(folder.trail("node-3"), "node-3")
    third.append("aoi", "signed-in", {})
    third.close()
    found = _found(folder, earlier)
    assert {one.problem for one in found.values()} == {None}
    assert found[FILES[0]].entries == 4
    write_json(tmp_path / "report.json", report_of(list(found.values())))
    assert read_report(tmp_path / "report.json") == found


@pytest.mark.parametrize("name", FILES)
def test_hashes_cannot_be_taken_from_all_lines(folder: StationFolder, name: str) -> None:
    path = folder.path / name
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in _values(path))
    path.write_text(lines, "utf-8")
    found = _found(folder)[name]
    assert found.entries == 0
    assert found.problem is not None
    assert "line 1" in found.problem


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda values: values[1].update(number=3), "is entry 3 of node-1, and should be entry 2 of node-1"),
        (lambda values: values[1].update(node="node-2"), "is entry 2 of node-2, and should be entry 2 of node-1"),
        (lambda values: values[1].update(schema=9), "its schema is 9"),
        (lambda values: values[1].update(more=1), "missing or unknown"),
        (lambda values: values[1].pop("who"), "missing or unknown"),
        (lambda values: values[1].update(what=7), "is not an entry of the trail"),
    ],
)
def test_lines_that_no_station_writes_are_found(
    folder: StationFolder, change: Callable[[list[dict[str, object]]], object], why: str
) -> None:
    """Though their chain is right."""
    path = folder.trail("node-1")
    values = _values(path)
    change(values)
    path.write_bytes(_chained(values))
    found = _found(folder)[FILES[0]]
    assert found.entries == (0 if why == "is not an entry of the trail" else 1), "no later line confirms the first"
    assert found.problem is not None
    assert why in found.problem
    assert f"{path} line 2" in found.problem


def test_a_part_that_is_recorded_twice_is_found(folder: StationFolder) -> None:
    path = folder.path / FILES[2]
    path.write_bytes(_chained([to_values(record(number)) for number in (1, 2, 1)]))
    found = _found(folder)[FILES[2]]
    assert found.entries == 2
    assert found.problem is not None
    assert "records a part for the second time" in found.problem


def test_an_entry_that_is_being_written_is_no_problem(folder: StationFolder) -> None:
    with folder.trail("node-1").open("ab") as file:
        file.write(b'{"schema":1,"bef')
    found = _found(folder)[FILES[0]]
    assert (found.entries, found.unfinished_bytes, found.problem) == (3, 16, None)


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no trail and no journal in it"):
        _found(StationFolder(tmp_path))
    with pytest.raises(OptionError, match="there is no trail in it"):
        list(entries_of(StationFolder(tmp_path), EntryFilter()))


def test_a_report_of_something_else_is_told(tmp_path: Path) -> None:
    for values in ({"schema": 2}, {"schema": 1, "files": [{"file": 1}]}, {"schema": 1}):
        write_json(tmp_path / "report.json", values)
        with pytest.raises(RunError, match=r"report\.json"):
            read_report(tmp_path / "report.json")


# ---- entries ----


def test_entries_of_all_nodes_come_in_the_order_of_their_times(folder: StationFolder) -> None:
    entries = list(entries_of(folder, EntryFilter()))
    assert [(one.node, one.who, one.what, one.about) for one in entries] == list(DECIDED)
    assert [one.at for one in entries] == sorted(one.at for one in entries)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (EntryFilter(who=frozenset({"ren"})), [3]),
        (EntryFilter(who=frozenset({"ren", "station"})), [0, 3]),
        (EntryFilter(what=frozenset({"part-reviewed"})), [2, 3]),
        (EntryFilter(who=frozenset({"aoi"}), what=frozenset({"part-reviewed"})), [2]),
        (EntryFilter(since=moment("2026-11-27T11:30")), [2, 3, 4]),
        (EntryFilter(before=moment("2026-11-27T11:30")), [0, 1]),
        (EntryFilter(since=moment("2026-11-27T19:30+09:00"), before=moment("2026-11-27T11:30:01")), [1, 2]),
        (EntryFilter(since=moment("2026-11-28")), []),
        (EntryFilter(before=moment("2026-11-27", end=True)), [0, 1, 2, 3, 4]),
    ],
)
def test_entries_are_filtered(folder: StationFolder, wanted: EntryFilter, places: list[int]) -> None:
    found = [(one.node, one.who, one.what, one.about) for one in entries_of(folder, wanted)]
    assert found == [DECIDED[place] for place in places]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "27.11.2026", "9999-12-31", "2026-11-27T25:00"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(OptionError, match="is not a time; give one such as 2026-11-27"):
        moment(text, end=True)


def test_a_damaged_trail_is_shown_up_to_the_damage(folder: StationFolder) -> None:
    path = folder.trail("node-1")
    path.write_bytes(path.read_bytes().replace(b"part-reviewed", b"part-reveiwed"))
    shown: list[Entry] = []
    with pytest.raises(RunError, match="line 3: does not follow"):
        shown.extend(entries_of(folder, EntryFilter()))
    assert [one.number for one in read_entries(folder.trail("node-2"))] == [1, 2]


def _pages(folder: StationFolder, wanted: EntryFilter, size: int) -> list[tuple[str, int]]:
    """Node and number of all entries, page after page, each asked for by what the page before names."""
    found, behind = list[tuple[str, int]](), None
    while True:
        page = newest_entries(folder, wanted, size=size, behind=behind)
        found += [(one.node, one.number) for one in page.entries]
        if page.following is None:
            return found
        behind = read_entry_cursor(f"{page.following}")


@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_pages_from_the_newest_on_hold_each_entry_once(folder: StationFolder, size: int) -> None:
    forwards = [(one.node, one.number) for one in entries_of(folder, EntryFilter())]
    assert _pages(folder, EntryFilter(), size) == forwards[::-1]
    some = [(one.node, one.number) for one in entries_of(folder, EntryFilter(who=frozenset({"aoi"})))]
    assert _pages(folder, EntryFilter(who=frozenset({"aoi"})), size) == some[::-1]
    with pytest.raises(OptionError, match="no beginning of a page"):
        read_entry_cursor("2026 node-1 ٣")


@pytest.mark.parametrize("size", [1, 2, 99])
def test_no_entry_is_missed_where_a_clock_was_set_back(tmp_path: Path, size: int) -> None:
    folder = StationFolder(tmp_path)
    folder.trails.mkdir()
    for node, hours in (("a", [1, 2, 9, 3, 4, 2, 5]), ("b", [3, 1, 6])):
        values = [
            {"schema": 1, "number": number, "at": f"2026-11-27T{hour:02}:00:00.000000+00:00", "node": node, "who": "x",
             "what": "signed-in", "about": {}}
            for number, hour in enumerate(hours, 1)
        ]  # fmt: skip
        folder.trail(node).write_bytes(_chained(values))
    found = _pages(folder, EntryFilter(), size)
    assert sorted(found) == [("a", number) for number in range(1, 8)] + [("b", number) for number in range(1, 4)]
    for node in ("a", "b"):
        numbers = [number for one, number in found if one == node]
        assert numbers == sorted(numbers, reverse=True)


def test_a_page_goes_on_where_it_was_though_entries_are_added(folder: StationFolder) -> None:
    first = newest_entries(folder, EntryFilter(), size=2)
    assert isinstance(first.following, EntryCursor)
    with closing(Trail(folder.trail("node-1"), "node-1")) as trail:
        trail.append("aoi", "signed-in", {})
    rest = newest_entries(folder, EntryFilter(), behind=first.following)
    assert len(first.entries) + len(rest.entries) == len(DECIDED)
    assert rest.following is None
