"""A line learns again by the options of the run that judges: how it looks and learns, on what people said and drew."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.run.record import read_record, record_hash
from kenpin.station.arrival import Arrival
from kenpin.station.learning.commands import repeated_options
from kenpin.station.learning.data_sets import load_frozen
from kenpin.station.learning.jobs import JobState
from kenpin.station.reviewing.marks import DefectMark
from kenpin.station.running import Station
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.store.part_tables import PARTS
from kenpin.station.versions.deciding import VersionState, versions_of
from kenpin.station.who.rights import RIGHTS_OF, Person, Role
from tests.objects import made_objects
from tests.toy_runs import ToyRun, trained

ADMIN = Person("ann", Role.ADMIN, RIGHTS_OF[Role.ADMIN], None)


def test_options_are_repeated_where_they_are_not_the_usual_ones(toy_run: ToyRun, tmp_path: Path) -> None:
    run = toy_run("mahalanobis", tmp_path / "run", where="pooled", tile_px=32, seed=7)
    assert repeated_options(run) == {"base": "toy", "where": "pooled", "tile_px": 32, "seed": 7}


def test_a_family_that_does_not_judge_is_not_trained(station: Station) -> None:
    assert station.learning.families("parts") == ("mahalanobis", "classifier")
    with pytest.raises(OptionError, match="florence2': is not trained here; take one of mahalanobis, classifier"):
        station.learning.begin(ADMIN, "parts", "parts-1", "florence2")


@pytest.mark.parametrize("seed", range(2))
def test_a_data_set_of_boxes_holds_what_stands_of_random_reviews(seed: int, station: Station) -> None:
    """Boxes and classes of reviews that stand; of those taken back nothing, and no defective part without a box."""
    rng = random.Random(seed)
    stands: dict[bytes, set[tuple[object, ...]]] = {}
    undrawn: set[str] = set()
    for turn, example in enumerate(made_objects(14, first=400 + 20 * seed)):
        data = example.image.data or b""
        station.submit(Arrival(example.id, data, "parts")).record.result(60)
        with station.store.reading() as connection:
            key = connection.execute(select(PARTS.c.key).where(PARTS.c.id == example.id)).scalar_one()
        for last in (False, True):
            kind = ("pass", "drawn", "undrawn")[turn % 3] if last else rng.choice(("pass", "drawn", "undrawn"))
            boxes = [_random_box(rng) for _ in range(rng.randint(1, 3))] if kind == "drawn" else []
            marks = [DefectMark(rng.choice((None, "scratch")), box) for box in boxes]
            verdict, label = (Verdict.PASS, None) if kind == "pass" else (Verdict.FAIL, "scratch")
            station.reviewing.review(ADMIN, key, verdict, label, None, marks)
            is_undone = not last or turn >= 12
            if is_undone:
                assert station.reviewing.undo(ADMIN) == key
            elif kind == "undrawn":
                undrawn.add(example.id)
            else:
                stands[data] = {("scratch", box) for box in boxes}
    frozen = station.learning.freeze(ADMIN, "parts", of_boxes=True)
    found = load_frozen(station.folder.data_sets / frozen.name)
    assert {Path(str(one.image.path)).read_bytes(): _boxes(one.boxes) for one in found} == stands
    assert {one.id for one in frozen.frozen.left_out} == undrawn


def _random_box(rng: random.Random) -> tuple[float, float, float, float]:
    x, y = rng.randint(0, 12), rng.randint(0, 12)
    return float(x), float(y), float(x + rng.randint(4, 16)), float(y + rng.randint(4, 16))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_a_line_of_boxes_learns_from_what_people_drew(family: str, tmp_path: Path) -> None:
    run = trained(family, tmp_path / "toy", None, epochs=1, batch_size=4, tuning="attention", seed=5)
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"runs: {{boxes: {{run: {run}, fail_from: 0.5}}}}\n")
    product = ProductSettings(policy=policy, reviewed_passes=1, reviewed_fails=1, review_from_cost=0, second_reviews=0)
    shown = made_objects(18, first=200, empty=6)
    with Station(tmp_path / "station", StationSettings(products={"parts": product}), engine="torch") as station:
        _judge_and_review(station, shown)
        frozen = station.learning.freeze(ADMIN, "parts", of_boxes=True)
        drawn = {example.image.data: example.boxes for example in shown}
        for example in load_frozen(station.folder.data_sets / frozen.name):
            data = Path(str(example.image.path)).read_bytes()
            assert _boxes(example.boxes) == _boxes(drawn[data])
        assert family in station.learning.families("parts")

        number = station.learning.begin(ADMIN, "parts", frozen.name, family).result(300)
        assert number is not None, station.learning.orderings("parts")
        learning = station.learning
        _soon(lambda: learning.jobs.find(number).state is JobState.FINISHED, station, number)
        options = read_record(learning.jobs.find(number).run).options
        assert (options["base"], options["tuning"], options["seed"]) == ("toy", "attention", 5)
        _soon(lambda: _states(station).get(2) is VersionState.WAITING, station, number)
        page = learning.comparison(learning.jobs.find(number))
        assert page is not None, (learning.jobs.find(number).folder / "comparison.txt").read_text("utf-8")

        before = read_record(run)
        after = read_record(learning.jobs.find(number).run)
        for version, record in ((2, after), (1, before)):
            if version == 2:
                station.versions.approve(ADMIN, "parts", 2, "looked at it", four_eyes=False)
            station.versions.switch(ADMIN, "parts", version, "as agreed")
            _soon(lambda version=version: station.state()["parts"].version == version, station, number)  # type: ignore[misc]
            (example,) = made_objects(1, first=300 + version)
            judged = station.submit(Arrival(example.id, example.image.data or b"", "parts")).record.result(60)
            assert [answer.version for answer in judged.answers] == [record_hash(record)]


def _judge_and_review(station: Station, shown: Dataset) -> None:
    """Each part is judged, and a person says what it is and draws what they see."""
    boxes = {example.id: example.boxes for example in shown}
    for example in shown:
        station.submit(Arrival(example.id, example.image.data or b"", "parts")).record.result(60)
    reviewed = 0
    while (task := station.reviewing.next_task(ADMIN, "parts")) is not None:
        seen = boxes[task.part.id]
        marks = (
            [DefectMark(label, box) for box, label in zip(seen.boxes_xyxy_px, seen.labels, strict=True)] if seen else []
        )
        verdict = Verdict.FAIL if marks else Verdict.PASS
        station.reviewing.review(ADMIN, task.part.key, verdict, marks[0].label if marks else None, None, marks)
        reviewed += 1
    assert reviewed == len(shown)


def _boxes(found: Any) -> set[tuple[object, ...]]:
    return set() if found is None else set(zip(found.labels, found.boxes_xyxy_px, strict=True))


def _states(station: Station) -> dict[int, VersionState]:
    with station.store.reading() as connection:
        return {one.version: one.state for one in versions_of(connection, "parts")}


def _soon(holds: Callable[[], object], station: Station, number: int, within_s: float = 300.0) -> None:
    until_s = time.monotonic() + within_s
    while not holds():
        job = station.learning.jobs.find(number)
        assert job.state is not JobState.FAILED, job.log.read_text("utf-8")
        assert time.monotonic() < until_s, job.log.read_text("utf-8")
        time.sleep(0.2)
