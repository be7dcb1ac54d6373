"""A made task that a toy cannot see and must be told: marks on parts, by class and place, with a tiny view of them."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kenpin.data.dataset import Dataset
from kenpin.description.ablation import truth_of
from kenpin.description.answers import NONE, Description, write_answer
from kenpin.description.describer import question_of
from kenpin.description.evidence import Part
from kenpin.description.gathering import Gatherer
from kenpin.description.telling import Piece
from kenpin.records import Detections, Example, ImageSource

SIDE_PX = 63
MARKS = ("bar", "spot")


def marked_parts(count: int, *, first: int = 0) -> Dataset:
    """Grey noisy parts: every third is ok, the others have a bright bar or a dark spot in one of nine fields."""
    return Dataset.from_examples(_marked(number) for number in range(first, first + count))


def _marked(number: int) -> Example:
    draw = np.random.default_rng(number)
    picture = Image.fromarray(draw.normal(120, 6, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)).convert("RGB")
    label, boxes = "ok", Detections()
    if number % 3:
        label = MARKS[int(draw.integers(2))]
        x, y = (int(cell) * SIDE_PX // 3 + 10 for cell in draw.integers(0, 3, 2))
        box = (x - 8, y - 3, x + 8, y + 3) if label == "bar" else (x - 6, y - 6, x + 6, y + 6)
        pen = ImageDraw.Draw(picture)
        (pen.rectangle if label == "bar" else pen.ellipse)(box, fill=(250,) * 3 if label == "bar" else (10,) * 3)
        boxes = Detections((tuple(map(float, box)),), (label,))  # type: ignore[arg-type]
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    source = ImageSource(f"{number:04}.png", buffer.getvalue())
    return Example(f"{number:04}", source, label=label, boxes=boxes)


def lessons(gatherer: Gatherer, pictures: Dataset, *, each: int, seed: int = 0) -> list[Example]:
    """Pictures with questions and right answers, `each` times: with all of the evidence, with a piece of it and so on,
    so that a model learns to answer by whatever it is told."""
    lots = random.Random(seed)
    parts = [part for batch in gatherer.gather(pictures) for part in batch]
    return [_lesson(part, [piece for piece in Piece if lots.random() < 0.25] if turn else [], turn)
            for turn in range(each) for part in parts]  # fmt: skip


def _lesson(part: Part, left_out: list[Piece], turn: int) -> Example:
    truth = truth_of(part.example, part.evidence, part.image.size)
    assert truth.findings is not None
    assert truth.places is not None
    (finding,), (place,) = truth.findings, truth.places
    good = finding == NONE
    said = Description(finding, place, NONE if good else "major", "", "", "", "high")
    example = part.example
    return Example(
        f"{example.id}-{turn}", example.image, prefix=question_of(part.evidence, left_out), suffix=write_answer(said)
    )


def save(dataset: Dataset, folder: Path) -> Path:
    """The pictures in class folders, as a data set for runs that give evidence."""
    for example in dataset:
        path = folder / str(example.label) / f"{example.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(example.image.data or b"")
    return folder
