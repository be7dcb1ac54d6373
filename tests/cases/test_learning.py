"""Learning from verdicts: what teaches, what draws and drives, and that a search for wanted cases gains by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_metric_learning.utils import loss_and_miner_utils

from kenpin.cases.adding import add_pictures
from kenpin.cases.case import CaseVerdict, VectorRun
from kenpin.cases.learning import UNWANTED, training_set
from kenpin.cases.library import CaseLibrary
from kenpin.cli import main
from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError, ImageError, OptionError
from kenpin.files import read_json
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.embedder.batches import alone
from kenpin.models.embedder.objectives import COMPARING
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.run.record import read_record, space_of
from kenpin.training import train
from tests.builders import write_picture
from tests.cases.test_adding import Embedder

POSITIVE, NEGATIVE, UNKNOWN = CaseVerdict


def _library(folder: Path, said: list[tuple[CaseVerdict, str | None, str | None]]) -> CaseLibrary:
    """A library of small pictures with these verdicts, labels and lots."""
    examples = [
        Example(f"{n}", ImageSource(str(path)), label=label, group=lot, attributes={"verdict": verdict})
        for n, (verdict, label, lot) in enumerate(said)
        for path in [write_picture(folder / "pictures" / f"{n}.png", n)]
    ]
    uri = str(folder / "library")
    list(add_pictures(uri, VectorRun("a" * 32, "run", "run"), Dataset.from_examples(examples), Embedder()))
    return CaseLibrary.open(uri)


def _learned(library: CaseLibrary) -> tuple[Counter[str | None], tuple[str, ...]]:
    dataset, notes = training_set(library, test_share=0.2, seed=0)
    return Counter(dataset.column("label")), notes


def test_wanted_cases_are_of_their_label_and_unwanted_ones_of_none(tmp_path: Path) -> None:
    said = [(POSITIVE, "dent", None), (NEGATIVE, "dent", None), (UNKNOWN, "dent", None), (NEGATIVE, None, None)]
    library = _library(tmp_path, [*said * 5, *[(POSITIVE, None, "7")] * 4, *[(POSITIVE, "rare", None)] * 3])
    classes, notes = _learned(library)
    assert classes == {"dent": 5, UNWANTED: 10, "POSITIVE": 4}
    assert notes == ("3 cases were left out: fewer than 4 POSITIVE cases have such a label.",)


def test_every_class_is_learned_and_asked_for(tmp_path: Path) -> None:
    library = _library(tmp_path, [(POSITIVE, "a", None), (POSITIVE, "b", None), (NEGATIVE, "a", None)] * 5)
    dataset, _ = training_set(library, test_share=0.2, seed=0)
    for split in ("train", "test"):
        assert set(dataset.of_split(split).column("label")) == {"a", "b", UNWANTED}


def test_no_lot_is_on_both_sides(tmp_path: Path) -> None:
    verdicts = (POSITIVE, NEGATIVE)
    library = _library(tmp_path, [(verdicts[n % 2], "a", f"lot {n // 4}") for n in range(40)])
    dataset, _ = training_set(library, test_share=0.3, seed=0)
    lots = [set(dataset.of_split(split).column("group")) for split in ("train", "test")]
    assert all(lots)
    assert not lots[0] & lots[1]


def test_pictures_that_were_moved_or_changed_teach_nothing(tmp_path: Path) -> None:
    library = _library(tmp_path, [(POSITIVE, "a", None), (NEGATIVE, "a", None)] * 6)
    (tmp_path / "pictures" / "0.png").unlink()
    write_picture(tmp_path / "pictures" / "1.png", 99)
    classes, notes = _learned(library)
    assert classes == {"a": 5, UNWANTED: 5}
    assert notes == ("2 cases were left out: the picture was moved or changed.",)


def test_a_picture_that_changes_after_it_was_looked_for_is_not_learned_from(tmp_path: Path) -> None:
    library = _library(tmp_path, [(POSITIVE, "a", None), (NEGATIVE, "a", None)] * 6)
    dataset, _ = training_set(library, test_share=0.2, seed=0)
    assert dataset.contents() == dataset.column("id")
    write_picture(tmp_path / "pictures" / "1.png", 99)
    (changed,) = (example for example in dataset if example.image.path == str(tmp_path / "pictures" / "1.png"))
    for other in dataset:
        if other.id != changed.id:
            dataset.source_of(other)
    with pytest.raises(ImageError, match="another picture came under this name"):
        dataset.source_of(changed)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ([(POSITIVE, "a", None)] * 9, "too few judged cases"),
        ([(NEGATIVE, "a", None)] * 9, "too few judged cases"),
        ([(POSITIVE, "a", None)] * 9 + [(NEGATIVE, "a", None)] * 3, "4 NEGATIVE ones"),
        ([(UNKNOWN, "a", None)] * 9, "too few judged cases"),
        ([(POSITIVE, UNWANTED, None)] * 9, "label NEGATIVE is for NEGATIVE cases"),
    ],
)
def test_what_teaches_nothing_is_refused(tmp_path: Path, said: list[Any], sentence: str) -> None:
    library = _library(tmp_path, said)
    with pytest.raises(DatasetError, match=sentence):
        training_set(library, test_share=0.2, seed=0)


def test_triplets_are_of_the_stated_form() -> None:
    numbers = torch.tensor([0, 1, 2, 0, 2, 1, 0, 2])  # 2 is unwanted
    anchors, wanted, others = loss_and_miner_utils.get_all_triplets_indices(alone(numbers, [2]))
    assert set(numbers[anchors].tolist()) == {0, 1}
    assert (numbers[anchors] == numbers[wanted]).all()
    assert (numbers[anchors] != numbers[others]).all()
    by_hand = sum(
        numbers[a] == numbers[w] != 2 and a != w and numbers[o] != numbers[a]
        for a in range(8)
        for w in range(8)
        for o in range(8)
    )
    assert len(anchors) == by_hand


def _inspector(**values: Any) -> Any:
    family = get_family("embedder")
    given = {"data": "-", "out": "-", "base": "mlp", "tuning": "full", **values}
    if "from_cases" in values:
        del given["data"]
    return family.create(family.Options.from_mapping(given), Task(("a", UNWANTED), ()))


@pytest.mark.parametrize("objective", COMPARING)
def test_nothing_is_drawn_to_an_unwanted_case(objective: str) -> None:
    """Two unwanted vectors turn towards each other, square to the wanted ones: only where they are a class like any
    other does the loss fall."""
    vectors = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.1], [0.0, 1.0, 0.2], [0.0, 0.2, 1.0]])
    turned = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])

    def change(**values: Any) -> float:
        inspector = _inspector(objective=objective, **values)
        at = vectors.clone().requires_grad_()
        batch = {"vectors": at, "labels": torch.tensor([0, 0, 1, 1])}

        def module(numbers: torch.Tensor, scattered: list[int], vectors: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, inspector.module.objective(vectors, alone(numbers, scattered)))

        inspector.total_loss(module, batch).backward()
        return float((at.grad * turned).sum()) if at.grad is not None else 0.0

    assert change(from_cases="library") > -1e-3
    assert change() < -0.01


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"data": "parts", "from_cases": "library"}, "`from_cases` is in place of `data`"),
        ({"from_cases": "library", "data_format": "csv"}, "`from_cases` is in place of `data`"),
        ({"from_cases": "library", "objective": "arcface"}, "learned from by comparing cases"),
        ({}, "`data` is missing"),
    ],
)
def test_contradictions_are_refused(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        get_family("embedder").Options.from_mapping({"out": "run", **values})


def marked(number: int, *, upright: bool) -> Image.Image:
    """A part of any brightness and shading, with a faint upright or lying mark."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:28, :28] / 28 - 0.5
    right, down = rng.uniform(-60, 60, 2)
    part = rng.uniform(80, 170) + right * x + down * y + rng.normal(0, 8, (28, 28))
    at = int(rng.integers(13, 16))
    rows, columns = slice(at - 4, at + 4), slice(13, 15)
    part[(rows, columns) if upright else (columns, rows)] += 45
    return Image.fromarray(part.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> CaseLibrary:
    """Parts whose upright marks are wanted and whose lying ones are not, some of them not judged yet, with the vectors
    of a network that hardly shows which is which."""
    folder = tmp_path_factory.mktemp("judged")
    examples = []
    for number in range(260):
        upright = number % 2 == 0
        path = folder / f"{number}.png"
        marked(number, upright=upright).save(path)
        verdict = UNKNOWN if number >= 240 else POSITIVE if upright else NEGATIVE
        examples.append(Example(path.name, ImageSource(str(path)), label="mark", attributes={"verdict": verdict}))
    good = Dataset.from_examples(Example(one.id, one.image, label="ok") for one in examples[:40])
    run = train(
        "mahalanobis", data="-", dataset=good, ok_labels=("ok",), base="toy", out=folder / "space", report=False
    )
    record = VectorRun(space_of(read_record(run)), "space", str(run))
    list(add_pictures(str(folder / "library"), record, Dataset.from_examples(examples), load_predictor(run).embed))
    return CaseLibrary.open(str(folder / "library"))


@pytest.mark.slow
def test_wanted_cases_come_first_after_learning_from_verdicts(
    judged: CaseLibrary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--base", "mlp", "--tuning", "full", "--dimension", "16", "--epochs", "20", "--no-report"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "embedder", "--from-cases", judged.uri, "--out", str(tmp_path / "run"), *words])
    assert ended.value.code == 0
    told = capsys.readouterr().err
    measures = read_json(tmp_path / "run" / "evaluation.json")["measures"]
    before, after, gain = (measures[f"precision_at_5_{name}"] for name in ("before", "after", "gain"))
    print(f"precision@5 of wanted cases: {before} before, {after} after, gain {gain}")
    assert 0.4 < before["value"] < 0.8
    assert gain["value"] == pytest.approx(after["value"] - before["value"])
    assert gain["low"] > 0.1
    points = [f"{100 * gain[name]:+.1f}" for name in ("value", "low", "high")]
    assert f"are now: {points[0]} points (two-sided 95 % interval {points[1]} to {points[2]})." in told
    assert "nearest to each of 24 held-out wanted cases" in told
    record = read_record(tmp_path / "run")
    assert record.labels == (UNWANTED, "mark")
    assert (record.dataset["path"], record.dataset["format"]) == (judged.uri, "cases")
    assert record.scores["precision_at_5_gain"] == gain["value"]
    load_predictor(tmp_path / "run")
