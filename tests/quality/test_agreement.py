"""Kappa is that of the published tables, and its interval that of resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from kenpin.errors import OptionError, ShapeError
from kenpin.quality.agreement import Kappa, cohen_kappa, crossed, fleiss_kappa

# Fleiss, Levin & Paik 2003, table 18.1: psychotic, neurotic, organic, by two raters of 100 patients
PATIENTS = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
# Fleiss 1971, table 1: 30 patients, 6 psychiatrists, 5 diagnoses
DIAGNOSES = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
COUNTS = np.array([[int(digit) for digit in row] for row in DIAGNOSES.split()])


def test_cohens_kappa_of_two_psychiatrists() -> None:
    found = cohen_kappa(PATIENTS)
    assert found.value == pytest.approx(0.676, abs=5e-4)
    assert (found.observed, found.expected) == pytest.approx((0.89, 0.66))
    assert found.low is not None
    assert found.high is not None
    error = (found.high - found.low) / 2 / 1.959964
    assert error == pytest.approx(0.0877, abs=5e-4)
    assert found.z == pytest.approx(0.676 / 0.076, rel=0.01)


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        # AIAG MSA, 4th edition, section III-C: appraisers A, B, C against each other and against the reference
        ([[44, 6], [3, 97]], 0.86),
        ([[43, 7], [8, 92]], 0.78),
        ([[42, 5], [9, 94]], 0.79),
        ([[45, 5], [3, 97]], 0.88),
        ([[45, 2], [3, 100]], 0.92),
        ([[42, 9], [6, 93]], 0.77),
    ],
)
def test_appraisers_of_the_msa_manual(counts: list[list[int]], kappa: float) -> None:
    assert round(cohen_kappa(counts).value or 0, 2) == kappa


def test_fleiss_kappa_of_six_psychiatrists() -> None:
    found = fleiss_kappa(COUNTS)
    assert found.value == pytest.approx(0.430, abs=5e-4)
    # each category, as the R package irr prints them
    assert found.by_category == pytest.approx((0.245, 0.245, 0.520, 0.471, 0.566), abs=5e-4)
    assert found.z == pytest.approx(17.7, abs=0.06)  # irr, after Fleiss, Nee & Landis 1979


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=60))
def test_cohens_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    counts, names = crossed(first, second)
    found = cohen_kappa(counts)
    assert names == tuple(sorted({*first, *second}))
    if found.value is None:
        assert len(names) == 1
    else:
        assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_intervals_agree_with_the_jackknife() -> None:
    table = np.array(PATIENTS)
    pairs = np.repeat(np.arange(9), table.ravel())
    without = []
    for cell in pairs:
        fewer = table.ravel().copy()
        fewer[cell] -= 1
        without.append(cohen_kappa(fewer.reshape(3, 3)).value)
    _close(cohen_kappa(PATIENTS), np.array(without, float))
    _close(fleiss_kappa(COUNTS), np.array([fleiss_kappa(np.delete(COUNTS, i, 0)).value for i in range(30)], float))
    rare = np.repeat([[5, 0], [3, 2], [0, 5]], [150, 25, 20], axis=0)  # here what chance gives varies from part to part
    _close(fleiss_kappa(rare), np.array([fleiss_kappa(np.delete(rare, i, 0)).value for i in range(195)], float))


def _close(found: Kappa, without: NDArray[np.float64]) -> None:
    jackknife = ((len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()) ** 0.5
    assert found.high is not None
    assert found.low is not None
    half = (found.high - found.low) / 2 / 1.959964
    assert half == pytest.approx(jackknife, rel=0.06)


def test_chance_alone_is_found_significant_as_often_as_promised() -> None:
    generator = np.random.default_rng(0)
    two = [cohen_kappa(generator.multinomial(120, np.outer([0.2, 0.8], [0.3, 0.7]).ravel()).reshape(2, 2)).z
           for _ in range(1500)]  # fmt: skip
    many = [fleiss_kappa(generator.multinomial(5, [0.3, 0.5, 0.2], size=40)).z for _ in range(1500)]
    for values in (two, many):
        assert np.mean(np.array(values, float) > 1.645) == pytest.approx(0.05, abs=0.02)


def test_one_category_alone_tells_nothing() -> None:
    assert cohen_kappa([[7, 0], [0, 0]]).value is None
    assert fleiss_kappa([[3, 0], [3, 0]]).value is None


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ShapeError, match="square"):
        cohen_kappa([[1, 2, 3]])
    with pytest.raises(ShapeError, match="same number of ratings"):
        fleiss_kappa([[3, 0], [2, 0]])
    with pytest.raises(ShapeError, match="2 ratings against 1"):
        crossed("ab", "a")
    with pytest.raises(OptionError, match="confidence"):
        cohen_kappa(PATIENTS, 1.0)
