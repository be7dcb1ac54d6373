"""A station under load, held against `inspect` by turns: parts a second, times, memory, and what it says beyond it."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, rate, table

if TYPE_CHECKING:
    from tests.station.load import Client
    from tests.station.station_process import StationProcess

_CLIENTS = 8
_MANY = 96  # clients that send more than may wait
_ROUNDS = 5
_GOAL = 0.8
_WARM_S = 0.1  # share of a round that is left out
_MOMENTS = 20
_IEND_BYTES = 12


def section(scale: Scale, folder: Path) -> str:
    """Figures of a load, of `inspect` between its rounds, and of more clients than the station can serve."""
    folder.mkdir()
    in_fresh_process(prepare, folder=str(folder))
    found = in_fresh_process(load, folder=str(folder), seconds=scale.load_s, pictures=scale.pictures)
    alone = [scale.pictures / seconds for seconds in found["inspect"]]
    share = median(found["rate"]) / median(alone)
    memory = found["memory"]
    moments = [0, len(memory) // 10, len(memory) // 4, len(memory) // 2, len(memory) - 1]
    rows = [
        ("parts/s, best round and median", f"{figure(max(found['rate']))} ({figure(median(found['rate']))})"),
        ("`inspect` of the same package, pictures/s", rate(scale.pictures, found["inspect"])),
        (f"share of `inspect`, medians; the goal is {_GOAL}", f"{share:.2f}"),
        ("from sending to the answer, ms: p50", figure(1e3 * _percentile(found["seconds"], 50))),
        ("p99", figure(1e3 * _percentile(found["seconds"], 99))),
        ("longest", figure(1e3 * max(found["seconds"]))),
        ("parts answered", f"{found['answered'][0]:,.0f}"),
        ("of them lost, and twice", f"{found['lost'][0]:.0f}, {found['twice'][0]:.0f}"),
        ("processor time of the station a part, ms", figure(1e3 * found["processor"][0])),
        ("of the clients", figure(1e3 * found["processor of clients"][0])),
        ("of `inspect` a picture", figure(1e3 * median(found["processor of inspect"]))),
        *((f"memory after {place / max(len(memory) - 1, 1):.0%} of the time, MB", figure(memory[place] / 1e6))
          for place in dict.fromkeys(moments)),
        (f"with {_MANY} clients: parts/s", figure(found["many rate"][0])),
        ("answers 429, each with Retry-After", f"{found['many later'][0]:,.0f}"),
        ("other answers than a record or 429", f"{found['many errors'][0]:.0f}"),
    ]  # fmt: skip
    return (
        f"## Station's load\n\nA head on `lite0` as an INT8 package of OpenVINO judges real pictures of solar cells, "
        f"300 × 300 PNG, each with a content of its own, from {_CLIENTS} clients on loopback that send the next one "
        f"when they have the record: {scale.load_s / 60:.1f} minutes in {_ROUNDS} rounds, with `inspect` of files by "
        "turns. All files lie in memory; what a disk takes for being synchronised comes on top, on both sides. The "
        "clients take their time from the same cores. Memory is that of all its processes, what they share counted "
        "once.\n\n" + table(("what", "figure"), rows)
    )


def _percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def prepare(folder: str) -> Figures:
    """In the child: train the run, and export the package."""
    import os

    from kenpin.demo import solar_cells
    from kenpin.export import export_int8
    from kenpin.training import train

    os.environ["KENPIN_CACHE"] = f"{folder}/cache"
    cells = solar_cells()
    run = train(
        "classifier", data=cells.select(range(0, 2_329, 4)), out=f"{folder}/run", report=False, engine="torch",
        ok_labels=("functional",), cost_review=0.5,
    )  # fmt: skip
    # what it learned from calibrates, and as many cells again judge
    known = cells.select(row for row in range(2_329) if row % 4 in (0, 2))
    export_int8(run, f"{folder}/package", data=known, tolerance=0.1)
    (Path(folder) / "policy.yaml").write_text("runs: {head: {run: package}}\n")
    return {}


def inspected(folder: str, out: str, pictures: int) -> Figures:
    """In the child: seconds of `inspect` on files, twice, after a first time that warms up."""
    from threading import Event

    from kenpin.demo import solar_cells
    from kenpin.inspection.inspecting import inspect
    from kenpin.inspection.line import Line
    from kenpin.inspection.pictures import NamedPictures

    paths = [str(example.image.path) for example in solar_cells().select(range(pictures))]

    def again(number: int) -> tuple[float, float]:
        with Line(Path(folder) / "policy.yaml", Path(out) / f"{number}", engine="openvino") as line:
            before_s = time.process_time()
            seconds = seconds_of(lambda: inspect(line, NamedPictures(paths, Event()), lambda _: None), 1)[0]
            return seconds, (time.process_time() - before_s) / pictures

    taken = [again(number) for number in range(3)][1:]
    return {"seconds": [seconds for seconds, _ in taken], "processor": [processor_s for _, processor_s in taken]}


def load(folder: str, seconds: float, pictures: int) -> Figures:
    """In the child: rounds of load and of `inspect`, then more clients than can be served."""
    from kenpin.demo import solar_cells
    from tests.station.station_process import StationProcess

    place = Path(folder)
    files = [Path(str(example.image.path)).read_bytes() for example in solar_cells().select(range(pictures))]
    station = StationProcess(place / "station", place / "policy.yaml", engine="openvino")
    token = station.add_token("camera", "submit")
    figures: Figures = {"rate": [], "inspect": [], "seconds": [], "memory": [], "processor of inspect": []}
    everybody: list[Client] = []
    with station:
        before, own_before = _processor_s(station), time.process_time()
        for number in range(_ROUNDS):
            clients = _started(station, token, files, _CLIENTS, f"round{number}-")
            everybody += clients
            time.sleep(_WARM_S * seconds / _ROUNDS)
            answered, began_s = _answered(clients), time.monotonic()
            for _ in range(_MOMENTS // _ROUNDS):
                time.sleep((1 - _WARM_S) * seconds / _MOMENTS)
                figures["memory"].append(_memory_bytes(station))
            figures["rate"].append((_answered(clients) - answered) / (time.monotonic() - began_s))
            _stop(clients)
            figures["seconds"] += [one for client in clients for one in client.seconds]
            out = str(place / f"inspected{number}")
            alone = in_fresh_process(inspected, folder=folder, out=out, pictures=pictures)
            figures["inspect"] += alone["seconds"]
            figures["processor of inspect"] += alone["processor"]
        figures["processor"] = [(_processor_s(station) - before) / max(_answered(everybody), 1)]
        figures["processor of clients"] = [(time.process_time() - own_before) / max(_answered(everybody), 1)]
        many = _started(station, token, files, _MANY, "many-")
        began_s = time.monotonic()
        time.sleep(seconds / 10)
        figures["many rate"] = [_answered(many) / (time.monotonic() - began_s)]
        _stop(many)
        figures["many later"] = [float(sum(client.later for client in many))]
        figures["many errors"] = [float(sum(client.broken + len(client.faults) for client in many))]
        assert station.stop() == 0, station.told()
    faults = [fault for client in (*everybody, *many) for fault in client.faults]
    assert not faults, faults[:10]
    return figures | _reckoned(station, [*everybody, *many])


def _started(station: StationProcess, token: str, files: list[bytes], count: int, name: str) -> list[Client]:
    from tests.station.load import Client

    clients = [Client(f"{name}{number}", station.port, token, files, content=own_content) for number in range(count)]
    for client in clients:
        client.start()
    return clients


def _stop(clients: list[Client]) -> None:
    for client in clients:
        client.halt.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive(), f"{client.name} has no answer within a minute"


def _answered(clients: list[Client]) -> int:
    return sum(len(client.answered) for client in clients)


def own_content(data: bytes, name: str) -> bytes:
    """The PNG with a text in it that no other one has: the picture stays, the content is another."""
    text = b"tEXtpart\0" + name.encode("latin-1")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return data[:-_IEND_BYTES] + chunk + data[-_IEND_BYTES:]


def _reckoned(station: StationProcess, clients: list[Client]) -> Figures:
    """How many of the answered parts are in the journal and the store not exactly once."""
    from collections import Counter

    from sqlalchemy import select

    from kenpin.inspection.journal import JOURNAL, read_records
    from kenpin.station.folder import StationFolder
    from kenpin.station.store.opening import open_store
    from kenpin.station.store.part_tables import PARTS

    folder = StationFolder(station.folder)
    recorded = Counter(
        (record.id, record.picture_hash)
        for journal in folder.records.glob(f"*/*/{JOURNAL}")
        for record in read_records(journal)
    )
    with open_store(folder, None) as store, store.reading(None) as connection:
        stored = Counter((row.id, row.content) for row in connection.execute(select(PARTS.c.id, PARTS.c.content)))
    answered = {part for client in clients for part in client.answered}
    lost = [part for part in answered if not (recorded[part] and stored[part])]
    twice = [part for count in (recorded, stored) for part in count if count[part] > 1]
    return {"answered": [float(len(answered))], "lost": [float(len(lost))], "twice": [float(len(twice))]}


def _processes(station: StationProcess) -> list[int]:
    assert station.process is not None
    pid = station.process.pid
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(int(child) for file in children for child in file.read_text().split())]


def _memory_bytes(station: StationProcess) -> float:
    """Of all its processes, what they share divided between them."""
    total = 0
    for pid in _processes(station):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024.0


def _processor_s(station: StationProcess) -> float:
    """Processor time of all its processes so far."""
    import os

    ticks = 0
    for pid in _processes(station):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")
