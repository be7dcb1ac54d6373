"""The unit space against second derivations: SciPy's distance, the F distribution, closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.datasets import load_iris

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.taguchi import GramSchmidtSpace, UnitSpace, parts_needed
from kenpin.taguchi.limits import Limit
from tests.taguchi.published import BOARDS, BOARDS_D2, IRISES_DISTANCE, IRISES_GOOD


def _parts(count: int, items: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, items)) @ rng.normal(size=(items, items)) + rng.normal(size=items) * 5


def test_without_ridge_it_is_scipys_squared_distance_over_the_items() -> None:
    x = _parts(200, 7)
    space = UnitSpace(ridge=0).fit(x)
    inverse = np.linalg.inv(np.cov(x.T, ddof=0))
    for part in _parts(20, 7, seed=1):
        expected = mahalanobis(part, x.mean(axis=0), inverse) ** 2 / 7
        assert space.score_samples([part])[0] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25)
@given(st.integers(30, 200), st.integers(1, 8), st.integers(0, 1000))
def test_mean_distance_of_the_unit_space_is_one_by_construction(count: int, items: int, seed: int) -> None:
    x = _parts(count, items, seed)
    for space in (UnitSpace(0), UnitSpace(0.2), UnitSpace("ledoit-wolf"), UnitSpace(inverse="pseudo")):
        assert space.fit(x).score_samples(x).mean() == pytest.approx(1, rel=1e-6)


def test_a_published_example_to_its_last_digit() -> None:
    distances = UnitSpace(0).fit(BOARDS).score_samples(BOARDS)
    np.testing.assert_allclose(distances * 4 * 29 / 30, BOARDS_D2, atol=0.0051)


def test_a_published_example_on_irises_to_its_last_digit() -> None:
    good = load_iris().data[IRISES_GOOD]
    distances = UnitSpace(0).fit(good).score_samples(good)
    np.testing.assert_allclose((distances * 39 / 40) ** 0.5, IRISES_DISTANCE, atol=0.0005)


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_contributions_add_up_to_the_distance(seed: int) -> None:
    space = UnitSpace().fit(_parts(60, 5, seed))
    parts = _parts(10, 5, seed + 1)
    np.testing.assert_allclose(space.contributions(parts).sum(axis=1), space.score_samples(parts), rtol=1e-9)


def test_the_item_that_was_moved_speaks_loudest() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    part = x[0].copy()
    part[4] += 12
    assert UnitSpace(ridge=0).fit(x).contributions([part])[0].argmax() == 4


def test_units_of_the_items_do_not_matter() -> None:
    x, parts = _parts(80, 4), _parts(10, 4, seed=3)
    factors, offsets = np.array([1e-3, 1.0, 1e4, 7.0]), np.array([5.0, -2.0, 0.0, 1e3])
    plain = UnitSpace().fit(x).score_samples(parts)
    scaled = UnitSpace().fit(x * factors + offsets).score_samples(parts * factors + offsets)
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_ledoit_wolf_ridge_is_a_share_and_makes_more_items_than_parts_possible() -> None:
    space = UnitSpace().fit(np.random.default_rng(0).normal(size=(40, 100)))
    assert 0 < space.ridge_ < 1
    assert np.isfinite(space.score_samples(np.zeros((1, 100)))).all()


def test_a_known_ridge_by_hand() -> None:
    # two items of correlation r, ridge g: R = [[1, (1-g)r], [(1-g)r, 1]], inverse in closed form
    x = _parts(50, 2)
    r = 0.6 * np.corrcoef(x.T)[0, 1]
    z = (np.array([[3.0, -1.0]]) - x.mean(axis=0)) / x.std(axis=0)
    a, b = z[0]
    mean = (1 - r * r / 0.6) / (1 - r * r)  # of the same over the good parts, whose items have correlation r / 0.6
    expected = (a * a - 2 * r * a * b + b * b) / (1 - r * r) / 2 / mean
    assert UnitSpace(ridge=0.4).fit(x).score_samples([[3.0, -1.0]])[0] == pytest.approx(expected)


def test_saved_and_read_space_scores_identically() -> None:
    space, parts = UnitSpace().fit(_parts(60, 5)), _parts(9, 5, seed=2)
    again = UnitSpace.from_arrays(space.to_arrays())
    np.testing.assert_array_equal(space.score_samples(parts), again.score_samples(parts))
    assert again.ridge_ == space.ridge_


def test_a_space_saved_by_an_earlier_version_scores_as_it_did() -> None:
    rng = np.random.default_rng(0)
    precision = np.linalg.inv(np.corrcoef(_parts(50, 3).T))
    old: dict[str, NDArray[np.float64]] = {
        "mean": rng.normal(size=3),
        "scale": np.ones(3),
        "precision": precision,
        "ridge": np.array(0.1),
    }
    part = rng.normal(size=3)
    z = part - old["mean"]
    space = UnitSpace.from_arrays(old | {"parts": np.array(50)})
    assert space.score_samples([part])[0] == pytest.approx(z @ precision @ z / 3)


@pytest.mark.parametrize("spread", [1e-3, 1.0])
def test_the_pseudo_inverse_is_numpys_and_its_rank_is_told(spread: float) -> None:
    x = _parts(200, 4)
    x = np.hstack([x, spread * (x[:, :1] - 2 * x[:, 1:2])])
    space = UnitSpace(inverse="pseudo").fit(x)
    z = (_parts(9, 5, seed=4) - x.mean(axis=0)) / x.std(axis=0)
    expected = np.einsum("ij,jk,ik->i", z, np.linalg.pinv(np.corrcoef(x.T), rcond=1e-9, hermitian=True), z) / 4
    np.testing.assert_allclose(space.score_samples(_parts(9, 5, seed=4)), expected, rtol=1e-6)
    assert (space.rank_, round(space.degrees_, 6)) == (4, 4)


def test_more_items_than_parts_have_a_pseudo_inverse_of_one_rank_less_than_parts() -> None:
    space = UnitSpace(inverse="pseudo").fit(np.random.default_rng(0).normal(size=(40, 100)))
    assert space.rank_ == 39


@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(0, 1000))
def test_gram_schmidt_is_the_same_distance_by_another_way(items: int, seed: int) -> None:
    x, parts = _parts(100, items, seed), _parts(10, items, seed + 1)
    other = GramSchmidtSpace().fit(x)
    np.testing.assert_allclose(other.score_samples(parts), UnitSpace(0).fit(x).score_samples(parts), rtol=1e-6)
    assert (other.contributions(parts) >= 0).all()


def test_gram_schmidts_shares_are_the_squares_of_a_qr_decomposition() -> None:
    x, parts = _parts(100, 5), _parts(10, 5, seed=1)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    r = np.linalg.qr(z)[1] / 10  # zᵀz / n = rᵀr
    expected = np.linalg.solve(r.T, ((parts - x.mean(axis=0)) / x.std(axis=0)).T).T ** 2 / 5
    np.testing.assert_allclose(GramSchmidtSpace().fit(x).contributions(parts), expected, rtol=1e-8)


def test_gram_schmidt_refuses_an_item_that_follows_from_those_before() -> None:
    x = _parts(50, 3)
    with pytest.raises(UnitSpaceError, match="item 3 follows"):
        GramSchmidtSpace().fit(np.hstack([x, x[:, :1] + x[:, 1:2]]))


def test_verdicts_follow_the_limit_and_its_scale() -> None:
    x = _parts(100, 3)
    space = UnitSpace(0, limit=1.0).fit(x)
    np.testing.assert_array_equal(space.predict(x) == 1, space.score_samples(x) < 1)
    space.set_params(limit=Limit(3.0, "D²", "k times 1"))
    with pytest.raises(OptionError, match=r"a limit of D² cannot judge distances that are D²/k"):
        space.predict(x)
    with pytest.raises(OptionError, match="no limit"):
        space.set_params(limit=None).predict(x)


def test_settings_are_those_of_scikit_learn() -> None:
    from sklearn.base import clone

    space = clone(UnitSpace(0.3, limit=4.0))
    assert space.get_params() == {"ridge": 0.3, "inverse": "ridge", "limit": 4.0}
    assert space.set_params(ridge=0.1).ridge == 0.1
    with pytest.raises(OptionError, match="no setting 'rigde'"):
        space.set_params(rigde=0.1)
    with pytest.raises(OptionError, match="ridge 2"):
        space.set_params(ridge=2)


@pytest.mark.parametrize(("count", "items", "ridge"), [(30, 30, 0.0), (8, 3, "ledoit-wolf"), (5, 1, 0.0)])
def test_too_few_parts_are_refused_with_the_number_needed(count: int, items: int, ridge: Any) -> None:
    with pytest.raises(UnitSpaceError, match=str(parts_needed(items, ridge))):
        UnitSpace(ridge).fit(_parts(count, items))


def test_just_enough_parts_are_taken() -> None:
    assert UnitSpace(0).fit(_parts(parts_needed(40, 0), 40)).parts_ == 41


def test_constant_items_are_refused_by_number() -> None:
    x = _parts(50, 3)
    x[:, 1] = 7
    with pytest.raises(UnitSpaceError, match="item 1"):
        UnitSpace().fit(x)


def test_undefined_numbers_are_refused_by_place() -> None:
    x = _parts(50, 3)
    x[4, 2] = np.nan
    with pytest.raises(UnitSpaceError, match="item 2 of part 4"):
        UnitSpace().fit(x)


def test_repeated_items_without_ridge_are_refused_and_with_ridge_are_not() -> None:
    x = _parts(50, 3)
    x = np.hstack([x, x[:, :1]])
    with pytest.raises(UnitSpaceError, match="collinear"):
        UnitSpace(ridge=0).fit(x)
    assert np.isfinite(UnitSpace(ridge=0.1).fit(x).score_samples(x)).all()


def test_wrong_shapes_and_ridges_are_refused() -> None:
    with pytest.raises(ShapeError):
        UnitSpace().fit(np.zeros(5))
    with pytest.raises(ShapeError):
        UnitSpace().fit(_parts(50, 3)).score_samples(np.zeros((2, 4)))
    with pytest.raises(ShapeError, match="real numbers"):
        UnitSpace().fit(np.full((40, 2), "a"))
    with pytest.raises(OptionError):
        UnitSpace(ridge=1.0)
    with pytest.raises(OptionError):
        UnitSpace(inverse="psuedo")  # type: ignore[arg-type]
