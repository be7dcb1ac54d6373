"""Each picture gets the answer to its own question, held to the schema of its own case and checked against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.description.answers import write_answer
from kenpin.description.contradictions import Kind
from kenpin.description.describer import Describer, described
from kenpin.description.evidence import Evidence
from kenpin.description.telling import Piece
from kenpin.errors import ShapeError
from kenpin.records import Sampling
from tests.description.made import GOOD, SAYS_SCRATCH, SCRATCHED, RandomAnswers

PICTURE = Image.new("RGB", (9, 9))


class Echo(RandomAnswers):
    """Repeats under `appearance` what makes its question and its vector known."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []

    def answer(self, images: Any, questions: Any, *, schema: Any, **rest: Any) -> list[str]:
        """One answer a question."""
        self.calls.append({"schema": schema, **rest})
        vectors = rest["vectors"] if rest["vectors"] is not None else [[0.0]] * len(questions)
        said = [
            f"{image.width} {q.splitlines()[0]} {v[0]}" for image, q, v in zip(images, questions, vectors, strict=True)
        ]
        return [write_answer(replace(SAYS_SCRATCH, appearance=text)) for text in said]


def test_answers_come_back_in_order_whatever_the_schemas() -> None:
    other = replace(GOOD, defect_classes=("rust",))
    evidence: list[Evidence] = [SCRATCHED, other, GOOD, replace(other, verdict=None)]
    pictures = [Image.new("RGB", (width, 9)) for width in (1, 2, 3, 4)]
    echo = Echo()
    sampling = Sampling(0.5)
    found = Describer(echo, sampling=sampling).describe(pictures, evidence, np.arange(4.0, dtype=np.float32)[:, None])  # type: ignore[arg-type]
    assert [one.description.appearance for one in found] == [
        "1 Verdict: FAIL. 0.0", "2 Verdict: PASS. 1.0", "3 Verdict: PASS. 2.0", "4 Score: 0.02, fails from 0.50. 3.0",
    ]  # fmt: skip
    assert len(echo.calls) == 2, "cases with the same classes are asked together"
    assert [call["schema"]["properties"]["finding"]["enum"][0] for call in echo.calls] == ["scratch", "rust"]
    assert {call["sampling"] for call in echo.calls} == {sampling}
    assert [bool(one.contradictions) for one in found] == [False, True, True, True]


def test_the_check_knows_what_was_not_told() -> None:
    model = Echo()
    (found,) = Describer(model, leave_out=Piece).describe([PICTURE], [GOOD])  # type: ignore[arg-type]
    assert found.description.appearance.startswith("9 Describe the part as JSON.")
    assert Kind.DEFECT_ON_PASS in {one.kind for one in found.contradictions}


def test_any_answer_by_the_schema_is_read_and_random_ones_contradict() -> None:
    pictures, evidence = [PICTURE] * 200, [SCRATCHED, GOOD] * 100
    found = Describer(RandomAnswers(1), text_length=20).describe(pictures, evidence)  # type: ignore[arg-type]
    assert len({one.text for one in found}) > 190
    assert sum(bool(one.contradictions) for one in found) > 150
    assert all(described(one.text, said) == one for one, said in zip(found, evidence, strict=True))


def test_pictures_and_evidence_go_together() -> None:
    with pytest.raises(ShapeError, match="2 pictures with evidence of 1"):
        Describer(RandomAnswers()).describe([PICTURE] * 2, [GOOD])  # type: ignore[arg-type]
    assert Describer(RandomAnswers()).describe([], []) == []  # type: ignore[arg-type]
