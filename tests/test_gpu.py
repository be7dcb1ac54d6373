"""What only a CUDA device can show: each family in each precision, resumed, in four bits, carried over to a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from kenpin.base_predictor import load_base
from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.forecast import forecast_run
from kenpin.predictor import load_predictor
from kenpin.records import Prediction
from kenpin.training import train
from kenpin.training.watch import Watch
from tests.models.chat.shapes import joined as chats_of
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.toy_runs import saved_base

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
    # bitsandbytes says of networks as narrow as a toy that they are computed slowly
    pytest.mark.filterwarnings("ignore:inner dimension .* is not aligned"),
]
GRADIENTS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "full"}),
    ("classifier", {"tuning": "lora"}),
    ("embedder", {"tuning": "full"}),
    ("florence2", {"tuning": "full"}),
    ("florence2", {"tuning": "lora"}),
    ("paligemma", {"tuning": "attention"}),
    ("vlm", {"tuning": "lora"}),
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "head", "head": "svm"}),
    ("mahalanobis", {}),
    ("mahalanobis", {"where": "positions"}),
    ("mahalanobis", {"where": "neighbours"}),
    ("mahalanobis", {"where": "pooled", "layers": (1, 2), "join_layers": "apart"}),
    ("mahalanobis", {"where": "pooled", "tile_px": 32}),
    ("classifier", {"tuning": "head", "object": "brightness"}),
]


@pytest.fixture(scope="module")
def data(parts: Path) -> dict[str, Dataset]:
    """A little to learn from, by family."""
    boxes = joined(made_objects(12), made_objects(4, first=50, split="validation", empty=1))
    chats = chats_of(shapes(12, split="train"), shapes(4, first=50, split="validation"))
    labels = load_dataset(parts)
    return {"florence2": boxes, "paligemma": boxes, "vlm": chats} | dict.fromkeys(
        ("classifier", "embedder", "mahalanobis"), labels
    )


def _train(family: str, dataset: Dataset, out: Path, **values: Any) -> Path:
    settings: dict[str, Any] = {"base": "toy", "report": False}
    if family != "mahalanobis" and values.get("tuning") != "head":
        settings["epochs"] = 2
    if family in ("florence2", "paligemma", "vlm"):
        settings |= {"max_new_tokens": 24, "evaluate_every": 1 if family == "vlm" else 2}
    return train(family, data="-", dataset=dataset, out=out, **settings | values)


def _losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def _alike(one: Prediction, other: Prediction) -> bool:
    if one.defect_score is None or other.defect_score is None:
        return (one.text, one.label) == (other.text, other.label)
    return one.defect_score == pytest.approx(other.defect_score, rel=2e-2, abs=2e-3)


@pytest.mark.parametrize(("family", "values"), GRADIENTS + OTHERS)
def test_a_run_of_a_gpu_answers_alike_on_a_cpu(
    family: str, values: dict[str, Any], data: dict[str, Dataset], tmp_path: Path
) -> None:
    run = _train(family, data[family], tmp_path / "run", **values)
    pictures = data[family].select(range(0, len(data[family]), 3))
    here, there = (list(load_predictor(run, device=device).predict(pictures)) for device in ("cuda", "cpu"))
    alike = [_alike(one, other) for one, other in zip(here, there, strict=True)]
    assert sum(alike) >= 0.9 * len(alike), list(zip(here, there, strict=True))[alike.index(False)]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("family", "values"), GRADIENTS)
def test_every_precision_learns(
    family: str, values: dict[str, Any], precision: str, data: dict[str, Dataset], tmp_path: Path
) -> None:
    how = {"precision": precision, "epochs": 6, "learning_rate": 3e-3, "warmup_share": 0.0, "patience": None}
    losses = _losses(_train(family, data[family], tmp_path / "run", **how, **values))
    assert np.isfinite(losses).all()
    third = len(losses) // 3
    assert np.mean(losses[-third:]) < np.mean(losses[:third])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("family", "values"), [GRADIENTS[0], GRADIENTS[1], GRADIENTS[3], GRADIENTS[6]])
def test_a_stopped_run_goes_on(
    family: str,
    values: dict[str, Any],
    precision: str,
    data: dict[str, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score = Watch.__call__

    def stops(self: Watch, step: int, epoch: float, loss: float | None) -> Any:
        if epoch > 1.5:
            raise KeyboardInterrupt
        return score(self, step, epoch, loss)

    how = {"precision": precision, **values}
    whole = _train(family, data[family], tmp_path / "whole", **how)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "__call__", stops)
        with pytest.raises(KeyboardInterrupt):
            _train(family, data[family], tmp_path / "run", **how)
    resumed = _train(family, data[family], tmp_path / "run", resume=True, **how)
    assert _losses(resumed) == pytest.approx(_losses(whole), rel=1e-3)


@pytest.mark.parametrize("workers", [2])
def test_workers_read_beside_a_gpu(workers: int, data: dict[str, Dataset], tmp_path: Path) -> None:
    apart = [
        _train("classifier", data["classifier"], tmp_path / str(count), tuning="full", workers=count)
        for count in (0, workers)
    ]
    assert _losses(apart[0]) == pytest.approx(_losses(apart[1]), rel=1e-3)


@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_four_bits_learn_and_are_restored(family: str, data: dict[str, Dataset], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    base = saved_base(family, tmp_path / "base")
    run = _train(family, data[family], tmp_path / "run", base=str(base), tuning="qlora")
    assert np.isfinite(_losses(run)).all()
    pictures = data[family].select(range(3))
    first, again = (list(load_predictor(run).predict(pictures)) for _ in range(2))
    assert all(_alike(one, other) for one, other in zip(first, again, strict=True))


def test_a_base_in_four_bits_answers(data: dict[str, Dataset], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    base = saved_base("florence2", tmp_path / "base")
    answers = list(load_base(base, four_bit=True).predict(data["florence2"].select(range(2))))
    assert len(answers) == 2


def test_a_full_gpu_is_one_sentence(data: dict[str, Dataset], tmp_path: Path) -> None:
    ViTForImageClassification(ViTConfig(num_hidden_layers=6)).save_pretrained(tmp_path / "base")
    ViTImageProcessorPil().save_pretrained(tmp_path / "base")
    how: dict[str, Any] = {"base": str(tmp_path / "base"), "tuning": "full", "batch_size": 64, "epochs": 1}
    found = forecast_run("classifier", data="-", dataset=data["classifier"], out=str(tmp_path / "run"), **how)
    whole = torch.cuda.get_device_properties(0).total_memory
    room = torch.cuda.memory_allocated() + found.memory.total - found.memory.activations // 2
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(room / whole)
    try:
        with pytest.raises(OptionError, match="has no room for steps on 64 pictures"):
            _train("classifier", data["classifier"], tmp_path / "run", **how)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert not (tmp_path / "run").exists()


def test_predictions_take_fewer_at_a_time_on_a_full_gpu(data: dict[str, Dataset], tmp_path: Path) -> None:
    predictor = load_predictor(_train("classifier", data["classifier"], tmp_path / "run", tuning="full"))
    pictures = data["classifier"]
    expected = [one.defect_score for one in predictor.predict(pictures, batch_size=60)]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    list(predictor.predict(pictures, batch_size=60))
    whole, held = torch.cuda.get_device_properties(0).total_memory, torch.cuda.memory_allocated()
    room = held + (torch.cuda.max_memory_allocated() - held) * 2 // 3
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(room / whole)
    try:
        found = [one.defect_score for one in predictor.predict(pictures, batch_size=60)]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
