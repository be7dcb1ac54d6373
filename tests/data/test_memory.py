"""Large pictures are predicted, inspected and learned from in bounded memory, however many they are."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kenpin.data import Dataset, streaming
from kenpin.data.images import read_grey_or_rgb, read_image
from kenpin.inspection import pictures
from kenpin.inspection.inspecting import inspect
from kenpin.inspection.line import Line
from kenpin.inspection.pictures import NamedPictures
from kenpin.models import get_family, inference
from kenpin.models.contract import Batch, Shrinks, Task, Trainable
from kenpin.models.inference import encode
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.training import batches
from kenpin.training.batches import Reader
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
    monkeypatch.setattr(pictures, "read_grey_or_rgb", alive.counting(read_grey_or_rgb))
    with Line(tmp_path / "policy.yaml", tmp_path / "records") as line:
        tally = inspect(line, NamedPictures(large, threading.Event()), lambda _: None)
        assert sum(tally.verdicts.values()) == COUNT
        assert 3 * EACH <= alive.peak <= BOUND
        alive.peak = 0
        records = line.judge_many((f"again {path}", Path(path).read_bytes()) for path in large)
    assert len(records) == COUNT
    assert 3 * EACH <= alive.peak <= BOUND


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # it does not, here
def test_a_batch_to_learn_from_is_opened_in_bounded_memory(
    large: list[str], alive: Alive, toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector = load_predictor(toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)).inspector
    assert isinstance(inspector, Trainable)
    examples = (Example(path, ImageSource(path), label=inspector.labels[0]) for path in large)
    data = Dataset.from_examples(examples)
    monkeypatch.setattr(batches, "read_image", alive.counting(read_image))

    def read(workers: int = 0) -> list[Batch]:
        """All batches, in this process, as a worker of so many would."""
        alive.peak = 0
        reader = Reader(inspector, data, 12, workers=workers)
        loader: Any = reader.batches([])
        opened = loader.dataset
        return [reader.collate(opened.__getitems__([*range(start, start + 12)])) for start in (0, 12)]

    bounded = read()
    assert alive.peak == 3 * EACH
    shared = read(workers=3)
    assert alive.peak == EACH, "each of three workers has a third of the room"
    monkeypatch.setattr(streaming, "IN_FLIGHT_BYTES", 99 * EACH)
    whole = read()
    assert alive.peak == 12 * EACH
    for some in (bounded, shared):
        for one, other in zip(some, whole, strict=True):
            assert one.keys() == other.keys() == {"pixel_values", "labels"}
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_pictures_with_questions_are_opened_one_by_one_and_kept_small(
    large: list[str], alive: Alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = get_family("vlm").Options.from_mapping({"data": "-", "out": "-", "base": "toy", "picture_px": 48})
    inspector = get_family("vlm").create(options, Task((), (), answers=("a",)))
    assert isinstance(inspector, Trainable)
    assert isinstance(inspector, Shrinks)
    examples = (Example(path, ImageSource(path), suffix="a", prefix="?" * n) for n, path in enumerate(large))
    monkeypatch.setattr(batches, "read_image", alive.counting(read_image))
    for batch in Reader(inspector, Dataset.from_examples(examples), 12).batches([*range(COUNT)]):
        assert len(batch["input_ids"]) == 12
    assert alive.peak <= 2 * EACH
    whole = read_image(ImageSource(large[0]))
    given = [Example("a", ImageSource("a"))]
    small, same = (encode(inspector, [image], given) for image in (inspector.shrunk(whole), whole))
    assert all(torch.equal(small[name], same[name]) for name in same)


def test_selections_of_a_table_do_not_look_through_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a million pictures asked a thousand times whether a million ids are unique."""
    import pyarrow.compute as pc

    asked, kept = list[int](), pc.count_distinct

    def counted(column: Any) -> Any:
        asked.append(len(column))
        return kept(column)

    monkeypatch.setattr(pc, "count_distinct", counted)
    whole = Dataset.from_examples(Example(id=str(row), image=ImageSource(path="a.png")) for row in range(40))
    whole = whole.with_contents([f"{row:032x}" for row in range(40)])
    for first in range(0, 40, 4):
        assert whole.select(range(first, first + 4)).hashed() == [f"{row:032x}" for row in range(first, first + 4)]
    assert asked == [40]
