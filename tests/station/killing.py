"""Kills a station, or what it stands on, while it is under load; and reckons afterwards what became of every part."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from kenpin.data.picture_files import hash_of
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.record import part_key
from kenpin.station.folder import StationFolder
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.reviewing.applied import REVIEWED
from kenpin.station.store.opening import open_store
from kenpin.station.store.part_tables import PARTS
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import Role
from tests.station.load import Client, Part, Receiver, Reviewer, ViewsClient
from tests.station.station_process import StationProcess

_SINK_S = 60.0
_SINK = {"kind": "webhook", "since": "beginning", "first_wait_s": 0.1, "longest_wait_s": 1.0, "timeout_s": 5.0}


@dataclass
class Load:
    """A station, and all who ask it."""

    station: StationProcess
    clients: Sequence[Client]
    reviewer: Reviewer
    receiver: Receiver
    kills: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def everybody(self) -> list[Client | Reviewer]:
        return [*self.clients, self.reviewer]

    @property
    def answered(self) -> dict[Part, str]:
        """When each answered part was judged."""
        return {part: at for client in self.clients for part, at in client.answered.items()}

    def wait_for_answers(self, more: int, seconds: float = 60.0) -> None:
        """Wait until so many more parts were answered."""
        wanted, until_s = sum(len(one.answered) for one in self.clients) + more, time.monotonic() + seconds
        while sum(len(one.answered) for one in self.clients) < wanted:
            if time.monotonic() > until_s:
                self.faults.append(f"{more} parts were not answered within {seconds:.0f} s: {self.station.told()}")
                return
            time.sleep(0.02)


@contextmanager
def under_load(
    folder: Path,
    policy: Path,
    pictures: Sequence[bytes],
    *,
    clients: int,
    store: str | None = None,
    environment: dict[str, str] | None = None,
    by_views: bool = False,
    **settings: object,
) -> Iterator[Load]:
    """A station that runs, with clients that send, a person who reviews, and a sink that is told. by_views: whether
    parts come by two pictures; settings: further ones. On leaving, all of them have ended in order."""  # fmt: skip
    receiver = Receiver()
    receiver.start()
    everything = {"reviewed_passes": 0.2, "reviewed_fails": 0.2, "second_reviews": 0.0}
    station = StationProcess(
        folder, policy, engine="onnx", environment=environment or {},
        settings={
            **({"store": store} if store else {}),
            "products": {"parts": everything},
            "sinks": {"mes": {**_SINK, "url": f"http://127.0.0.1:{receiver.port}/"}},
            **settings,
        },
    )  # fmt: skip
    token = station.add_token("camera", "submit")
    station.add_account("rei", Role.REVIEWER)
    with station:
        kind = ViewsClient if by_views else Client
        senders = [kind(f"client{number}", station.port, token, pictures) for number in range(clients)]
        load = Load(station, senders, Reviewer("rei", station.port), receiver)
        for thread in load.everybody:
            thread.start()
        yield load
        if station.process is None:
            station.start()
        station.wait_until_ready()
        for thread in load.everybody:
            thread.halt.set()
        for thread in load.everybody:
            thread.join(60)
            if thread.is_alive():
                load.faults.append(f"{thread.name}: has no answer within a minute")
        _wait_for_sink(load)
        if (status := station.stop()) != 0:
            load.faults.append(f"the station ended with {status}: {station.told()}")
        load.faults += [f"process {pid} outlived its station" for pid in station.orphans()]
    receiver.stop()


def kill(load: Load, kills: int, chance: random.Random, longest_s: float = 1.5) -> None:
    """Kill the station so often, three times of four after it was ready, else while it starts."""
    for _ in range(kills):
        if chance.random() < 0.75:
            load.station.wait_until_ready()
        time.sleep(chance.uniform(0, longest_s))
        load.station.kill()
        load.station.start()
        load.kills += 1


def _wait_for_sink(load: Load) -> None:
    until_s = time.monotonic() + _SINK_S
    answered = load.answered.keys()
    while not answered <= load.receiver.parts():
        if time.monotonic() > until_s:
            load.faults.append(f"the sink was not told of {len(answered - load.receiver.parts())} parts")
            return
        time.sleep(0.1)
    time.sleep(1.0)  # and of the last reviews


@dataclass(frozen=True)
class Reckoning:
    """What became of all parts of a load."""

    kills: int
    answered: int
    """Parts that a client was answered for."""
    broken: int
    """Sendings that broke off, and were repeated."""
    later: int
    """Sendings that were answered: later."""
    again: int
    """Parts that were sent again though they were answered."""
    recorded: int
    """Parts in the journals, those included whose answer was lost on its way."""
    reviewed: int
    told: int
    """Messages to the sink."""
    told_again: int
    """Of them, those that it had been told before."""
    faults: tuple[str, ...]
    """Sentences; none where all is as it must be."""


def reckon(load: Load) -> Reckoning:
    """What became of all parts; the station has ended."""
    folder = StationFolder(load.station.folder)
    faults = [*load.faults, *(fault for one in load.everybody for fault in one.faults)]
    judged_at: dict[Part, str] = {}
    recorded: Counter[Part] = Counter()
    contents = set[str]()
    for journal in sorted(folder.records.glob(f"*/*/{JOURNAL}")):
        for record in read_records(journal):
            part = part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)
            recorded[part] += 1
            judged_at[part] = record.judged_at
            contents |= {view.picture_hash for view in record.views} or {record.picture_hash}
    with open_store(folder, load.station.store) as store, store.reading() as connection:
        rows = connection.execute(select(PARTS.c.id, PARTS.c.content, PARTS.c.key)).all()
    stored = Counter((row.id, row.content) for row in rows)
    answered = load.answered
    faults += [f"{part}: is in the journals {count} times" for part, count in recorded.items() if count != 1]
    faults += [f"{part}: is in the store {count} times" for part, count in stored.items() if count != 1]
    faults += [f"{part}: was answered, and has no record" for part in answered.keys() - recorded.keys()]
    faults += [f"{part}: is in one of journals and store alone" for part in recorded.keys() ^ stored.keys()]
    faults += [
        f"{part}: was answered with another record than it has"
        for part, at in answered.items()
        if judged_at.get(part, at) != at
    ]
    faults += _pictures(folder, contents) + _trails(folder, load.reviewer) + _verified(folder)
    told, told_again, of_sink = _sink(load, {(row.id, row.content): row.key for row in rows})
    return Reckoning(
        kills=load.kills,
        answered=len(answered),
        broken=sum(one.broken for one in load.clients),
        later=sum(one.later for one in load.clients),
        again=sum(one.again for one in load.clients),
        recorded=len(recorded),
        reviewed=len(load.reviewer.said),
        told=told,
        told_again=told_again,
        faults=tuple(faults + of_sink),
    )


def _pictures(folder: StationFolder, contents: set[str]) -> list[str]:
    kept = KeptPictures(folder)
    faults = [f"picture {one}: is not kept" for one in contents if hash_of(kept.read(one) or b"") != one]
    files = [path for path in folder.pictures.glob("*/*") if path.is_file() or path.name.startswith(".")]
    return faults + [f"{path}: is no picture of a part" for path in files if path.name not in contents]


def _trails(folder: StationFolder, reviewer: Reviewer) -> list[str]:
    said: dict[str, list[str]] = defaultdict(list)
    for trail in sorted(folder.trails.glob("*.jsonl")):
        for entry in read_entries(trail):
            if entry.what == REVIEWED:
                said[entry.about["part"]].append(entry.about["verdict"].lower())
    return [f"{key}: what was said of it is not in the trail" for key, say in reviewer.said.items()
            if say not in said[key]]  # fmt: skip


def _verified(folder: StationFolder) -> list[str]:
    command = [sys.executable, "-m", "kenpin", "audit", "verify", str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"audit verify: {done.stdout} {done.stderr}"]


def _sink(load: Load, keys: dict[Part, str]) -> tuple[int, int, list[str]]:
    faults, last = list[str](), dict[str, int]()
    parts = load.receiver.parts()
    faults += [f"{part}: the sink was not told of it" for part in keys if part not in parts]
    reviewed = set()
    for told in load.receiver.told:
        if told["kind"] == "switched":
            continue
        key = keys.get((str(told["id"]), str(told["content"])))
        if key is None:
            faults.append(f"{told['id']}: the sink was told of a part that is not in the store")
            continue
        position = int(str(told["position"]))
        if position < last.get(key, 0):
            faults.append(f"{told['id']}: the sink was told backwards")
        last[key] = position
        if told["kind"] == "reviewed":
            reviewed.add(key)
    faults += [f"{key}: the sink was not told of its review" for key in load.reviewer.said if key not in reviewed]
    count = len(load.receiver.told)
    return count, count - len({str(told["key"]) for told in load.receiver.told}), faults
