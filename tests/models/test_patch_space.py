"""What places are described by: chosen channels of the stages on one grid, each the mean of a neighbourhood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kenpin.data.lineage import NOTHING_SEEN
from kenpin.demo import solar_cells
from kenpin.errors import RunError
from kenpin.metrics.ranking import auroc
from kenpin.models.contract import Task
from kenpin.models.mahalanobis import FAMILY, MahalanobisOptions
from kenpin.models.mahalanobis.patch_inspector import PatchSpaceInspector
from kenpin.models.networks.backbones import load_backbone
from kenpin.models.networks.lite0 import Lite0ForImageClassification
from kenpin.predictor import Predictor
from tests.pictures import part

TASK = Task(("ok", "scratch"), ("ok",))


def _inspector(task: Task = TASK, **options: Any) -> PatchSpaceInspector:
    found = FAMILY.create(MahalanobisOptions.from_mapping({"data": "-", "out": "-"} | options), task)
    assert isinstance(found, PatchSpaceInspector)
    return found


def _pixels(inspector: PatchSpaceInspector) -> dict[str, torch.Tensor]:
    return inspector.encode([part(seed, scratched=True) for seed in range(2)])


@pytest.mark.parametrize("where", ["positions", "pooled"])
@pytest.mark.parametrize(("stages", "reach"), [((4, 5, 6), 1), ((2, 6), 2), ((5, 6), 0)])
def test_an_item_is_the_mean_of_a_channel_around_a_place(where: str, stages: tuple[int, ...], reach: int) -> None:
    inspector = _inspector(where=where, layers=stages)
    batch = _pixels(inspector)
    network = load_backbone("lite0", TASK.labels, 0).network
    assert isinstance(network, Lite0ForImageClassification)
    with torch.inference_mode():
        outputs = [network.stage_outputs(batch["pixel_values"])[stage].numpy() for stage in stages]
        features = inspector.extract(batch)
        items = inspector._items(features).numpy()
    rows, columns = outputs[0].shape[2:]
    same = np.concatenate([np.kron(o, np.ones((rows // o.shape[2], columns // o.shape[3]))) for o in outputs], axis=1)
    channels = inspector._channels
    assert items.shape == (2, rows * columns, len(channels))
    for row, column in ((0, 0), (5, 3), (rows - 1, columns - 2)):
        rows_seen, columns_seen = (slice(max(at - reach, 0), at + reach + 1) for at in (row, column))
        around = same[:, channels, rows_seen, columns_seen]
        found = items[:, row * columns + column]
        np.testing.assert_allclose(found, around.mean(axis=(2, 3)), rtol=1e-3, atol=1e-4 * np.abs(found).max())
    assert features[0].numel() < items[0].size or reach == 0  # coarse stages are kept as coarse as they are


def test_positions_take_some_channels_and_pooled_places_all() -> None:
    assert len(_inspector(where="positions")._channels) == 200
    assert len(_inspector(where="positions", place_items=70)._channels) == 70
    assert len(_inspector(where="pooled")._channels) == 112 + 192 + 320
    assert len(_inspector(where="positions", base="toy")._channels) == 32


def test_a_stage_may_have_no_channel_that_is_taken() -> None:
    inspector = _inspector(where="positions", place_items=1)
    with torch.inference_mode():
        items = inspector._items(inspector.extract(_pixels(inspector)))
    assert items.shape == (2, 14 * 14, 1)


def test_a_network_that_only_looks_answers_the_same_in_fewer_layers() -> None:
    backbone = load_backbone("lite0", TASK.labels, 0)
    frozen = backbone.frozen()
    pixels = backbone.encode([part(0, scratched=True)])["pixel_values"]
    with torch.inference_mode():
        before, after = backbone.features(pixels), frozen.features(pixels)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    kinds = [{type(layer) for layer in network.modules()} for network in (backbone.network, frozen.network)]
    assert kinds[0] - kinds[1] == {nn.BatchNorm2d, nn.ZeroPad2d}


def test_a_run_that_knows_no_channels_is_refused(tmp_path: Path) -> None:
    inspector = _inspector(where="pooled", base="toy")
    np.savez(tmp_path / "place_spaces.npz", mean=np.zeros((1, 32), np.float32))
    with pytest.raises(RunError, match="train again"):
        inspector.restored(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "least"), [("positions", 0.875), ("pooled", 0.86)])
def test_places_of_good_solar_cells_tell_defective_ones(where: str, least: float) -> None:
    """On the pictures of the benchmark beside anomalib, whose PaDiM reaches 0.881 and whose PatchCore 0.868."""
    cells = solar_cells()
    is_defective = np.array([label == "defective" for label in cells.column("label")])
    drawn = np.random.default_rng(0)
    good, bad = (drawn.permutation(np.flatnonzero(is_defective == one)) for one in (False, True))
    inspector = _inspector(Task(("functional", "defective"), ("functional",)), where=where)
    inspector.fit(cells.select(good[:300]), NOTHING_SEEN, lambda doing, done, of: None)
    judged = [*good[300:600], *bad[:300]]
    scores = [said.defect_score or 0.0 for said in Predictor(inspector).predict(cells.select(judged))]
    assert (auroc(is_defective[judged], scores) or 0) >= least
