"""Item selection: orthogonal arrays, S/N ratios by hand, items that matter kept and those that do not dropped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.records import Measure
from kenpin.records_json import from_json, to_json
from kenpin.taguchi import Moments, UnitSpace
from kenpin.taguchi.selection import Confirmation, Selection, larger_is_better_db, orthogonal_array, select_items


@pytest.mark.parametrize("factors", [1, 3, 4, 11, 12, 27, 39, 255, 300])
def test_columns_are_balanced_and_orthogonal_and_one_run_uses_everything(factors: int) -> None:
    array = 2 * orthogonal_array(factors).astype(int) - 1
    runs = len(array)
    assert factors < runs
    assert not array.sum(axis=0).any()
    np.testing.assert_array_equal(array.T @ array, runs * np.eye(factors))
    assert (array == 1).all(axis=1).any()


def test_larger_is_better_by_hand() -> None:
    assert larger_is_better_db([10.0, 10.0]) == pytest.approx(10)
    assert larger_is_better_db([1.0, 1e12]) == pytest.approx(10 * np.log10(2))  # the nearest part decides


def _scene(items: int = 20, telling: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Good parts, and defective ones that are moved in the first items alone."""
    rng = np.random.default_rng(seed)
    good, bad = rng.normal(size=(400, items)), rng.normal(size=(60, items))
    bad[:, :telling] += 4
    return good, bad


def test_items_that_tell_defects_apart_are_kept_and_the_others_dropped() -> None:
    good, bad = _scene()
    selection = select_items(Moments.of(good), bad, ridge=0.0)
    assert selection.kept == (0, 1, 2, 3, 4)
    assert set(selection.dropped) == {f"item {place}" for place in range(5, 20)}
    assert selection.kept_db > selection.all_db
    assert all((gain.gain_db > 0) == gain.kept for gain in selection.gains)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_every_run_is_the_unit_space_of_its_items(ridge: float) -> None:
    good, bad = _scene(7, 3)
    good = good @ np.random.default_rng(1).normal(size=(7, 7))
    selection = select_items(Moments.of(good), bad, ridge=ridge)
    array = orthogonal_array(7)
    sn = np.array(
        [
            larger_is_better_db(UnitSpace(ridge).fit(good[:, used]).score_samples(bad[:, used]))
            for used in array[array.any(axis=1)]
        ]
    )
    for place, gain in enumerate(selection.gains):
        used = array[array.any(axis=1)][:, place]
        assert (gain.with_db, gain.without_db) == pytest.approx((sn[used].mean(), sn[~used].mean()))
    assert selection.all_db == pytest.approx(sn[array[array.any(axis=1)].all(axis=1)][0])


def test_more_items_than_factors_come_and_go_in_groups_that_vary_together() -> None:
    rng = np.random.default_rng(0)
    causes, bad_causes = rng.normal(size=(400, 6)), rng.normal(size=(60, 6))
    bad_causes[:, 0] += 6

    def items(of: np.ndarray) -> np.ndarray:
        return np.repeat(of, 10, axis=1) + 0.1 * rng.normal(size=(len(of), 60))

    selection = select_items(Moments.of(items(causes)), items(bad_causes), ridge=0.01, factors=6)
    assert (selection.factors, selection.runs) == (6, 8)
    assert [gain.group for gain in selection.gains] == [place // 10 for place in range(60)]
    assert set(range(10)) <= set(selection.kept)


def test_at_most_the_wanted_share_is_kept_the_best_first() -> None:
    good, bad = _scene(20, 15)
    selection = select_items(Moments.of(good), bad, ridge=0.0, most=0.25)
    assert len(selection.kept) == 5
    best = sorted((gain.gain_db for gain in selection.gains), reverse=True)[:5]
    assert sorted((gain.gain_db for gain in selection.gains if gain.kept), reverse=True) == best


def test_one_item_is_kept_even_where_none_gains() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=(100, 2)), np.full((30, 2), 1e-3) * rng.normal(size=(30, 2))
    assert len(select_items(Moments.of(good), bad, ridge=0.0, most=0.01).kept) == 1


def test_progress_is_told_run_by_run() -> None:
    good, bad = _scene()
    told: list[tuple[int, int]] = []
    select_items(Moments.of(good), bad, ridge=0.0, progress=lambda doing, done, of: told.append((done, of)))
    assert told == [(run, 24) for run in range(1, 25)]


def test_selection_survives_json() -> None:
    good, bad = _scene()
    found = select_items(Moments.of(good), bad, ridge=0.0)
    change = Confirmation(10, 5, 0.9, 0.95, Measure(0.05, -0.01, 0.1))
    for selection in (found, Selection(4, 3, 2, found.gains, 1.0, 2.0, change)):
        assert from_json(Selection, json.loads(json.dumps(to_json(selection))), "selection.json") == selection
    assert not change.lost
    assert Confirmation(10, 5, 0.9, 0.8, Measure(-0.1, -0.2, -0.05)).lost


def test_what_cannot_be_selected_is_refused() -> None:
    good, bad = _scene()
    moments = Moments.of(good)
    with pytest.raises(ShapeError, match="has 20"):
        select_items(moments, bad[:, :3], ridge=0.0)
    with pytest.raises(ShapeError, match="2 names for 20 items"):
        select_items(moments, bad, ridge=0.0, names=["a", "b"])
    with pytest.raises(UnitSpaceError, match="only one item"):
        select_items(moments.of_items([0]), bad[:, :1], ridge=0.0)
    with pytest.raises(UnitSpaceError, match="not finite"):
        select_items(moments, np.full((3, 20), np.nan), ridge=0.0)
    with pytest.raises(UnitSpaceError, match="collinear"):
        select_items(Moments.of(np.hstack([good, good])), np.hstack([bad, bad]), ridge=0.0)
    with pytest.raises(OptionError, match="a share of 0"):
        select_items(moments, bad, ridge=0.0, most=0)
    with pytest.raises(OptionError, match="0 factors"):
        orthogonal_array(0)
