"""Where a device is too full: fewer pictures at a time, and one sentence where not even one has room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError, RunError
from kenpin.models.inference import compute_features
from kenpin.predictor import Predictor, load_predictor
from kenpin.training import train
from kenpin.training.step import GradientStep
from tests.commands import Run
from tests.toy_runs import ToyRun, of_base

Batch = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def _with_room_for(most: int, work: Callable[[Batch], Any], tried: list[int]) -> Callable[[Batch], Any]:
    def computed(batch: Batch) -> Any:
        tried.append(len(next(iter(batch.values()))))
        if tried[-1] > most:
            raise torch.OutOfMemoryError
        return work(batch)

    return computed


@pytest.fixture
def predictor(tmp_path: Path, toy_run: ToyRun) -> Predictor:
    """Of a run whose pictures all of the network looks at."""
    return load_predictor(toy_run("classifier", tmp_path / "run", tuning="full", epochs=1), device="cpu")


def test_a_full_device_looks_at_fewer_pictures_at_a_time(
    predictor: Predictor, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = load_dataset(parts).select(range(10, 37))
    expected = list(predictor.predict(pictures))
    tried: list[int] = []
    monkeypatch.setattr(predictor.inspector, "infer", _with_room_for(3, predictor.inspector.infer, tried))
    found = list(predictor.predict(pictures, batch_size=20))
    assert [(one.id, one.label) for one in found] == [(one.id, one.label) for one in expected]
    assert [one.defect_score for one in found] == pytest.approx([one.defect_score for one in expected], rel=1e-4)
    assert tried == [20, 10, 5, *[2] * 10, *[2] * 3, 1], (
        "once it is known how many there is room for, no more are tried"
    )


def test_features_too(parts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path))
    inspector: Any = of_base("classifier", "toy", tuning="head").inspector
    pictures = load_dataset(parts).select(range(11))
    tried: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(inspector, "extract", _with_room_for(4, inspector.extract, tried))
        found = torch.stack(list(compute_features(inspector, pictures)))
    assert max(tried) > 4
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "other"))
    assert torch.allclose(found, torch.stack(list(compute_features(inspector, pictures))), atol=1e-5)


def test_no_room_for_one_picture_is_one_sentence(
    predictor: Predictor, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor.inspector, "infer", _with_room_for(0, predictor.inspector.infer, []))
    with pytest.raises(RunError, match="cpu: has no room to look at 1 picture; end what else"):
        list(predictor.predict(load_dataset(parts).select(range(5))))


def test_a_training_without_room_names_what_helps(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(GradientStep, "learn", full)
    with pytest.raises(
        OptionError, match=r"has no room for steps on 16 pictures; --dry-run tells .* --batch-size with"
    ):
        train("classifier", data=str(parts), out=tmp_path / "run", base="toy", tuning="full", epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_any_command_that_finds_no_room_says_so(
    parts: Path, tmp_path: Path, kenpin: Run, monkeypatch: pytest.MonkeyPatch, toy_run: ToyRun
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

    run = toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)
    monkeypatch.setattr("kenpin.predictor.load_predictor", full)
    status, _, err = kenpin("explain", run, parts / "scratch" / "000.png", "--out", "maps")
    assert status == 2
    assert "the device has no room left for this (CUDA out of memory. Tried to allocate 2.00 GiB)" in err
