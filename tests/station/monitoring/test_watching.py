"""Watching a line: what the charts show of a store, after a switch, by a chosen reference, and when it opens again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.data.picture_look import PictureLook
from kenpin.errors import OptionError
from kenpin.inspection.record import PartRecord
from kenpin.records import Verdict
from kenpin.station.clock import now_us
from kenpin.station.folder import StationFolder
from kenpin.station.monitoring import watching
from kenpin.station.monitoring.references import LineReferences
from kenpin.station.monitoring.stretches import Charted
from kenpin.station.monitoring.watching import Watched, Watching
from kenpin.station.settings import ProductSettings
from kenpin.station.store.entering import Entering
from kenpin.station.store.following import Follower, rebuild
from kenpin.station.store.opening import Store
from kenpin.station.store.tables import moment_of
from kenpin.station.trail import Trail
from kenpin.station.versions.deciding import SWITCHED
from kenpin.station.who.rights import RIGHTS_OF, NotAllowedError, Person, Role
from tests.station.monitoring.made import EVERY_US, skewed
from tests.station.store.made import append, part

ENGINEER, VIEWER = (Person(role.value, role, RIGHTS_OF[role], None) for role in (Role.ENGINEER, Role.VIEWER))
SETTINGS = ProductSettings(reference_parts=250)


class Line:
    """A product's line with a store of its own."""

    def __init__(self, folder: StationFolder, store: Store, trail: Trail) -> None:
        self.folder, self.store = folder, store
        self.follower = Follower(store, folder)
        self.entering = Entering(trail, self.follower)
        self.watching = Watching(store, lambda _: SETTINGS)
        self.references = LineReferences(store, self.entering)
        self._judged = 0
        self._version = 0

    def switch(self, version: int) -> None:
        """Let another version judge."""
        self._version = version
        self.entering.enter("ann", SWITCHED, {"product": "a", "version": version, "reason": "it is better"})

    def judge(self, distances: NDArray[np.float64], *, product: str = "a") -> None:
        """Judge parts, each with its distance; the clock of their records begins when the version was switched to."""
        records = [self._record(distance) for distance in distances.tolist()]
        append(self.folder, records, product=product, version=self._version)
        self.follower.journals("n1", product)

    def _record(self, distance: float) -> PartRecord:
        self._judged += 1
        return part(
            self._judged,
            judged_at=moment_of(self.moment_us(self._judged)),
            distance=distance,
            verdict=Verdict.PASS,
            look=PictureLook(128.0, 30.0 + distance % 0.1, 7.0),
        )

    def moment_us(self, number: int) -> int:
        """When a part is judged."""
        return _AFTER_US + number * EVERY_US

    def watched(self) -> Watched:
        """What the charts show, and that a watcher who begins now sees the same."""
        found = self.watching.of("a")
        assert found is not None
        begun = Watching(self.store, lambda _: SETTINGS).of("a")
        assert begun is not None
        assert shown(begun) == shown(found)
        return found


def shown(watched: Watched) -> tuple[object, ...]:
    """What is shown, to be compared: without the values that a reference is made of."""
    of = watched.reference
    reference = None if of is None else (of.parts, of.lots, of.first_us, of.last_us, of.last_seq, of.kinds, of.is_level)
    return (reference, replace(watched, reference=None))


_AFTER_US = now_us() + 3_600_000_000  # the trail's own clock tells when a version was switched to


def _then() -> int:
    """When all parts are judged."""
    return _AFTER_US + 10_000_000_000


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    folder = StationFolder(tmp_path)
    folder.trails.mkdir()
    trail = Trail(folder.trail("n1"), "n1")
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        yield Line(folder, store, trail)
    trail.close()


def test_the_reference_is_the_beginning_of_the_version_that_judges(line: Line) -> None:
    draw = np.random.default_rng(1)
    assert line.watching.of("a") is None
    line.switch(1)
    line.judge(skewed(draw, 249))
    found = line.watched()
    assert (found.lack, found.parts, found.wanted_parts, found.charts) == ("short", 249, 250, ())
    line.judge(skewed(draw, 101))
    found = line.watched()
    assert found.reference is not None
    assert (found.reference.parts, found.reference.last_seq, found.lack) == (250, 250, None)
    assert [len(one.points) for one in found.charts if not one.kind.is_share] == [10, 10]
    assert found.reference.constant == (Charted.BRIGHTNESS, Charted.SHARPNESS)
    assert found.alarm is None
    line.judge(3 + skewed(draw, 50))
    alarm = line.watched().alarm
    assert alarm is not None
    assert alarm.began is not None
    assert alarm.began.first_seq == 351
    line.switch(2)
    found = line.watched()
    assert (found.version, found.lack, found.parts, found.alarm) == (2, "short", 0, None)
    line.judge(3 + skewed(draw, 300))
    assert line.watched().alarm is None, "it is the new version's own level"


def test_other_products_and_versions_are_not_charted(line: Line) -> None:
    draw = np.random.default_rng(2)
    line.switch(1)
    line.judge(skewed(draw, 100))
    line.judge(9 + skewed(draw, 300), product="b")
    line.judge(skewed(draw, 200))
    found = line.watched()
    assert found.reference is not None
    assert found.reference.last_seq == 550
    assert found.alarm is None


def test_a_beginning_that_drifts_is_no_reference_until_it_is_level(line: Line) -> None:
    draw = np.random.default_rng(3)
    line.switch(1)
    line.judge(skewed(draw, 400) + np.linspace(0, 6, 400))
    assert line.watched().lack == "wanders"
    line.judge(6 + skewed(draw, 400))
    found = line.watched()
    assert found.reference is not None
    assert found.reference.last_seq > 550
    assert found.alarm is None


def test_a_person_chooses_the_reference_and_takes_it_back(line: Line) -> None:
    draw = np.random.default_rng(4)
    line.switch(1)
    line.judge(np.concatenate([skewed(draw, 400), 1 + skewed(draw, 600)]))
    assert line.watched().alarm is not None
    references = LineReferences(line.store, line.entering, _then)
    with pytest.raises(NotAllowedError):
        references.choose_last(VIEWER, "a", 500, "it is as it should be")
    with pytest.raises(OptionError, match="reason"):
        references.choose_last(ENGINEER, "a", 500, " ")
    with pytest.raises(OptionError, match="250 to 20,000"):
        references.choose_last(ENGINEER, "a", 249, "so")
    with pytest.raises(OptionError, match="has judged 1,000 parts"):
        references.choose_last(ENGINEER, "a", 1_001, "so")
    with pytest.raises(OptionError, match="judged 10 parts in that time"):
        references.choose(ENGINEER, "a", line.moment_us(1), line.moment_us(11), "so")
    with pytest.raises(OptionError, match="in the past"):
        references.choose(ENGINEER, "a", line.moment_us(1), _then() + 1, "so")
    references.choose_last(ENGINEER, "a", 500, "a new supplier, and all is well")
    found = line.watched()
    assert found.chosen is not None
    assert (found.chosen.who, found.chosen.reason) == ("engineer", "a new supplier, and all is well")
    assert found.reference is not None
    assert (found.reference.parts, found.reference.last_seq, found.alarm) == (500, 1_000, None)
    line.judge(1 + skewed(draw, 300))
    assert line.watched().alarm is None
    line.judge(skewed(draw, 300))
    alarm = line.watched().alarm
    assert alarm is not None
    assert not alarm.is_high
    before = shown(line.watched())
    line.store.close()
    with Store(f"sqlite:///{line.folder.path / 'store.sqlite'}") as store:
        rebuild(store, line.folder)
        again = Watching(store, lambda _: SETTINGS).of("a")
    assert again is not None
    assert shown(again) == before, "a store that is filled anew shows the same"


def test_taking_a_chosen_reference_back_charts_against_the_beginning(line: Line) -> None:
    draw = np.random.default_rng(5)
    line.switch(1)
    line.judge(np.concatenate([skewed(draw, 400), 1 + skewed(draw, 600)]))
    references = LineReferences(line.store, line.entering, _then)
    before = line.watched()
    references.choose(ENGINEER, "a", line.moment_us(401), line.moment_us(900), "so")
    assert line.watched().alarm is None
    references.clear(ENGINEER, "a", "it was wrong")
    assert shown(line.watched()) == shown(before)


def test_long_histories_are_read_up_to_a_bound(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "KEPT_PARTS", 300)
    draw = np.random.default_rng(6)
    line.switch(1)
    line.judge(np.concatenate([skewed(draw, 250), 3 + skewed(draw, 700)]))
    found = Watching(line.store, lambda _: SETTINGS).of("a")
    assert found is not None
    assert found.alarm is not None
    assert found.alarm.may_be_older
    assert found.alarm.began is not None
    assert 651 <= found.alarm.began.first_seq < 700
