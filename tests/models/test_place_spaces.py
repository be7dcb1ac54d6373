"""Unit spaces of places are those of `kenpin.taguchi`, place by place, however they are computed."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf_shrinkage
from torch import Tensor

from kenpin.errors import UnitSpaceError
from kenpin.models.mahalanobis.cell_spaces import SCALE_FLOOR, CellSpaces, fit_spaces
from kenpin.taguchi import UnitSpace

PARTS, PLACES, ITEMS = 70, 5, 6
_TOGETHER = 32


def _pictures(seed: int = 0, parts: int = PARTS, items: int = ITEMS) -> Tensor:
    """(parts, places, items): mixed, so that items correlate, and of another mean and scale at each place."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(PLACES, items, items)) / 2 + np.eye(items)
    x = np.einsum("npk,pkl->npl", rng.normal(size=(parts, PLACES, items)), mixing)
    return torch.from_numpy(x * rng.uniform(1, 3, (PLACES, 1)) + rng.normal(0, 5, (PLACES, items))).float()


def _fitted(x: Tensor, ridge: float | str = 0.1, *, pooled: bool = False) -> CellSpaces:
    return fit_spaces(lambda: torch.split(x, _TOGETHER), pooled=pooled, ridge=ridge)  # type: ignore[arg-type]


@pytest.mark.parametrize("ridge", [0.0, 0.3, "ledoit-wolf"])
def test_each_place_is_a_unit_space(ridge: float) -> None:
    good, others = _pictures(), _pictures(1) + 1
    distances = _fitted(good, ridge).distances(others).numpy()
    for place in range(PLACES):
        space = UnitSpace(ridge=0 if ridge == 0 else ridge).fit(good[:, place].numpy())
        assert distances[:, place] == pytest.approx(space.score_samples(others[:, place].numpy()), rel=1e-6)


@pytest.mark.parametrize("ridge", [0.3, "ledoit-wolf"])
def test_pooled_places_are_one_unit_space(ridge: float) -> None:
    good, others = _pictures(), _pictures(1)
    distances = _fitted(good, ridge, pooled=True).distances(others)
    space = UnitSpace(ridge=ridge).fit(good.reshape(-1, ITEMS).numpy())
    assert distances.numpy().ravel() == pytest.approx(space.score_samples(others.reshape(-1, ITEMS).numpy()), rel=1e-6)


def test_ledoit_and_wolf_are_those_of_scikit_learn() -> None:
    good = _pictures()
    for place, ridge in enumerate(_fitted(good, "ledoit-wolf").ridge.tolist()):
        x = good[:, place].double().numpy()
        z = (x - x.mean(0)) / x.std(0, ddof=1)
        assert ridge == pytest.approx(ledoit_wolf_shrinkage(z, assume_centered=True), rel=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.3, "ledoit-wolf"])
def test_the_mean_over_good_parts_is_one(ridge: float | str) -> None:
    good = _pictures()
    assert _fitted(good, ridge).distances(good).mean(0).numpy() == pytest.approx(1.0, rel=1e-6)


def test_sums_hold_far_from_zero() -> None:
    """Items whose mean is ten thousand times their scale: what float32 keeps of them is not lost on the way."""
    good = _pictures(parts=400)
    far = _fitted((good.double() + 10_000).float()).distances((_pictures(1).double() + 10_000).float())
    assert far.numpy() == pytest.approx(_fitted(good).distances(_pictures(1)).numpy(), rel=0.02)


@pytest.mark.parametrize("pooled", [False, True])
def test_batches_and_files_change_nothing(pooled: bool) -> None:
    spaces, others = _fitted(_pictures(), "ledoit-wolf", pooled=pooled), _pictures(1)
    together = spaces.distances(others)
    alone = torch.cat([spaces.distances(one[None]) for one in others])
    assert torch.allclose(together, alone, rtol=1e-5)
    again = CellSpaces.from_arrays(spaces.to_arrays())
    assert torch.equal(together, again.distances(others))
    assert (again.parts, torch.equal(again.ridge, spaces.ridge)) == (spaces.parts, True)


def test_pictures_are_read_twice_and_not_kept() -> None:
    calls, held = 0, 0

    def pictures() -> Iterator[Tensor]:
        nonlocal calls, held
        calls += 1
        alive = []
        for some in torch.split(_pictures(parts=200), 10):
            own = some.clone()
            alive.append(weakref.ref(own))
            yield own
            del own
            held = max(held, sum(ref() is not None for ref in alive))

    fit_spaces(pictures, pooled=False, ridge=0.1)
    assert calls == 2
    assert held <= 2  # the present batch, and the next one while it is made


def test_a_place_where_all_parts_are_alike_is_not_infinitely_far() -> None:
    good = _pictures()
    good[:, 2] = 7.0
    spaces = _fitted(good)
    other = good[:1].clone()
    other[0, 2] += 1
    usual = good.std(0).square().mean(0).sqrt()
    # at this place the items do not correlate: each is one step of the floor away
    expected = (1 / (SCALE_FLOOR * usual)).square().mean() * len(good) / (len(good) - 1)
    assert float(spaces.distances(other)[0, 2]) == pytest.approx(float(expected), rel=1e-3)


def test_items_that_never_vary_are_left_out() -> None:
    good = _pictures()
    good[..., 3] = 5.0
    other = good[:4].clone()
    other[..., 3] = 9.0
    spaces = _fitted(good, "ledoit-wolf")
    assert torch.equal(spaces.distances(other), spaces.distances(good[:4]))
    assert bool(torch.isfinite(spaces.distances(other)).all())


def test_what_spans_no_space_is_refused() -> None:
    with pytest.raises(UnitSpaceError, match=r"40 good parts for 50 items in each cell; at least 51"):
        _fitted(_pictures(parts=40, items=50), 0.0)
    twice = _pictures()
    with pytest.raises(UnitSpaceError, match="collinear; set a ridge"):
        _fitted(torch.cat([twice, twice], dim=2), 0.0)
    with pytest.raises(UnitSpaceError, match="not finite"):
        _fitted(twice / 0)
