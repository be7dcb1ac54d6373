"""Two inspectors on the same parts: neither has seen them, exact intervals, and each changed verdict by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kenpin
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import DatasetError, OptionError
from kenpin.quality.costs import Prices, realised_cost
from kenpin.quality.paired import paired_cost
from kenpin.records import Prediction, Threshold, Verdict
from kenpin.records_json import from_json, to_json
from kenpin.studies.succession import Candidate, Succession, study_succession
from kenpin.targets import Target
from tests.commands import Run as Kenpin
from tests.pictures import part, write_parts

PASS, FAIL, REVIEW = Verdict.PASS, Verdict.FAIL, Verdict.REVIEW
PRICES = Prices(cost_escape=10.0, cost_overkill=1.0)
CUT = Threshold(0.5, None, "made", cost_escape=10.0, cost_overkill=1.0)


class Scripted:
    """An inspector whose scores are written down by id."""

    labels: tuple[str, ...] = ()
    target = Target.LABEL

    def __init__(self, scores: dict[str, float], seen: Sequence[str] = (), *, known: bool = True) -> None:
        self._scores = scores
        self.lineage = Lineage(learned=frozenset(seen)) if known else None

    def predict(self, dataset: Dataset, /) -> Iterator[Prediction]:
        for example in dataset:
            yield Prediction(example.id, defect_score=self._scores[example.id])


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    """8 good and 6 defective ones."""
    good = [(part(seed, scratched=False), "ok") for seed in range(8)]
    return kenpin.load_dataset([*good, *((part(50 + seed, scratched=True), "scratch") for seed in range(6))])


def candidate(name: str, dataset: Dataset, scores: Sequence[float], **more: Any) -> Candidate:
    threshold = more.pop("threshold", CUT)
    ok_labels = more.pop("ok_labels", ("ok",))
    written = dict(zip(dataset.column("id"), scores, strict=True))
    return Candidate(name, Scripted(written, **more), ok_labels, threshold)


BEFORE = [0.1] * 6 + [0.9] * 2 + [0.9] * 3 + [0.2] * 3  # 2 overkills, 3 escapes
NOW = [0.1] * 7 + [0.9] + [0.2] + [0.9] * 5  # 1 overkill, 1 escape, which is new


def test_rates_costs_auroc_and_verdicts_are_compared(pictures: Dataset) -> None:
    found = study_succession(candidate("old", pictures, BEFORE), candidate("new", pictures, NOW), pictures)
    escapes, overkills = found.decisions["escape"], found.decisions["overkill"]
    assert escapes is not None
    assert overkills is not None
    assert (escapes.wrong_before, escapes.wrong_now, escapes.gained, escapes.lost) == (3, 1, 3, 1)
    assert (overkills.wrong_before, overkills.wrong_now) == (2, 1)
    assert found.cost is not None
    assert found.cost.before == pytest.approx((3 * 10 + 2) / 14)
    assert found.cost.now == pytest.approx((10 + 1) / 14)
    assert found.cost.low < found.cost.change < found.cost.high
    assert found.auroc is not None
    assert (found.parts, found.defective) == (14, 6)
    ids = pictures.column("id")
    assert [(one.id, one.before, one.now, one.effect) for one in found.changes] == [
        (ids[6], FAIL, PASS, "passes"),
        (ids[8], FAIL, PASS, "escapes"),
        *((ids[row], PASS, FAIL, "is caught") for row in (11, 12, 13)),
    ]
    words = " ".join(found.in_words())
    for told in ("new against old on 14 parts", "3 before, 1 now (3 corrected, 1 new)", "1 escapes", "3 are caught"):
        assert told in words
    assert from_json(Succession, to_json(found), "succession") == found
    tables = found.findings().tables
    assert [len(table.rows) for table in tables] == [2, 5]


def test_what_either_has_seen_is_left_out_and_told(pictures: Dataset) -> None:
    contents = pictures.contents()
    old = candidate("old", pictures, BEFORE, seen=contents[:2])
    new = candidate("new", pictures, NOW, seen=contents[1:4])
    found = study_succession(old, new, pictures)
    assert found.parts == 10
    assert dict(found.left_out) == {"old": 2, "new": 3}
    assert sum("left out" in note for note in found.notes) == 2
    with pytest.raises(DatasetError, match="old and new have seen all of these 14 pictures"):
        study_succession(
            candidate("old", pictures, BEFORE, seen=contents[:7]),
            candidate("new", pictures, NOW, seen=contents[7:]),
            pictures,
        )


def test_what_is_not_known_is_told(pictures: Dataset) -> None:
    old = candidate("old", pictures, BEFORE, known=False, threshold=None)
    found = study_succession(old, candidate("new", pictures, NOW), pictures)
    assert found.decisions == {}
    assert found.cost is None
    assert found.auroc is not None
    assert any("old has no threshold" in note for note in found.notes)
    assert any("not known what all old has learned from" in note for note in found.notes)
    plain = Threshold(0.5, None, "good parts alone")
    old, new = (candidate(name, pictures, NOW, threshold=plain) for name in ("old", "new"))
    found = study_succession(old, new, pictures)
    assert found.cost is None
    assert any("--cost-escape" in note for note in found.notes)
    assert found.decisions["escape"] is not None


def test_good_labels_must_agree(pictures: Dataset) -> None:
    old = candidate("old", pictures, BEFORE, ok_labels=("good",))
    with pytest.raises(OptionError, match="new takes ok for good parts and old good"):
        study_succession(old, candidate("new", pictures, NOW), pictures)
    assert study_succession(old, candidate("new", pictures, NOW), pictures, ok_labels=["ok"]).parts == 14


def test_the_cost_is_the_sum_of_its_rates_and_its_interval_holds() -> None:
    """Of 200 samples of a known change at most 5 % may miss it; the interval is exact, and so misses fewer."""
    rng = np.random.default_rng(0)
    defective = [False] * 60 + [True] * 40
    chances = {False: {(PASS, PASS): 0.8, (FAIL, PASS): 0.1, (PASS, REVIEW): 0.1}, True: {}}
    chances[True] = {(FAIL, FAIL): 0.7, (PASS, FAIL): 0.2, (FAIL, PASS): 0.05, (REVIEW, FAIL): 0.05}
    prices = Prices(10.0, 1.0, 0.5, 0.03)
    cost = {(bad, verdict): price for bad, verdict, price in ((True, PASS, 10.0), (False, FAIL, 1.0))}
    cost |= {(bad, REVIEW): 0.5 for bad in (True, False)}
    weight = {True: 0.03, False: 0.97}
    true_change = sum(
        weight[bad] * chance * (cost.get((bad, now), 0.0) - cost.get((bad, before), 0.0))
        for bad, pairs in chances.items()
        for (before, now), chance in pairs.items()
    )
    missed = 0
    for _ in range(200):
        drawn = []
        for bad in defective:
            pairs = [*chances[bad]]
            drawn.append(pairs[rng.choice(len(pairs), p=[*chances[bad].values()])])
        before, now = ([*said] for said in zip(*drawn, strict=True))
        found = paired_cost(defective, before, now, prices)
        assert found is not None
        for said, value in ((before, found.before), (now, found.now)):
            expected = realised_cost(
                said, defective, cost_escape=10.0, cost_overkill=1.0, cost_review=0.5, defect_rate=0.03
            )
            assert value == pytest.approx(expected)
        assert found.low <= found.change <= found.high
        missed += not found.low <= true_change <= found.high
    assert missed <= 0.05 * 200


def test_without_both_kinds_of_parts_there_is_no_cost() -> None:
    assert paired_cost([True, True], [PASS, FAIL], [FAIL, FAIL], PRICES) is None
    assert paired_cost([], [], [], PRICES) is None


def test_the_command_compares_two_runs(kenpin: Kenpin, toy_run: Any, tmp_path: Path) -> None:
    toy_run("classifier", tmp_path / "old", tuning="head")
    toy_run("classifier", tmp_path / "new", tuning="head", seed=1)
    write_parts(tmp_path / "unseen", count=5, first=9000)
    status, out, _ = kenpin("compare", "old", "new", "--data", "unseen", "--json", "found.json")
    assert status == 0
    assert "new against old on 10 parts that neither has learned from: 5 good, 5 defective" in out
    assert "Cost of a part" in out
    status, _, _ = kenpin("report", "new", "--with", "found.json", "--out", "page.html")
    assert status == 0
    assert "new against old" in (tmp_path / "page.html").read_text(encoding="utf-8")
    status, _, told = kenpin("compare", "old", "new", "--data", "unseen", "--cost-escape", 5)
    assert (status, "give both" in told) == (2, True)
