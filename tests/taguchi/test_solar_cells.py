"""The MT method on real pictures of solar cells: how well it tells defects, honestly folded; with half the items."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kenpin.data.folds import blocked_folds, random_folds
from kenpin.data.splitting import split_by_ratio
from kenpin.demo import solar_cells
from kenpin.files import read_json
from kenpin.metrics.ranking import auroc
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.records_json import from_json
from kenpin.taguchi.selection import Selection
from kenpin.training import out_of_fold, train

pytestmark = pytest.mark.slow
TASK = Task(("functional", "defective"), ("functional",))


def test_functional_cells_alone_tell_defects_and_file_order_is_harder() -> None:
    cells = solar_cells()
    defective = [label == "defective" for label in cells.column("label")]
    family = get_family("mahalanobis")
    options = family.Options.from_mapping({"data": "-", "out": "-"})
    found = {}
    for way, folds in (("random", random_folds(cells, 4, seed=0)), ("blocked", blocked_folds(cells, 4))):
        said = out_of_fold(family, options, TASK, cells, folds, lambda doing, done, of: None)
        found[way] = auroc(defective, [prediction.defect_score or 0 for prediction in said]) or 0
    assert found["random"] >= 0.88
    assert found["blocked"] < found["random"] - 0.05  # neighbours of one module flatter a random fold


def test_half_the_items_do_as_well_and_it_says_which_are_dropped(tmp_path: Path) -> None:
    cells = split_by_ratio(solar_cells(), {"train": 0.75, "test": 0.25}, seed=0)
    runs = {
        name: train(
            "mahalanobis", data="-", dataset=cells, out=tmp_path / name, report=False, select_items=name == "half"
        )
        for name in ("all", "half")
    }
    text = (runs["half"] / "model" / "selection.json").read_text("utf-8")
    selection = from_json(Selection, json.loads(text), "selection.json")
    assert len(selection.kept) <= len(selection.gains) / 2
    assert selection.confirmation is not None
    assert not selection.confirmation.lost
    assert selection.dropped[0] in " ".join(read_json(runs["half"] / "run.json")["notes"])
    everything, half = (read_json(run / "evaluation.json")["measures"]["auroc"] for run in runs.values())
    assert half["low"] <= everything["value"] <= half["high"]
    assert everything["low"] <= half["value"] <= everything["high"]
