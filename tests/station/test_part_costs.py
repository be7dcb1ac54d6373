"""Cost of a part over time: each period by its own parts and sample, with bounds that hold, and unknown where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kenpin.records import Verdict
from kenpin.station.clock import HOUR_US
from kenpin.station.folder import StationFolder
from kenpin.station.reviewing.costs import costs_over_time, periods
from kenpin.station.reviewing.drawn import DrawnPart, drawn_parts
from kenpin.station.reviewing.rates import part_cost
from kenpin.station.settings import ProductSettings
from kenpin.station.store.applying import ReviewNeed
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.following import Follower
from kenpin.station.store.opening import Store
from kenpin.station.store.tables import moment_of
from tests.station.store.made import append, part, say, settled

PASS, FAIL = Verdict.PASS, Verdict.FAIL
PRICES = ProductSettings(escape_cost=10, overkill_cost=1)
_BEGAN_US = 490_000 * HOUR_US


def _drawn(verdict: Verdict, count: int, wrong: int) -> list[DrawnPart]:
    other = FAIL if verdict is PASS else PASS
    return [
        DrawnPart(f"{verdict}{n}", n / count, 0, verdict, 1.0, other if n < wrong else verdict) for n in range(count)
    ]


def test_the_cost_is_that_of_both_errors_by_their_shares() -> None:
    drawn = [*_drawn(PASS, 100, 2), *_drawn(FAIL, 20, 5)]
    cost = part_cost(drawn, 900, 100, PRICES)
    assert cost is not None
    assert cost.value == pytest.approx((0.02 * 900 * 10 + 0.25 * 100 * 1) / 1_000)
    assert cost.low < cost.value < cost.high
    whole = part_cost([*_drawn(PASS, 90, 3), *_drawn(FAIL, 10, 1)], 90, 10, PRICES)
    assert whole is not None
    assert whole.low == whole.value == whole.high == pytest.approx(0.31), "all parts were looked at"
    assert part_cost(_drawn(PASS, 100, 2), 900, 100, PRICES) is None, "nobody looked at one that failed"
    none_failed = part_cost(_drawn(PASS, 100, 2), 900, 0, PRICES)
    assert none_failed is not None
    assert none_failed.value == pytest.approx(0.2)
    assert part_cost([], 0, 0, PRICES) is None


def test_the_interval_holds_as_often_as_it_says() -> None:
    draw = np.random.default_rng(2)
    held, lines = 0, 400
    for _ in range(lines):
        passed, failed = draw.random(400) < 0.05, draw.random(60) < 0.3
        drawn = [
            DrawnPart(f"{verdict}{place}", number, 0, verdict, 0.3, wrong if bad else verdict)
            for verdict, wrong, of in ((PASS, FAIL, passed), (FAIL, PASS, failed))
            for place, (number, bad) in enumerate(zip(draw.random(len(of)), of, strict=True))
            if number < 0.3
        ]
        cost = part_cost(sorted(drawn, key=lambda one: one.number), 400, 60, PRICES)
        if cost is None:
            held += 1
            continue
        held += cost.low - 1e-9 <= (10 * passed.sum() + failed.sum()) / 460 <= cost.high + 1e-9
    assert held >= 0.95 * lines - 9


def test_each_period_has_its_own_parts_sample_and_versions(tmp_path: Path) -> None:
    folder = StationFolder(tmp_path)
    bounds = periods(_BEGAN_US + 10 * HOUR_US - 1, hours=5, count=2)
    assert bounds == [_BEGAN_US, _BEGAN_US + 5 * HOUR_US, _BEGAN_US + 10 * HOUR_US]

    def judged(number: int, hour: float, verdict: Verdict):  # type: ignore[no-untyped-def]
        return part(number, verdict=verdict, judged_at=moment_of(int(_BEGAN_US + hour * HOUR_US)))

    first = [judged(number, 4.99 * number / 20, PASS) for number in range(20)]
    second = [judged(number, 5 + number / 100, FAIL if number % 2 else PASS) for number in range(20, 40)]
    outside = [judged(40, -0.01, PASS), judged(41, 10.01, PASS)]
    append(folder, first, version=1)
    append(folder, [*second, *outside], version=2)
    say(folder, [settled(one, FAIL if number == 0 else PASS) for number, one in enumerate(first)])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        Follower(store, folder, lambda product, record: ReviewNeed(sampled=1.0)).take_up("n1")
        asked = PartFilter("a", from_us=bounds[0])
        with store.reading() as connection:
            found = costs_over_time(connection, asked, bounds, drawn_parts(connection, asked, b"s"), PRICES)
    assert [(one.parts, one.versions) for one in found] == [(20, (1,)), (20, (2,))]
    assert found[0].cost is not None
    assert found[0].cost.value == found[0].cost.low == found[0].cost.high == pytest.approx(0.5)
    assert found[1].cost is None, "nobody looked at its parts"
