"""Batches that threads prepare for a GPU: the very ones that are made without threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.data.streaming import in_threads
from kenpin.errors import KenpinError
from kenpin.models import kept_inputs
from kenpin.training import batches, train
from tests.models.chat.shapes import joined as chats_of
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects

RUNS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "full", "brightness": 0.3, "rotate_degrees": 10.0}),
    ("classifier", {"tuning": "lora"}),
    ("embedder", {"tuning": "full"}),
    ("florence2", {"tuning": "attention"}),
    ("paligemma", {"tuning": "attention"}),
    ("vlm", {"tuning": "lora"}),
]


@pytest.fixture(scope="module")
def data(few_parts: Path) -> dict[str, Dataset]:
    """A little to learn from, by family."""
    boxes = joined(made_objects(9), made_objects(3, first=50, split="validation", empty=1))
    chats = chats_of(shapes(9, split="train"), shapes(3, first=50, split="validation"))
    labels = load_dataset(few_parts)
    return {"florence2": boxes, "paligemma": boxes, "vlm": chats, "classifier": labels, "embedder": labels}


def _train(family: str, dataset: Dataset, out: Path, **values: Any) -> list[dict[str, float]]:
    how: dict[str, Any] = {"base": "toy", "report": False, "epochs": 2, "batch_size": 4, "engine": "torch"}
    if family in ("florence2", "paligemma", "vlm"):
        how |= {"max_new_tokens": 8, "evaluate_every": 2}
    run = train(family, data="-", dataset=dataset, out=out, **how | values)
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kept_bytes", [kept_inputs.KEPT_BYTES, 0])
@pytest.mark.parametrize(("family", "values"), RUNS)
def test_threads_change_nothing(
    family: str,
    values: dict[str, Any],
    kept_bytes: int,
    data: dict[str, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_inputs, "KEPT_BYTES", kept_bytes)  # 0: features are read from the store, batch by batch
    near = _train(family, data[family], tmp_path / "near", **values)
    calls = []

    def counted(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return in_threads(*given, **named)

    monkeypatch.setattr(batches, "in_threads", counted)
    monkeypatch.setattr(batches, "is_far", lambda _: True)
    assert _train(family, data[family], tmp_path / "far", **values) == near
    assert calls or kept_bytes


def test_what_a_thread_cannot_open_is_told(
    data: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise KenpinError("this picture is gone.")

    monkeypatch.setattr(batches, "is_far", lambda _: True)
    monkeypatch.setattr(batches, "read_image", fails)
    with pytest.raises(KenpinError, match="this picture is gone"):
        _train("classifier", data["classifier"], tmp_path / "run", tuning="full", brightness=0.3)
