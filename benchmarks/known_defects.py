"""Known defective parts: what a head that learns from some of them adds to a unit space of good parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.eyes import solar, textile_pictures
from benchmarks.scale import Scale
from benchmarks.tables import table

_OK = "functional"
_KNOWN = (5, 10, 20)
_RESAMPLES = 500
_WAYS = (("solar cells", "pooled"), ("solar cells", "positions"), ("textile", "pooled"))


class _Pictures(NamedTuple):
    """Of one data set."""

    good: Any
    """To learn from, all labelled as good."""
    pools: list[list[Any]]
    """Defective ones of each kind, of which some are known."""
    judged: Any
    """As many good ones, and then of each kind of defect."""


def section(scale: Scale, folder: Path) -> str:
    """AUROC with so many known defective pictures, and its difference to none."""
    from kenpin.models.networks.recent_features import RECENT

    os.environ["KENPIN_CACHE"] = str(folder)
    RECENT.limit_bytes = 4 << 30
    of_each = _pictures(scale)
    pool, draws = scale.known_parts
    rows = []
    for data, where in _WAYS:
        if data not in of_each:
            continue
        good, pools, judged = of_each[data]
        pools = [_apart(of_kind, judged) for of_kind in pools]
        count = len(judged) // (1 + len(pools))
        without = _scores(good, [], judged, where, 0)
        by_count = [
            [_scores(good, _drawn(pools, known, draw), judged, where, draw) for draw in range(draws)]
            for known in _KNOWN
        ]
        for kind, name in enumerate(["local", "global"] if len(pools) == 2 else [""]):
            shown = [*range(count), *range((1 + kind) * count, (2 + kind) * count)]
            before = _auroc(without[shown])
            cells = [_told([scores[shown] for scores in found], without[shown]) for found in by_count]
            rows.append([f"{data}{name and ', '}{name}", where, f"{before:.3f}", *cells])
    head = ("data", "where", "none known", *(f"{known} known" for known in _KNOWN))
    return (
        "## Known defects\n\n`--learn-defects` on Lite0: beside the good pictures so many defective ones, with their "
        f"labels alone, of a pool of {pool} (of textile of either kind) without near-duplicates of judged ones, in "
        f"{draws} draws. Mean AUROC of the draws on the same judged pictures, and its difference to none known with "
        f"its 95 % interval over the judged pictures.\n\n{table(head, rows)}"
    )


def _pictures(scale: Scale) -> dict[str, _Pictures]:
    """What is judged is what the unit spaces of eyes judge, so far as that is there."""
    pool, _ = scale.known_parts
    learned, judged = scale.seen_parts
    good, others = solar(learned, judged + pool)
    first, count = judged + pool, len(others)
    found = {
        "solar cells": _Pictures(
            good,
            [list(others.select(range(first, first + pool)))],
            others.select([*range(judged), *range(first + pool, count)]),
        )
    }
    fitted, each = scale.textile
    if (textile := textile_pictures(fitted, each + pool)) is not None:
        good, others = textile
        kinds = [range(start, start + each + pool) for start in (each + pool, 2 * (each + pool))]
        found["textile"] = _Pictures(
            good,
            [list(others.select(kind[:pool])) for kind in kinds],
            others.select([*range(each), *(row for kind in kinds for row in kind[pool:])]),
        )
    return found


def _apart(pool: Sequence[Any], judged: Any) -> list[Any]:
    """Those of the pool that are not nearly one of the judged pictures."""
    from kenpin.data.dataset import Dataset
    from kenpin.data.duplicates import cluster_of_each, perceptual_hashes

    hashes = [perceptual_hashes(of) for of in (Dataset.from_examples(pool), judged)]
    clusters = cluster_of_each(np.concatenate(hashes))
    near = set(clusters[len(pool) :].tolist())
    return [example for example, cluster in zip(pool, clusters.tolist(), strict=False) if cluster not in near]


def _drawn(pools: Sequence[Sequence[Any]], known: int, draw: int) -> list[Any]:
    """So many in all, as many of each kind as can be."""
    choice, found = np.random.default_rng(draw), list[Any]()
    for number, pool in enumerate(pools):
        share = (known + number) // len(pools)
        found += [pool[at] for at in choice.choice(len(pool), min(share, len(pool)), replace=False)]
    return found


def _scores(good: Any, known: Sequence[Any], judged: Any, where: str, seed: int) -> NDArray[np.float64]:
    from dataclasses import replace

    from kenpin.data.dataset import Dataset
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.models import get_family
    from kenpin.models.contract import Task
    from kenpin.models.passing import outputs_of

    family: Any = get_family("mahalanobis")
    values = {"data": "-", "out": "-", "where": where, "seed": seed, "learn_defects": bool(known)}
    inspector: Any = family.create(family.Options.from_mapping(values), Task((_OK, "defective"), (_OK,)))
    learned = [*good, *(replace(example, label="defective") for example in known)]
    inspector.fit(Dataset.from_examples(learned), NOTHING_SEEN, lambda *_: None)
    return np.concatenate([of["map"].max(axis=(1, 2)) for _, of in outputs_of(inspector, judged)])


def _auroc(scores: NDArray[np.float64]) -> float:
    """Of a half of good ones before one of defective ones."""
    from kenpin.metrics.ranking import auroc

    found = auroc(np.arange(len(scores)) >= len(scores) // 2, scores)
    assert found is not None
    return found


def _told(of_draws: Sequence[NDArray[np.float64]], without: NDArray[np.float64]) -> str:
    """The mean AUROC of the draws, and how much it is above that of none."""
    half, resample = len(without) // 2, np.random.default_rng(0)

    def gain(rows: NDArray[Any]) -> float:
        return float(np.mean([_auroc(scores[rows]) for scores in of_draws]) - _auroc(without[rows]))

    gains = [
        gain(np.concatenate([resample.integers(half, size=half), half + resample.integers(half, size=half)]))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(gains, [2.5, 97.5])
    mean = np.mean([_auroc(scores) for scores in of_draws])
    return f"{mean:.3f} ({gain(np.arange(2 * half)):+.3f}; {low:+.3f} to {high:+.3f})"
