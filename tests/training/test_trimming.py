"""Bad parts among the good: which are left out, which come back, and that they are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.data.loading import load_dataset
from kenpin.run.record import read_record
from kenpin.training import Listener, train
from kenpin.training.trimming import trim
from tests.commands import Run


@given(st.integers(0, 2**32 - 1), st.integers(20, 80), st.sampled_from([0.0, 0.1, 0.3]), st.floats(5, 1e6))
@settings(max_examples=60, deadline=None)
def test_parts_far_from_the_others_are_found_and_no_more_than_asked(
    seed: int, count: int, bad_share: float, far: float
) -> None:
    draw = np.random.default_rng(seed)
    bad = set(draw.choice(count, int(bad_share * count), replace=False).tolist())
    places = draw.normal(size=(count, 16)) + far * np.isin(np.arange(count), list(bad))[:, None]

    def scores_by(kept: Sequence[int]) -> Any:
        """Of each its squared distance from the middle of the others, which bad ones pull to themselves."""
        middles = [places[[row for row in kept if row != at]].mean(axis=0) for at in range(count)]
        return ((places - middles) ** 2).mean(axis=1)

    found = trim(count, 0.35, scores_by)
    assert bad <= set(found.rows)
    assert len(found.rows) <= 0.35 * count
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert len(set(found.rows) - bad) <= max(4, 0.15 * count), "good ones come back"


def test_without_a_share_nothing_is_looked_for() -> None:
    assert trim(20, 0.04, lambda kept: np.arange(1.0, 21.0)).rows == ()


@pytest.fixture(scope="module")
def mixed(few_parts: Path) -> Any:
    """Parts said to be good, of which three are scratched."""
    parts = load_dataset(few_parts)
    labels = parts.column("label")
    good, bad = ([row for row, label in enumerate(labels) if label == kind] for kind in ("ok", "scratch"))
    rows = [*good, *bad[:3]]
    return parts.select(rows).with_labels(["ok"] * len(rows), ("ok",))


@pytest.mark.parametrize("where", ["none", "pooled"])
def test_a_run_names_them_and_does_without(where: str, mixed: Any, tmp_path: Path) -> None:
    heard: list[str] = []
    out = tmp_path / "run"
    train("mahalanobis", dataset=mixed, data="-", out=out, base="toy", where=where, trim=0.2, report=False,
          listener=Listener(say=heard.append))  # fmt: skip
    (note,) = (sentence for sentence in heard if sentence.startswith("Trimmed fit"))
    assert all(id in note for id in mixed.column("id")[-3:]), note
    record = read_record(out)
    assert note in record.notes
    assert record.threshold is not None
    kept = 27 - note.count(" times as far")
    assert f"largest score of {kept} good training pictures" in record.threshold["basis"]


def test_the_share_is_checked(kenpin: Run, few_parts: Path, tmp_path: Path) -> None:
    words = ("train", "mahalanobis", "--data", few_parts, "--out", tmp_path / "run", "--base", "toy")
    code, _, told = kenpin(*words, "--trim", 0.5)
    assert code == 2
    assert "trim" in told
