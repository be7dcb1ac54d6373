"""A station with a source and a sink: parts come from one folder, and records go to another, once and in order."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from kenpin.records import Verdict
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.store.event_tables import NodeEvents
from kenpin.station.store.following import rebuild
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import CONSOLE


def _until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    until_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.02)


def _told(folder: Path) -> list[dict[str, object]]:
    files = [json.loads(path.read_text("utf-8")) for path in folder.glob("**/*.json")]
    return sorted(files, key=lambda one: one["position"])


def test_parts_come_from_a_folder_and_records_go_to_another(
    tmp_path: Path, settings: StationSettings, few_parts: Path
) -> None:
    line, out = tmp_path / "line", tmp_path / "out"
    line.mkdir()
    settings = settings.model_copy(
        update={
            "sources": {"camera": {"kind": "folder", "folder": str(line)}},
            "sinks": {"mes": {"kind": "folder", "folder": str(out)}},
        }
    )
    with Station(tmp_path / "station", settings, engine="torch") as station:
        for number, path in enumerate(sorted(few_parts.glob("*/*"))[:3]):
            shutil.copy(path, line / f"{number}.png")
        _until(lambda: station.state()["parts"].judged == 3)
        task = station.reviewing.next_task(CONSOLE, "parts")
        assert task is not None
        station.reviewing.review(CONSOLE, task.part.key, Verdict.FAIL, "scratch", None)
        _until(lambda: len(_told(out)) >= 4)
        (sink,) = station.sinks.states
        (source,) = station.sources.states
        assert (sink.last_error, source.last_error) == (None, None)
        events = NodeEvents(station.store, settings.node)
        before = events.after(0, 100)
        assert events.count_after(0) == len(before) == 5
        assert events.last() == before[-1].position
    told = _told(out)
    # a new sink is told of what happens from then on: the version judged before
    assert [one.kind for one in before] == ["switched", "judged", "judged", "judged", "reviewed"]
    assert [one["kind"] for one in told] == [one.kind for one in before[1:]]
    assert {one["id"] for one in told if one["kind"] == "judged"} == {f"camera/{number}.png" for number in range(3)}
    (reviewed,) = (one for one in told if one["kind"] == "reviewed")
    assert (reviewed["verdict"], reviewed["label"]) == ("FAIL", "scratch")
    with Station(tmp_path / "station", settings, engine="torch") as again:
        time.sleep(0.3)
        assert again.state()["parts"].judged == 0, "a part was judged twice"
        assert len(_told(out)) == 4
        store, folder = again.store, again.folder
        # an event keeps its position when the store is filled again, so that sinks go on where they were
        again.close()
    from kenpin.station.store.opening import open_store

    with open_store(folder, None) as store:
        rebuild(store, folder)
        assert NodeEvents(store, settings.node).after(0, 100) == before


def test_the_rules_of_reviews_are_told_when_they_change(tmp_path: Path, settings: StationSettings) -> None:
    changed = {name: product.model_copy(update={"reviewed_passes": 0.5}) for name, product in settings.products.items()}
    for now in (settings, settings, settings.model_copy(update={"products": changed})):
        with Station(tmp_path / "station", now, engine="torch"):
            pass
    trail = tmp_path / "station" / "trails" / f"{settings.node}.jsonl"
    told = [entry for entry in read_entries(trail) if entry.what == "review-rules-told"]
    assert [entry.about["parts"]["reviewed_passes"] for entry in told] == [
        settings.products["parts"].reviewed_passes,
        0.5,
    ]
