"""Marks in the store: those that count are the same on both databases, entry by entry and after a rebuild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kenpin.inspection.record import PartRecord, RecordedView
from kenpin.station.folder import StationFolder
from kenpin.station.store.following import Follower, rebuild
from kenpin.station.store.marks import marks_in
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import key_of
from tests.station.store.made import append, content, key, needs, part, say

KEYS = [key_of("a", key(part(number))) for number in range(4)]
_LONGEST_NAME = "ann" * 100
"""Of a person: longer than the store keeps whole."""


def _said(number: int, who: str, verdict: str, *boxes: list[float]) -> tuple[str, str, dict[str, Any]]:
    marks = [{"label": "傷 \u0000", "box": box} for box in boxes]
    about = {
        "part": KEYS[number],
        "verdict": verdict,
        "label": None,
        "note": None,
        "marks": marks,
        "wants_second": True,
    }
    return who, "part-reviewed", about


def _undone(number: int, who: str) -> tuple[str, str, dict[str, Any]]:
    return who, "review-undone", {"part": KEYS[number], "wants_second": True}


def test_those_that_count_are_known_entry_by_entry_and_after_a_rebuild(store: Store, tmp_path: Path) -> None:
    folder = StationFolder(tmp_path / "station")
    append(folder, [part(number) for number in range(4)])
    entries = [
        _said(0, _LONGEST_NAME, "FAIL", [0, 0, 9, 9]),
        _said(0, "bo", "FAIL"),
        _said(1, "bo", "FAIL", [1, 1, 9, 9]),
        _said(1, _LONGEST_NAME, "FAIL", [2, 2, 9, 9], [3, 3, 9, 9]),
        _said(2, "bo", "FAIL", [4, 4, 9, 9]),
        _said(2, "cy", "PASS"),
        _said(3, "bo", "FAIL", [5, 5, 9, 9]),
        _said(3, "cy", "FAIL", [6, 6, 9, 9]),
        _undone(3, "cy"),
        _said(3, "cy", "FAIL", [7, 7, 9, 9]),
    ]
    follower, seen = Follower(store, folder, needs), []
    for entry in entries:
        trail = say(folder, [entry])
        follower.take_up("n1")
        seen.append(_counting(store))
    assert trail.is_file()
    assert seen == [
        {},
        *[{0: [[0, 0, 9, 9]]}] * 2,
        *[{0: [[0, 0, 9, 9]], 1: [[2, 2, 9, 9], [3, 3, 9, 9]]}] * 4,
        {0: [[0, 0, 9, 9]], 1: [[2, 2, 9, 9], [3, 3, 9, 9]], 3: [[6, 6, 9, 9]]},
        {0: [[0, 0, 9, 9]], 1: [[2, 2, 9, 9], [3, 3, 9, 9]]},
        {0: [[0, 0, 9, 9]], 1: [[2, 2, 9, 9], [3, 3, 9, 9]], 3: [[7, 7, 9, 9]]},
    ]
    before = content(store)
    rebuild(store, folder, needs)
    assert content(store) == before
    assert _counting(store) == seen[-1]


def test_marks_on_views_keep_theirs_and_older_ones_stand_on_the_view_that_decided(store: Store, tmp_path: Path) -> None:
    folder = StationFolder(tmp_path / "station")
    records = [_of_three_views(number) for number in range(2)]
    append(folder, records)
    keys = [key_of("a", key(record)) for record in records]
    said = [
        ("bo", "part-reviewed", _about(keys[0], {"view": 0}, {"view": 2})),
        ("bo", "part-reviewed", _about(keys[1], {})),
    ]
    say(folder, said)
    Follower(store, folder, needs).take_up("n1")
    for _ in range(2):
        found = {name: json.loads(text) for name, text in marks_in(store)(keys).items()}
        assert [[mark["view"] for mark in found[name]] for name in keys] == [[0, 2], [1]]
        rebuild(store, folder, needs)


def _of_three_views(number: int) -> PartRecord:
    views = tuple(
        RecordedView(
            f"{place}", f"{place}/{number}.png", f"/line/{place}/{number}.png", f"{number}{place}", 9, 1, (30, 20)
        )
        for place in range(3)
    )
    return part(number, views=views, picture=views[1].picture)


def _about(name: str, *marks: dict[str, Any]) -> dict[str, Any]:
    drawn = [{"label": "傷", "box": [place, 0, 9, 9], **mark} for place, mark in enumerate(marks)]
    return {"part": name, "verdict": "FAIL", "label": None, "note": None, "marks": drawn, "wants_second": False}


def _counting(store: Store) -> dict[int, list[Any]]:
    found = marks_in(store)(KEYS)
    return {
        KEYS.index(name): [mark["box"] for mark in json.loads(text)]
        for name, text in sorted(found.items(), key=lambda one: KEYS.index(one[0]))
    }
