"""Scoring: distances and heads on features that are there already, held against the one product each must compute."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import duration, figure, table

_ITEMS = 640  # of Lite0's last stage, the unit space's default
_FEATURES = 1_568  # of all its stages, what a head is fitted on
_VECTORS = 1_000
_GOOD_PARTS = 2_000


def section(scale: Scale) -> str:
    """Unit space and heads, their bare products, and how much longer the whole takes."""
    taken = in_fresh_process(score, rows=scale.scored, repetitions=scale.repetitions)
    works = {
        f"unit space, D²/k of {_ITEMS} items": ("distance", _ITEMS, _ITEMS),
        f"unit space, fitted to {_GOOD_PARTS:,} good parts": ("fit", _ITEMS, _ITEMS),
        f"SVM head, {_VECTORS:,} vectors of {_FEATURES:,} features": ("svm", _FEATURES, _VECTORS),
    }
    rows = []
    for what, (name, inner, outer) in works.items():
        count = _GOOD_PARTS if name == "fit" else scale.scored
        operations = 2 * count * inner * outer
        moved_bytes = 8 * (count * inner + inner * outer + count * outer)
        bare = taken[f"{name} bare"]
        rows.append(
            (
                what,
                figure(operations / 1e9),
                figure(moved_bytes / 1e6),
                duration(bare),
                duration(taken[name]),
                figure(min(taken[name]) / min(bare)),
            )
        )
    head = ("work", "10⁹ operations", "MB moved", "product alone, s", "all, s", "all / product")
    return (
        f"## Scoring\n\n{scale.scored:,} rows in float64. Operations and bytes are those of the one matrix product "
        "that cannot be avoided, which NumPy computes alone beside it.\n\n" + table(head, rows)
    )


def score(rows: int, repetitions: int) -> Figures:
    """In the child: seconds of each work and of its bare product."""
    import numpy as np

    from kenpin.models.classifier.heads import SvmHead
    from kenpin.taguchi import UnitSpace

    rng = np.random.default_rng(0)
    good, parts = rng.normal(size=(_GOOD_PARTS, _ITEMS)), rng.normal(size=(rows, _ITEMS))
    features, vectors = rng.normal(size=(rows, _FEATURES)), rng.normal(size=(_VECTORS, _FEATURES))
    space = UnitSpace().fit(good)
    mean, scale = np.zeros(_FEATURES), np.ones(_FEATURES)
    dual, bias = rng.normal(size=(1, _VECTORS)), np.zeros(1)
    svm = SvmHead(mean, scale, vectors, dual, bias, np.array(1 / _FEATURES), np.ones((1, 2)))
    works: dict[str, Callable[[], object]] = {
        "distance": lambda: space.score_samples(parts),
        "distance bare": lambda: parts @ space.precision_,
        "fit": lambda: UnitSpace().fit(good),
        "fit bare": lambda: good.T @ good,
        "svm": lambda: svm.probabilities(features),
        "svm bare": lambda: features @ vectors.T,
    }
    for work in works.values():
        work()  # the first call wakes the threads
    return {name: seconds_of(work, repetitions) for name, work in works.items()}
