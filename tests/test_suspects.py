"""Suspects: labels that the other pictures contradict are found first, told by the doctor, and shown on its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kenpin.data import load_dataset
from kenpin.errors import DatasetError
from kenpin.quality.label_errors import contradicted
from kenpin.suspects import find_suspects
from tests.commands import Run
from tests.pictures import write_parts

FLIPPED = ("ok/003.png", "scratch/005.png")


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of two classes, one of each in the other's folder."""
    folder = write_parts(tmp_path_factory.mktemp("data"), count=40)
    names = [folder / name for name in FLIPPED]
    first, second = (name.read_bytes() for name in names)
    names[0].write_bytes(second)
    names[1].write_bytes(first)
    return folder


def test_flipped_labels_come_first(mislabelled: Path) -> None:
    ranked = find_suspects(load_dataset(mislabelled), base="toy")
    assert len(ranked) == 80
    assert {suspect.id for suspect in ranked[:2]} == {*FLIPPED}
    assert all(suspect.is_likely and suspect.label != suspect.likelier for suspect in ranked[:2])
    assert sum(suspect.is_likely for suspect in ranked) < 8
    margins = [suspect.probability - suspect.other_probability for suspect in ranked]
    assert margins == sorted(margins)


def test_the_doctor_tells_them_in_order_and_shows_them(mislabelled: Path, kenpin: Run) -> None:
    status, told, _ = kenpin("doctor", str(mislabelled), "--suspects", "toy", "--out", "page.html")
    assert status == 0
    block = told[told.index("WARNING label-suspect") :]
    assert "suspect 1: " in block
    assert all(name in block for name in FLIPPED)
    page = Path("page.html").read_text("utf-8")
    assert "label-suspect" in page
    assert page.count("<img") >= 2
    assert kenpin("doctor", str(mislabelled), "--out", "page.html")[0] == 2, "nothing is overwritten unasked"


@pytest.mark.parametrize(
    ("labels", "words"), [(["ok"] * 4, "ok 4"), (["ok", "ok", "ng"], "ok 2, ng 1"), ([None], "none")]
)
def test_labels_that_cannot_be_compared_are_refused(labels: list[str | None], words: str) -> None:
    data = load_dataset([(np.full((8, 8), 30 * number, np.uint8), label) for number, label in enumerate(labels)])
    with pytest.raises(DatasetError, match=rf"there are not two of two pictures \({words}\)"):
        find_suspects(data, base="toy")


def test_the_confident_joint_by_hand() -> None:
    """Thresholds are .7 and .6, the mean of each class's own probability: the third label is off the diagonal."""
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.75, 0.25], [0.05, 0.95]])
    found = contradicted(probabilities, np.array([0, 0, 1, 1]))
    assert found.is_suspect.tolist() == [False, False, True, False]
    assert found.margins.tolist() == pytest.approx([0.6, 0.2, -0.5, 0.9])
    assert found.ranked().tolist() == [2, 1, 0, 3]
