"""Features kept in memory: the same rows, without a look at file or store, of no other picture, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.models import get_family, inference
from kenpin.models.contract import Task
from kenpin.models.inference import compute_features
from kenpin.models.networks.recent_features import RECENT, RecentFeatures


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from("pqrstu"), min_size=1, max_size=5)), max_size=12
    ),
    st.integers(0, 12),
)
def test_rows_are_those_kept_first_and_never_too_many(batches: list[tuple[str, list[str]]], room: int) -> None:
    recent, first = RecentFeatures(limit_bytes=4 * 3 * room), dict[tuple[str, str], torch.Tensor]()
    for number, (key, contents) in enumerate(batches):
        rows = torch.arange(3.0).repeat(len(contents), 1) + 10 * number
        before = {pair: recent.of(pair[0], [pair[1]]) for pair in first}
        recent.keep(key, contents, rows)
        for pair, was in before.items():
            now = recent.of(pair[0], [pair[1]])
            assert now is None or was is None or torch.equal(now[0], was[0])
        first |= {(key, content): row for content, row in zip(contents, rows, strict=True)}
        assert sum(recent.of(*pair[:1], [pair[1]]) is not None for pair in first) <= room
    recent.forget()
    assert all(recent.of(key, [content]) is None for key, content in first)


def test_what_no_hash_is_known_of_is_not_kept() -> None:
    recent = RecentFeatures()
    recent.keep("key", ["", "one"], torch.ones(2, 3))
    assert recent.of("key", [""]) is None
    assert recent.of("key", ["one"]) is not None


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Dataset, Any], int]:
    """How many pictures are opened, or looked up, for the features of a data set."""
    opened: list[str] = []
    open_one = inference._open

    def counted(*given: Any) -> Any:
        opened.append(given[-1].id)
        return open_one(*given)

    monkeypatch.setattr(inference, "_open", counted)

    def count(dataset: Dataset, inspector: Any) -> int:
        opened.clear()
        rows = torch.stack(list(compute_features(inspector, dataset)))
        assert len(rows) == len(dataset)
        return len(opened)

    return count


def _inspector(base: str = "toy", **values: Any) -> Any:
    family = get_family("classifier")
    options = family.Options.from_mapping({"data": "-", "out": "-", "base": base, **values})
    inspector: Any = family.create(options, Task(("ok", "scratch"), ("ok",)))
    inspector.module.eval()
    return inspector


def test_what_was_computed_is_not_opened_again(parts: Path, looked_at: Callable[[Dataset, Any], int]) -> None:
    dataset, inspector = load_dataset(parts), _inspector()
    assert looked_at(dataset, inspector) == len(dataset), "no hash is known yet"
    assert looked_at(dataset, inspector) == len(dataset)
    dataset.contents()
    assert looked_at(dataset, inspector) == len(dataset)
    rows = torch.stack(list(compute_features(inspector, dataset)))
    turned = dataset.select(range(len(dataset) - 1, -1, -2))
    assert looked_at(turned, inspector) == 0
    assert torch.equal(torch.stack(list(compute_features(inspector, turned))), rows.flip(0)[::2])
    RECENT.forget()
    assert torch.equal(torch.stack(list(compute_features(inspector, turned))), rows.flip(0)[::2])


def test_another_network_computes_for_itself(parts: Path, looked_at: Callable[[Dataset, Any], int]) -> None:
    dataset = load_dataset(parts)
    dataset.contents()
    assert looked_at(dataset, _inspector()) == len(dataset)
    assert looked_at(dataset, _inspector(seed=1)) == len(dataset)
    assert looked_at(dataset, _inspector()) == 0


def test_a_picture_that_was_replaced_is_looked_at(
    parts: Path, tmp_path: Path, looked_at: Callable[[Dataset, Any], int]
) -> None:
    import shutil

    shutil.copytree(parts, tmp_path / "parts")
    one, inspector = load_dataset(tmp_path / "parts"), _inspector()
    one.contents()
    looked_at(one, inspector)
    good, bad = (sorted((tmp_path / "parts" / label).iterdir()) for label in ("ok", "scratch"))
    good[0].write_bytes(bad[0].read_bytes())
    other = load_dataset(tmp_path / "parts")
    other.contents()
    same = [row for row, example in enumerate(other) if str(example.image.path) in (str(good[0]), str(bad[0]))]
    rows = list(compute_features(inspector, other.select(same)))
    assert torch.equal(rows[0], rows[1])


def test_an_id_of_several_pictures_tells_nothing(parts: Path, looked_at: Callable[[Dataset, Any], int]) -> None:
    from dataclasses import replace

    dataset, inspector = load_dataset(parts), _inspector()
    twice = Dataset.from_examples([replace(example, id="same") for example in dataset])
    twice.contents()
    for _ in range(2):
        assert looked_at(twice, inspector) == len(dataset)
