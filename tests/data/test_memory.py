"""Large pictures are predicted and inspected in bounded memory, however many they are."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data import streaming
from kenpin.data.images import read_image
from kenpin.inspection import pictures
from kenpin.inspection.inspecting import inspect
from kenpin.inspection.line import Line
from kenpin.inspection.pictures import NamedPictures
from kenpin.models import inference
from kenpin.predictor import load_predictor
from tests.toy_runs import ToyRun

SIDE_PX, COUNT = 160, 24
EACH = 4 * SIDE_PX**2


@pytest.fixture
def large(tmp_path: Path) -> list[str]:
    """Pictures, each of which is a third of what may be in flight."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)).save(path)
    return [str(path) for path in paths]


class Alive:
    """Bytes of the decoded pictures that somebody still holds."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._lock = threading.Lock()

    def counting(self, read: Callable[..., Image.Image]) -> Callable[..., Image.Image]:
        def counted(*given: Any, **settings: Any) -> Image.Image:
            image = read(*given, **settings)
            with self._lock:
                self.now += EACH
                self.peak = max(self.peak, self.now)
            weakref.finalize(image, self._gone)
            return image

        return counted

    def _gone(self) -> None:
        with self._lock:
            self.now -= EACH


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    monkeypatch.setattr(streaming, "IN_FLIGHT_BYTES", 3 * EACH)
    return Alive()


# those that wait for their turn, those of a batch, and the one by which each of the two goes beyond its limit
BOUND = (3 + 1 + 3 + 1) * EACH


def test_pictures_are_predicted_in_bounded_memory(
    large: list[str], alive: Alive, toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    predictor = load_predictor(toy_run("classifier", tmp_path / "run"))
    monkeypatch.setattr(inference, "read_image", alive.counting(read_image))
    bounded = [one.defect_score for one in predictor.predict_files(large, batch_size=16)]
    assert 3 * EACH <= alive.peak <= BOUND
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(streaming, "IN_FLIGHT_BYTES", 99 * EACH)
    assert [one.defect_score for one in predictor.predict_files(large, batch_size=16)] == pytest.approx(
        bounded, abs=1e-5
    )
    assert alive.peak > BOUND


def test_pictures_are_inspected_in_bounded_memory(
    large: list[str], alive: Alive, toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy_run("classifier", tmp_path / "run")
    (tmp_path / "policy.yaml").write_text(f"runs:\n  look: {{run: {run}, fail_from: 0.5}}\nbatch_size: 12\n")
    monkeypatch.setattr(pictures, "read_image", alive.counting(read_image))
    with Line(tmp_path / "policy.yaml", tmp_path / "records") as line:
        tally = inspect(line, NamedPictures(large, threading.Event()), lambda _: None)
        assert sum(tally.verdicts.values()) == COUNT
        assert 3 * EACH <= alive.peak <= BOUND
        alive.peak = 0
        records = line.judge_many((f"again {path}", Path(path).read_bytes()) for path in large)
    assert len(records) == COUNT
    assert 3 * EACH <= alive.peak <= BOUND
