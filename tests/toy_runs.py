"""Runs trained on very little data, toy bases in folders, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.models import get_family
from kenpin.models.contract import Task, Trainable
from kenpin.models.devices import on_device
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Detections
from kenpin.training import train
from tests.objects import LABELS, joined, made_objects

ToyRun = Callable[..., Path]
"""What the fixture `toy_run` gives: takes a family, the run's folder and options."""
PARTS = Task(("ok", "scratch"), ("ok",))
OBJECTS = Task(LABELS, ())


def trained(family: str, out: Path, parts: Path | None, **options: Any) -> Path:
    """A run on very little data: what it learned is wrong, but much of it."""
    if parts is not None:
        data: dict[str, Any] = {"data": str(parts)}
    else:
        few = joined(made_objects(6), made_objects(2, first=50, split="validation"))
        data = {"data": "-", "dataset": few, "max_new_tokens": 30, "precision": "fp32"}
    return train(family, out=out, report=False, **({"base": "toy"} | data | options))


def saved_base(family: str, folder: Path, seed: int = 0, **larger: Any) -> Path:
    """A toy as a base in a folder. `larger`: other numbers in the configuration of its language model."""
    inspector: Any = of_base(family, "toy", seed=seed).inspector
    source = inspector.source if hasattr(inspector, "source") else inspector._backbone
    network = source.network
    if larger:
        config = network.config
        (config if family == "classifier" else config.text_config).update(larger)
        torch.manual_seed(seed)
        network = type(network)(config)
    network.save_pretrained(folder)
    for part in (getattr(source, "tokenizer", None), source.processor):
        if part is not None:
            part.save_pretrained(folder)
    return folder


def pictures_for(family: str, parts: Path) -> Dataset:
    """Pictures to compare answers on."""
    if family != "classifier":
        return made_objects(4, first=80)
    dataset = load_dataset(parts)
    return dataset.select(range(0, len(dataset), len(dataset) // 6))


def of_base(family: str, base: str | Path, **options: Any) -> Predictor:
    """What a base says before anything is trained."""
    chosen = get_family(family)
    task = PARTS if family == "classifier" else OBJECTS
    length = {} if family == "classifier" else {"max_new_tokens": 30}
    values = {"data": "-", "out": "-", "base": str(base), "tuning": "full", **length, **options}
    return Predictor(chosen.create(chosen.Options.from_mapping(values), task))


def answers(predictor: Predictor, dataset: Dataset) -> list[list[Any]]:
    """Everything that was predicted, as JSON has it."""
    rows = []
    for said in predictor.predict(dataset):
        found = said.detections or Detections()
        labels, probabilities = said.label or list(found.labels), list((said.probabilities or {}).values())
        rows.append([labels, probabilities, list(map(list, found.boxes_xyxy_px)), list(found.scores or ())])
    return rows


def equal(one: list[list[Any]], other: list[list[Any]]) -> bool:
    """The same labels, and the same numbers as far as rounding allows."""

    def numbers(answer: list[Any]) -> list[float]:
        _, probabilities, boxes, scores = answer
        return [*probabilities, *(side for box in boxes for side in box), *scores]

    return all(
        a[0] == b[0] and numbers(a) == pytest.approx(numbers(b), rel=1e-3, abs=1e-8)
        for a, b in zip(one, other, strict=True)
    )


def loss(predictor: Predictor, dataset: Dataset) -> float:
    """How unlikely the network finds what is annotated: unlike answers, this moves with every weight."""
    inspector = predictor.inspector
    assert isinstance(inspector, Trainable)
    batch = inspector.encode([read_image(example.image) for example in dataset]) | inspector.encode_targets([*dataset])
    with torch.inference_mode():
        return float(inspector.total_loss(inspector.module.eval(), on_device(inspector, batch)))


def answer_all(parts: str, *jobs: str) -> None:
    """Print what runs and their exports say; for a process of its own."""
    rows = []
    for family, run, merged in (job.split("|") for job in jobs):
        pictures = pictures_for(family, Path(parts))
        rows.append([answers(load_predictor(run), pictures), answers(of_base(family, merged), pictures)])
    print(json.dumps(rows))
