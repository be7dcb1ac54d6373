"""An ablation finds which pieces of the evidence an answer stands on, and what their loss costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.description.ablation import Expected, ablate, truth_of, with_truth
from kenpin.description.answers import write_answer
from kenpin.description.describer import Describer
from kenpin.description.evidence import Evidence, Part, PlacedBox, Witness
from kenpin.description.places import Place, places_of_box
from kenpin.errors import DatasetError
from kenpin.records import Detections, Example, ImageSource, Verdict
from tests.description.made import CLASSES, GOOD, SAYS_GOOD, SAYS_SCRATCH, SCRATCHED, BelievesEvidence

SIZE_WH = (90, 90)
PICTURE = Image.new("RGB", SIZE_WH)
NOWHERE = ImageSource("made.png")


def part(number: int) -> Part:
    """Every second part is good; the others are named by a classifier and placed by a detector, rightly."""
    draw = np.random.default_rng(number)
    if number % 2:
        evidence = replace(GOOD, cases=())
        return Part(Example(f"{number}", NOWHERE, label="ok", boxes=Detections()), PICTURE, evidence)
    label = CLASSES[int(draw.integers(0, 3))]
    x, y = (float(v) for v in draw.uniform(5, 80, 2))
    box = (x - 4, y - 4, x + 4, y + 4)
    placed = PlacedBox(label, 0.9, box, places_of_box(box, SIZE_WH))
    witnesses = (Witness("head", label=label, probabilities={label: 1.0}), Witness("boxes", boxes=(placed,)))
    evidence = Evidence(Verdict.FAIL, (), witnesses, (), CLASSES, ("ok",))
    return Part(Example(f"{number}", NOWHERE, label=label, boxes=Detections((box,), (label,))), PICTURE, evidence)


def batches(count: int, size: int = 7) -> Iterator[list[Part]]:
    parts = [part(number) for number in range(count)]
    return (parts[start : start + size] for start in range(0, count, size))


def test_each_piece_costs_what_stands_on_it() -> None:
    model = BelievesEvidence()
    found = {one.told: one for one in ablate(Describer(model), batches(60))}  # type: ignore[arg-type]
    assert set(found) == {"all", "nothing", "without verdict", "without score", "without class", "without boxes"}
    assert (found["all"].finding.value, found["all"].place.value, found["all"].contradictory.value) == (1.0, 1.0, 0.0)
    assert found["all"].finding_cost is None
    for told in ("without verdict", "without score"):
        cost = found[told].finding_cost
        assert cost is not None
        assert cost.change == 0
    boxes, nothing = found["without boxes"], found["nothing"]
    assert boxes.finding.value == 1.0
    assert boxes.place_cost is not None
    assert boxes.place_cost.change > 0.3
    assert boxes.place_cost.low > 0
    assert boxes.place_cost.p_value < 0.01
    assert nothing.finding.value == 0.5, "without evidence it calls every part good"
    assert nothing.finding_cost is not None
    assert (nothing.finding_cost.lost, nothing.finding_cost.gained) == (30, 0)
    assert found["without class"].finding.value == 1.0, "the detector names the class too"


def test_a_question_is_asked_once() -> None:
    model = BelievesEvidence()
    ablate(Describer(model), batches(14))  # type: ignore[arg-type]
    parts = [part(number).evidence for number in range(14)]
    describer = Describer(model)  # type: ignore[arg-type]
    assert len(model.asked) < 14 * 8
    assert model.asked.count(describer.question(parts[0])) <= sum(one == parts[0] for one in parts)


def test_truth_is_of_boxes_else_of_label_and_mask(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_WH, np.uint8)
    mask[70:, :20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    boxes = Detections(((0, 0, 10, 10), (80, 0, 90, 10), (40, 40, 50, 50)), ("dent", "rust", "ok"))
    with_boxes = Example("a", NOWHERE, label="dent", boxes=boxes)
    dented = Example("a", NOWHERE, label="dent", mask=str(tmp_path / "mask.png"))
    none = frozenset({"none"})
    assert truth_of(with_boxes, SCRATCHED, SIZE_WH) == Expected(
        frozenset({"dent", "unknown"}), frozenset({Place.UPPER_LEFT, Place.UPPER_RIGHT})
    )
    assert truth_of(replace(with_boxes, boxes=Detections()), SCRATCHED, SIZE_WH) == Expected(none, none)
    assert truth_of(dented, SCRATCHED, SIZE_WH) == Expected(frozenset({"dent"}), frozenset({Place.LOWER_LEFT}))
    assert truth_of(replace(dented, mask=None), SCRATCHED, SIZE_WH) == Expected(frozenset({"dent"}), None)
    assert truth_of(replace(dented, label="ok"), SCRATCHED, SIZE_WH) == Expected(none, none)
    assert truth_of(replace(dented, label=None), SCRATCHED, SIZE_WH) == Expected(None, None)


def test_pictures_of_which_nothing_is_known_are_left_out() -> None:
    labelled, boxed = Example("a", NOWHERE, label="dent"), Example("c", NOWHERE, boxes=Detections())
    dataset = Dataset.from_examples([labelled, Example("b", NOWHERE), boxed])
    assert with_truth(dataset).column("id") == ["a", "c"]
    with pytest.raises(DatasetError, match="no picture has a label or boxes"):
        with_truth(dataset.select([1]))
    placeless = [[Part(labelled, PICTURE, SCRATCHED)]]
    assert ablate(Describer(BelievesEvidence()), placeless)[0].place.value is None  # type: ignore[arg-type]


class ReadsVectors(BelievesEvidence):
    """Calls a part good unless the first number of its vector says otherwise."""

    vector_dimension = 2

    def answer(self, images: Any, questions: Any, *, schema: Any, **rest: Any) -> list[str]:
        """One answer a question, by the vector it is given, else by the one of its picture."""
        given = rest["vectors"]
        numbers = [image.getpixel((0, 0))[0] for image in images] if given is None else given[:, 0]
        said = [SAYS_SCRATCH if number else SAYS_GOOD for number in numbers]
        return [write_answer(one) for one in said]


def test_without_vectors_an_answer_loses_what_stands_on_these() -> None:
    red = Image.new("RGB", SIZE_WH, "red")
    evidence = replace(SCRATCHED, witnesses=())
    parts = [[Part(Example("a", NOWHERE, label="scratch"), red, evidence)] * 20]
    found = {one.told: one for one in ablate(Describer(ReadsVectors()), parts)}  # type: ignore[arg-type]
    assert found["all"].finding.value == 1.0
    assert found["without vectors"].finding.value == 0.0
