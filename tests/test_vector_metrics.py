"""Measures of vectors, against counting by hand and against scikit-learn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import KNeighborsClassifier

from kenpin.errors import ShapeError
from kenpin.metrics.collapse import collapse, effective_rank, spread
from kenpin.metrics.neighbours import knn_accuracy, nearest_others, recall_at, silhouette
from kenpin.metrics.verification import equal_error_rate, fixed_pairs, pair_distances, verification_auroc

RNG = np.random.default_rng(0)


def _clusters(apart: float, *, each: int = 40, dimension: int = 3) -> tuple[np.ndarray, list[str]]:
    centres = apart * np.eye(dimension)
    vectors = np.concatenate([RNG.normal(centre, 1.0, (each, dimension)) for centre in centres])
    return vectors, [f"class {number}" for number in range(dimension) for _ in range(each)]


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(0, 5))
def test_pairs_are_what_they_say_and_as_many_of_either_kind(labels: list[str], seed: int) -> None:
    pairs, differ = fixed_pairs(labels, seed, each=20)
    assert [labels[i] != labels[j] for i, j in pairs] == differ.tolist()
    assert all(i != j for i, j in pairs)
    assert differ.sum() * 2 == len(differ)
    both = len(set(labels)) > 1 and max(Counter(labels).values()) > 1
    assert bool(len(pairs)) == both


def test_the_seed_alone_fixes_the_pairs() -> None:
    labels = list("aabbbccccc") * 4
    one, same, other = (fixed_pairs(labels, seed)[0] for seed in (1, 1, 2))
    assert (one == same).all()
    assert one.shape != other.shape or (one != other).any()


def test_every_pair_of_one_class_is_equally_likely() -> None:
    labels = ["a"] * 2 + ["b"] * 6  # 2 and 30 ordered pairs
    pairs, differ = fixed_pairs(labels * 40, 0, each=20_000)
    of_a = np.mean([(labels * 40)[i] == "a" for i, _ in pairs[~differ]])
    assert of_a == pytest.approx(80 * 79 / (80 * 79 + 240 * 239), abs=0.01)


def test_verification_is_the_area_under_the_curve_of_pairs() -> None:
    vectors, labels = _clusters(1.0)
    pairs, differ = fixed_pairs(labels, 0)
    distances = pair_distances(vectors, pairs)
    assert distances == pytest.approx([np.linalg.norm(vectors[i] - vectors[j]) for i, j in pairs])
    assert verification_auroc(differ, distances) == pytest.approx(roc_auc_score(differ, distances))


def test_at_the_equal_error_rate_both_errors_are_equal() -> None:
    vectors, labels = _clusters(2.0, each=80)
    pairs, differ = fixed_pairs(labels, 0)
    distances = pair_distances(vectors, pairs)
    alarms, found, _ = roc_curve(differ, distances, drop_intermediate=False)
    nearest = int(np.argmin(np.abs(alarms - (1 - found))))
    assert equal_error_rate(differ, distances) == pytest.approx(alarms[nearest], abs=0.002)
    assert equal_error_rate([False, False, True, True], [0.1, 0.2, 0.3, 0.4]) == 0.0
    assert equal_error_rate([False, False, True, True], [0.3, 0.4, 0.1, 0.2]) == 1.0
    assert equal_error_rate([False, True], [0.5, 0.5]) == 0.5
    assert equal_error_rate([False, False], [0.5, 0.5]) is None


def test_neighbours_are_those_of_scikit_learn_without_the_picture_itself() -> None:
    vectors, labels = _clusters(1.5, each=300)  # more than a block
    nearest = nearest_others(vectors, 5)
    model = KNeighborsClassifier(5).fit(vectors, labels)
    expected = model.kneighbors(return_distance=False)  # without the points themselves
    assert (nearest == expected).all()
    votes = [Counter(labels[j] for j in row).most_common() for row in expected]
    clear = [i for i, row in enumerate(votes) if len(row) == 1 or row[0][1] > row[1][1]]
    right = np.mean([votes[i][0][0] == labels[i] for i in clear])
    assert knn_accuracy([labels[i] for i in range(len(labels))], nearest) == pytest.approx(right, abs=0.05)
    near, lone = np.array([[1, 2], [0, 2], [0, 3], [0, 2]]), np.array([[1, 2], [0, 2], [0, 1]])
    assert knn_accuracy(["a", "a", "b", "b"], near) == pytest.approx(2 / 4), "the nearer wins"
    assert knn_accuracy(["a", "a", "b"], lone) == 1, "none of the others can be a b"
    assert recall_at(["a", "a", "b"], lone, 1) == 1
    assert knn_accuracy(["a", "b"], np.array([[1], [0]])) is None
    assert recall_at(["a", "b"], np.array([[1], [0]]), 1) is None
    first = np.mean([labels[row[0]] == label for row, label in zip(expected, labels, strict=True)])
    assert recall_at(labels, nearest, 1) == pytest.approx(first)
    assert (recall_at(labels, nearest, 5) or 0) > first


def test_what_cannot_be_measured_is_none() -> None:
    assert knn_accuracy(["a"], nearest_others([[1.0]], 5)) is None
    assert silhouette([[0.0], [1.0]], ["a", "a"]) is None
    assert silhouette([[0.0], [1.0]], ["a", "b"]) is None
    near, far = (silhouette(*_clusters(apart)) for apart in (0.0, 50.0))
    assert near is not None
    assert far is not None
    assert near < 0.1 < 0.9 < far


def test_effective_rank_counts_directions() -> None:
    rows = RNG.normal(size=(500, 6))
    assert effective_rank(rows) == pytest.approx(6, abs=0.2)
    assert effective_rank(rows[:, :1] * [[1.0, 2.0, 3.0]]) == pytest.approx(1)
    assert effective_rank(rows * [1, 1, 1, 1e-6, 1e-6, 1e-6]) == pytest.approx(3, abs=0.2)
    assert effective_rank(np.ones((5, 3))) == 0
    # any turn, shift or scale leaves it
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    assert effective_rank(7 * rows @ turn + 3) == pytest.approx(effective_rank(rows))


def test_collapse_has_a_reason() -> None:
    rows = RNG.normal(size=(100, 4))
    assert collapse(rows, 5) is None
    assert "all alike" in str(collapse(1 + 1e-5 * rows, 5))
    assert "on one line" in str(collapse(rows[:, :1] * [[1.0, 2.0, 3.0, 4.0]], 3))
    assert collapse(rows[:, :1] * [[1.0, 2.0, 3.0, 4.0]], 2) is None, "two classes need no more than a line"
    assert "no longer finite" in str(collapse(rows * np.nan, 2))
    assert collapse(np.zeros((3, 2)), 2) is not None
    assert spread(rows * 1e-9) == pytest.approx(spread(rows)), "small vectors tell as much as large ones"
    with pytest.raises(ShapeError):
        collapse(rows[0], 2)
