"""What records, data sets and runs show of themselves is short whatever they hold, and escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import examine_dataset
from kenpin.data.images import png_of
from kenpin.data.loading import load_dataset
from kenpin.display import shortened
from kenpin.embedding import Embedding
from kenpin.evaluation import summarise
from kenpin.records import (
    Detections,
    Evaluation,
    Example,
    Finding,
    ImageSource,
    Map,
    Prediction,
    Severity,
    Threshold,
)

EVIL = "<script>alert('&')</script>"
MANY = 20_000
PICTURE = png_of(np.zeros((2, 2), np.uint8), "it")


def _evaluation(count: int) -> Evaluation:
    examples = [Example(f"{EVIL}{n}", ImageSource(), label="ok" if n % 2 else EVIL) for n in range(count)]
    said = (
        Prediction(one.id, one.label, {"ok": n % 2 * 0.9, EVIL: 1 - n % 2 * 0.9}, 1 - n % 2 * 0.9)
        for n, one in enumerate(examples)
    )
    return summarise(
        examples, said, labels=("ok", EVIL), ok_labels=("ok",), threshold=Threshold(0.5, None, EVIL), split="test"
    )


def _detections(count: int) -> Detections:
    return Detections(((1.0, 2.0, 3.5, 4.0),) * count, (EVIL,) * count, (0.25,) * count)


SHOWN: dict[str, Any] = {
    "prediction": lambda count: Prediction(
        EVIL * count,
        EVIL,
        {f"{EVIL}{n}": 1 / count for n in range(count)},
        0.5,
        embedding=(0.5,) * count,
        text=EVIL * count,
    ),
    "boxes": lambda count: Prediction("a.png", detections=_detections(count)),
    "detections": _detections,
    "data set": lambda count: Dataset.from_examples(
        Example(f"{EVIL}{n}", ImageSource(data=PICTURE), f"s{n}", f"{EVIL}{n}") for n in range(count)
    ),
    "example": lambda count: Example(
        "a", ImageSource("a.png", b"0" * count), boxes=_detections(count), suffix=EVIL * count
    ),
    "examination": lambda count: examine_dataset(
        Dataset.from_examples([]), [Finding(Severity.ERROR, "damaged", f"{n}.png", EVIL, EVIL) for n in range(count)]
    ),
    "embedding": lambda count: Embedding(
        (EVIL,) * count, (EVIL,) * count, (None,) * count, np.zeros((count, 9), np.float32), "a", EVIL
    ),
    "map": lambda count: Map(np.zeros((count, 2), np.float32), EVIL, "share"),
}


class Tags(HTMLParser):
    """Checks that every tag is closed, in order, and keeps their names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check(shown: Any) -> None:
    assert "\n" not in repr(shown)
    assert len(repr(shown)) < 1_500
    html = shown._repr_html_()
    tags = Tags(html)
    assert not tags.open
    assert "script" not in tags.seen
    assert "script" in html or EVIL not in repr(shown)  # shown, and as text
    assert len(html) < 40_000


@pytest.mark.parametrize("count", [1, 30, MANY])
@pytest.mark.parametrize("make", SHOWN.values(), ids=SHOWN)
def test_is_short_and_escaped(make: Any, count: int) -> None:
    _check(make(count))


@pytest.mark.parametrize("count", [2, 600])
def test_an_evaluation_is_short_and_escaped(count: int) -> None:
    evaluation = _evaluation(count)
    _check(evaluation)
    assert f"judged=<{count:,} × JudgedExample>" in repr(evaluation)
    assert "accuracy: Measure(1, " in repr(evaluation)


def test_a_line_tells_what_was_computed() -> None:
    prediction = Prediction("a.png", "void", {"ok": 0.25, "void": 0.75}, 0.75)
    assert repr(prediction) == (
        "Prediction(id='a.png', label='void', probabilities={ok: 0.25, void: 0.75}, defect_score=0.75)"
    )
    assert repr(Detections(((1, 2, 3, 4),), ("void",))) == "Detections(boxes_xyxy_px=((1, 2, 3, 4)), labels=('void'))"


@pytest.mark.parametrize("room", [1, 20, 100])
@pytest.mark.parametrize("value", [tuple(range(1000)), {n: n for n in range(1000)}, ["word"] * 1000])
def test_shortening_tells_how_many_more(value: Any, room: int) -> None:
    text = shortened(value, room)
    shown, more = text.strip("{()}").rsplit(", … ", 1)
    assert len(shown.split(", ")) + int(more.removesuffix(" more")) == 1000
    assert len(text) <= room + 20


def test_a_data_set_shows_what_it_holds(parts: Path) -> None:
    dataset = load_dataset(parts)
    assert repr(dataset) == f"<Dataset {parts}: 120 pictures, labels {{ok: 60, scratch: 60}}>"
    html = dataset._repr_html_()
    assert html.count("<img") == 8
    assert "ok</td><td>60</td>" in html
    assert (
        repr(dataset.select([0]).with_splits(["test"]))
        == f"<Dataset {parts}: 1 picture, labels {{ok: 1}}, splits {{test: 1}}>"
    )
