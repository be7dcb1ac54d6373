"""A language model that was taught to describe says what it is told, and an ablation shows what each piece is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kenpin.base_predictor import load_conversational
from kenpin.data.dataset import Dataset
from kenpin.description.ablation import ablate
from kenpin.description.describer import Describer
from kenpin.description.gathering import load_gatherer
from kenpin.quality.paired import PairedDifference
from kenpin.training import train
from tests.description.taught import lessons, marked_parts, save


@pytest.mark.slow
def test_evidence_raises_exact_matches_and_each_piece_its_own(tmp_path: Path) -> None:
    save(marked_parts(240), tmp_path / "marks")
    given: dict[str, Any] = {"data": str(tmp_path / "marks"), "base": "toy", "report": False}
    train("classifier", out=tmp_path / "head", tuning="head", **given)
    train("mahalanobis", out=tmp_path / "space", where="positions", **given)
    gatherer = load_gatherer([tmp_path / "head", tmp_path / "space"])
    taught = lessons(gatherer, marked_parts(240, first=1000), each=2)
    taught = [replace(one, split="train" if number % 8 else "validation") for number, one in enumerate(taught)]
    # the language model sees two pixels by two of each picture, so that it knows class and place by word alone
    train(
        "vlm", data="-", dataset=Dataset.from_examples(taught), out=tmp_path / "words", base="toy", report=False,
        epochs=12, picture_px=2, max_new_tokens=60, precision="fp32",
    )  # fmt: skip
    describer = Describer(load_conversational(str(tmp_path / "words")), text_length=8)
    found = {one.told: one for one in ablate(describer, gatherer.gather(marked_parts(90, first=5000)))}
    for one in found.values():
        print(one.told, one.finding, one.place, one.contradictory, one.finding_cost, one.place_cost, sep="\n  ")

    everything, nothing = found["all"], found["nothing"]
    assert (everything.finding.value or 0) >= 0.9
    assert (everything.place.value or 0) >= 0.85
    assert (everything.contradictory.value or 0) <= 0.15 < 0.3 < (nothing.contradictory.value or 0)
    for cost in (nothing.finding_cost, nothing.place_cost, found["without map"].place_cost):
        assert _is_sure(cost), "what is not told cannot be known"
    assert not _is_sure(found["without map"].finding_cost), "where it is does not say what it is"
    assert not _is_sure(found["without class"].place_cost)


def _is_sure(cost: PairedDifference | None) -> bool:
    assert cost is not None
    return cost.low > 0 and cost.p_value < 0.01
