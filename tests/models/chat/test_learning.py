"""What a chat model learns: a made task, other words for it by adapters, and from vectors what a picture does not show.

A toy's weights are random, so that it must first learn to see and to speak with all of them; exported, it is the base
on which adapters and projectors are tried, as they are on pretrained ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.export import export_merged
from kenpin.metrics.intervals import wilson
from kenpin.metrics.text import exact_match
from kenpin.models.vlm import ChatInspector
from kenpin.predictor import load_predictor
from kenpin.records import Example
from kenpin.run.record import read_record
from kenpin.training import train
from tests.models.chat.shapes import PATTERNS, joined, shapes

pytestmark = pytest.mark.slow
TEST = shapes(200, first=6000, split="test")
ON_A_TOY: dict[str, Any] = {
    "batch_size": 16,
    "weight_decay": 0.0,
    "evaluate_every": 300,
    "keep": "last",
    "patience": None,
    "max_new_tokens": 64,
    "precision": "fp32",
    "report": False,
}


FIRST = joined(shapes(800, split="train"), shapes(32, first=5000, split="validation"))
FURTHER = joined(shapes(300, first=3000, split="train"), shapes(32, first=5500, split="validation"))
"""Pictures that no base has learned from, nor was chosen by."""


def trained(out: Path, training: Dataset, test: Dataset = TEST, **values: Any) -> Path:
    data = joined(training, test)
    return train("vlm", data="-", dataset=data, out=out, **ON_A_TOY, **values)


def told(run: Path, of: str) -> float:
    """The share of right answers on the test pictures, printed with its interval."""
    share = read_record(run).scores["exact_match"]
    assert share is not None
    low, high = wilson(round(share * len(TEST)), len(TEST)) or (0.0, 1.0)
    print(f"{of}: exact match {share:.3f} ({low:.3f} to {high:.3f}) on {len(TEST)} held-out pictures")
    return share


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy that learned to say what is where, with all of its weights."""
    return trained(tmp_path_factory.mktemp("seeing") / "run", FIRST, base="toy", epochs=20)


def test_a_toy_learns_to_say_what_is_where(seeing: Path) -> None:
    assert told(seeing, "all weights of a toy") >= 0.9


def _in_other_words(example: Example) -> Example:
    what, where = (example.suffix or "").split(", ")
    (colour, pattern), (height, side) = what.split(), where.split()
    return replace(example, prefix="Where is what?", suffix=f"{side} {height}: {pattern}, {colour}")


def test_adapters_teach_a_base_other_words_for_what_it_sees(seeing: Path, tmp_path: Path) -> None:
    base = export_merged(seeing, tmp_path / "base")
    pictures = joined(FURTHER, TEST)
    data = Dataset.from_examples(map(_in_other_words, pictures))
    run = train(
        "vlm", data="-", dataset=data, out=tmp_path / "run", base=str(base), tuning="lora", lora_dropout=0.0, epochs=20,
        learning_rate=5e-3, **ON_A_TOY,
    )  # fmt: skip
    share = next(note for note in read_record(run).notes if "parameters train" in note)
    assert told(run, f"adapters ({share})") >= 0.9
    untouched = load_predictor(seeing).predict(data.of_split("test").select(range(20)))
    said = [exact_match(p.text or "", e.suffix or "") for p, e in zip(untouched, data.of_split("test"), strict=False)]
    assert not any(said), "the base did not know these words' order"


def _right(model: ChatInspector, pictures: Sequence[Example], vectors: Any = None) -> int:
    images, questions = [read_image(one.image) for one in pictures], [one.prefix or "" for one in pictures]
    said = model.answer(images, questions, vectors=vectors)
    return sum(exact_match(answer, one.suffix or "") for answer, one in zip(said, pictures, strict=True))


def test_soft_tokens_tell_what_the_picture_is_too_small_to_show(tmp_path: Path) -> None:
    """The chat model is shown 8 pixels a side, on which all patterns look alike; the embedder sees all 64."""
    sharp = joined(shapes(300, split="train"), shapes(32, first=5000, split="validation"))
    embedder = train(
        "embedder",
        data="-",
        dataset=sharp,
        out=tmp_path / "embedder",
        tuning="head",
        dimension=16,
        epochs=10,
        report=False,
    )
    blurred = trained(tmp_path / "blurred", FIRST, base="toy", picture_px=8, epochs=12)
    base = export_merged(blurred, tmp_path / "base")
    run = trained(
        tmp_path / "told", FURTHER, base=str(base), picture_px=8, tuning="projector",
        embedding_from=embedder, epochs=12, learning_rate=2e-3,
    )  # fmt: skip
    without, with_vectors = told(blurred, "without soft tokens"), told(run, "with soft tokens")
    model = load_predictor(run).inspector
    assert isinstance(model, ChatInspector)
    pictures = list(TEST)
    vectors = model.encode([read_image(one.image) for one in pictures])["vectors"].numpy()
    assert _right(model, pictures, vectors) == round(with_vectors * len(TEST))
    shuffled = _right(model, pictures, np.random.default_rng(0).permutation(vectors))
    low, high = wilson(shuffled, len(TEST)) or (0.0, 1.0)
    print(f"with shuffled vectors: exact match {shuffled / len(TEST):.3f} ({low:.3f} to {high:.3f})")
    chance = 1 / len(PATTERNS)
    assert without < chance + 0.1, "the small picture alone does not show the pattern"
    assert with_vectors >= 0.9
    assert high < with_vectors - 0.4, "it is the picture's own vector that tells"
