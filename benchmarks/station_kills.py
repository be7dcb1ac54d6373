"""A station that is killed under load, and whose PostgreSQL is: what became of every part that was answered."""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import Figures, in_fresh_process
from benchmarks.scale import Scale
from benchmarks.tables import table

if TYPE_CHECKING:
    from tests.station.killing import Reckoning

_CLIENTS = 6
_BETWEEN = 40  # parts that are answered between two deaths of the database
_FIGURES = {
    "kills": "kills",
    "parts that were answered": "answered",
    "parts in the journals": "recorded",
    "sendings that broke off, and were repeated": "broken",
    "sendings that were answered: later": "later",
    "parts that were sent again though they were answered": "again",
    "reviews that were answered": "reviewed",
    "messages to the sink": "told",
    "of them told again": "told_again",
    "faults": "faults",
}


def section(scale: Scale, folder: Path) -> str:
    """What became of the parts; a fault ends the measurement with its sentence."""
    from tests.station.postgresql import MISSING, is_installed

    folder.mkdir()
    in_fresh_process(prepare, folder=str(folder))
    taken = {f"the station, {scale.kills} times": in_fresh_process(of_station, folder=str(folder), kills=scale.kills)}
    lacking = f" {MISSING}, so its deaths are left out."
    if is_installed():
        lacking = ""
        taken[f"PostgreSQL, {scale.store_kills} times"] = in_fresh_process(
            of_database, folder=str(folder), kills=scale.store_kills
        )
    rows = [(what, *(f"{found[key][0]:,.0f}" for found in taken.values())) for what, key in _FIGURES.items()]
    minutes = sum(found["seconds"][0] for found in taken.values()) / 60
    return (
        f"## Kills\n\n{_CLIENTS} clients on loopback send each part until it is answered, a person reviews, and a "
        "webhook is told, while the station is killed by SIGKILL at random moments, three times of four after it was "
        "ready and else while it starts; and while PostgreSQL, in which a station keeps its store, dies by turns as "
        "in a power failure and by SIGKILL. Afterwards each answered part must lie exactly once in the journals and "
        "once in the store with the record that was answered and its picture, each trail must verify, and the webhook "
        f"must have been told of each part, never backwards. {minutes:.0f} minutes.{lacking}\n\n"
        + table(("what was killed", *taken), rows)
    )


def prepare(folder: str) -> Figures:
    """In the child: parts, and a policy with a small package."""
    from kenpin.export import export_package
    from kenpin.training import train
    from tests.pictures import write_parts

    place = Path(folder)
    parts = write_parts(place / "parts", count=24)
    run = train("classifier", data=str(parts), out=place / "run", base="toy", report=False)
    export_package(run, place / "package", to="onnx")
    (place / "policy.yaml").write_text("runs: {toy: {run: package, fail_from: 0.5}}\n")
    return {}


def of_station(folder: str, kills: int) -> Figures:
    """In the child: kill the station so often."""
    from tests.station.killing import kill, reckon, under_load

    began_s, place = time.monotonic(), Path(folder)
    with under_load(place / "station", place / "policy.yaml", _pictures(place), clients=_CLIENTS) as load:
        kill(load, kills, random.Random(0))
        load.wait_for_answers(_BETWEEN)
    return _figures(reckon(load), began_s)


def of_database(folder: str, kills: int) -> Figures:
    """In the child: kill the database so often."""
    from tests.station.killing import reckon, under_load
    from tests.station.postgresql import running_server

    began_s, place = time.monotonic(), Path(folder)
    with running_server() as server:
        policy, store = place / "policy.yaml", server.new_database()
        with under_load(place / "of-database", policy, _pictures(place), clients=_CLIENTS, store=store) as load:
            chance = random.Random(0)
            for number in range(kills):
                load.wait_for_answers(chance.randrange(1, _BETWEEN))
                server.fail(number)
                server.start()
                load.kills += 1
            load.wait_for_answers(_BETWEEN)
        found = reckon(load)
    return _figures(found, began_s)


def _pictures(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "parts").glob("*/*"))]


def _figures(found: Reckoning, began_s: float) -> Figures:
    print(json.dumps(asdict(found)), file=sys.stderr)
    if found.faults:
        raise AssertionError("\n".join(found.faults[:50]))
    values = {key: [float(value)] for key, value in asdict(found).items() if key != "faults"}
    return values | {"faults": [0.0], "seconds": [time.monotonic() - began_s]}
