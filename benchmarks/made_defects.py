"""Made defects: what a threshold and layers that they chose are worth on real defects."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale import Scale
from benchmarks.tables import table

_ESCAPE, _OVERKILL, _RATE = 10.0, 1.0, 0.1
_MADE = _KNOWN = 100
"""Made defects, and real ones, that choose."""
_WAYS = ("good cells alone", "made defects", "real defects")
_HEAD = ("where", "good cells", "draws", "threshold chosen by", "escapes", "overkills", "cost per cell (least to most)")
_LAYERS_HEAD = ("where", "good cells", "layers", "AUROC on made defects", "AUROC on real defects",
                "chosen by made ones", "best on real ones")  # fmt: skip


class _Drawn(NamedTuple):
    """Of one draw: AUROC by layers on made and on real defects, and by way of choosing the threshold its escapes,
    overkills and cost."""

    made: dict[tuple[int, ...], float]
    real: dict[tuple[int, ...], float]
    costs: dict[str, tuple[float, float, float]]


def section(scale: Scale, folder: Path) -> str:
    """Solar cells: thresholds and layers chosen by made defects, in draw after draw, judged on real ones."""
    from kenpin.demo import solar_cells
    from kenpin.models.networks.recent_features import RECENT

    os.environ["KENPIN_CACHE"] = str(folder)
    RECENT.limit_bytes = 1 << 30  # of a draw: its fits ask for the same ones
    cells = solar_cells()
    cells.contents()
    labels = np.array(cells.column("label"))
    order = np.random.default_rng(0).permutation(len(cells))
    good, bad = (order[labels[order] == label] for label in ("functional", "defective"))
    judged = scale.made_judged
    rows, layer_rows, gains = [], [], []
    for where, count, draws in scale.made_defects:
        drawn = []
        for number in range(draws):
            choice = np.random.default_rng((count, number))
            chosen, known = choice.choice(good[judged:], count, False), choice.choice(bad[judged:], _KNOWN, False)
            drawn.append(_draw(cells, where, chosen, known, [*good[:judged], *bad[:judged]], number))
            RECENT.forget()  # made cells come once
        rows += _cost_rows(where, count, drawn)
        layer_rows += _layer_rows(where, count, drawn)
        gains.append(_gain(where, count, drawn))
    return (
        f"## Made defects\n\nSolar cells by `train mahalanobis` on EfficientNet-Lite0: so many good ones drawn, "
        f"{_MADE} defects made in copies of them, each scored by a fit without its cell; {judged} good and {judged} "
        f"really defective others judged. An escape costs {_ESCAPE:g}, an overkill {_OVERKILL:g}, and "
        f"{100 * _RATE:g} % of the cells are defective. Beside it the threshold that the good cells give alone, the "
        f"one that {_KNOWN} real defective cells choose in place of the made ones, and the least cost that any cut has "
        "on the judged cells."
        f"\n\n{table(_HEAD, rows)}\nLayers: the mean AUROC of each set, on the made defects that choose and on the "
        "judged real ones, and in how many draws it was the best on either.\n\n"
        f"{table(_LAYERS_HEAD, layer_rows)}\n{' '.join(gains)}\n"
    )


def _draw(
    cells: Any, where: str, chosen: NDArray[Any], known: NDArray[Any], judged: Sequence[int], seed: int
) -> _Drawn:
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.metrics import auroc
    from kenpin.models import get_family
    from kenpin.models.contract import Task
    from kenpin.models.good_parts import OfGoodParts
    from kenpin.predictor import Predictor
    from kenpin.training.crossfit import fits_of_folds, to_be_fitted
    from kenpin.training.folding import plan_folds
    from kenpin.training.made_copies import plan_copies

    family: Any = get_family("mahalanobis")
    assert isinstance(family, OfGoodParts)
    values = {"data": "-", "out": "-", "where": where, "made_defects": _MADE, "defect_rate": _RATE, "seed": seed}
    asked = family.Options.from_mapping(values | {"choose_layers": True})
    task = Task(("functional", "defective"), ("functional",))
    parts, defects, others = cells.select(chosen), cells.select(known), cells.select(judged)
    folding = plan_folds(parts, range(len(parts)), ("functional",), lambda _: None, seed=seed)
    folds = [fold or 0 for fold in folding.folds]
    copies = plan_copies(parts, [False] * len(parts), folds, _MADE, seed=seed)
    is_bad = np.arange(len(others)) >= len(others) // 2
    made_at, real_at = dict[tuple[int, ...], float](), dict[tuple[int, ...], float]()
    costs: dict[str, tuple[float, float, float]] = {}
    for layers in family.layer_sets(asked):
        options = family.on_layers(asked, layers)
        of_copies, of_good, of_defects = dict[int, Any](), dict[int, Any](), dict[int, Any]()
        for fold, predictor in fits_of_folds(family, options, task, parts, folds):
            own = [row for row, of in enumerate(folds) if of == fold]
            some = range(fold, len(defects), folding.count)
            of_copies |= copies.of_fold(predictor, fold)
            of_good |= zip(own, predictor.predict(parts.select(own)), strict=True)
            of_defects |= zip(some, predictor.predict(defects.select(some)), strict=True) if some else ()
        good, real = ([cast(float, one.defect_score) for one in of.values()] for of in (of_good, of_defects))
        made = copies.judged(of_copies).scores
        inspector = to_be_fitted(family, options, task)
        inspector.fit(parts, NOTHING_SEEN, _unheard)
        scores = np.array([one.defect_score for one in Predictor(inspector).predict(others)])
        made_at[layers] = cast(float, auroc([False] * len(good) + [True] * len(made), [*good, *made]))
        real_at[layers] = cast(float, auroc(is_bad, scores))
        if not costs:  # of the usual layers
            costs = _costs(good, made, real, scores, is_bad)
    return _Drawn(made_at, real_at, costs)


def _costs(
    good: Sequence[float], made: Sequence[float], real: Sequence[float], scores: NDArray[Any], is_bad: NDArray[Any]
) -> dict[str, tuple[float, float, float]]:
    """Shares of judged cells that escape and that are overkilled, and the cost of a cell, by way of choosing."""
    from kenpin.quality.made_defects import threshold_from_made_defects
    from kenpin.quality.threshold import threshold_from_costs, threshold_from_good_parts

    costs = {"cost_escape": _ESCAPE, "cost_overkill": _OVERKILL, "defect_rate": _RATE}
    bad = [False] * len(good) + [True] * len(real)
    by_real = threshold_from_costs([*good, *real], bad, **costs, basis="")
    by_made = threshold_from_made_defects(good, made, **costs, cost_review=None, parts="cells")
    least = threshold_from_costs(scores, is_bad, **costs, basis="")
    ways = dict(zip(_WAYS, (threshold_from_good_parts(good, "cells"), by_made, by_real), strict=True))
    found = {}
    for way, threshold in (ways | {"the judged cells themselves": least}).items():
        escapes = float((scores[is_bad] < threshold.fail_from).mean())
        overkills = float((scores[~is_bad] >= threshold.fail_from).mean())
        found[way] = escapes, overkills, _RATE * _ESCAPE * escapes + (1 - _RATE) * _OVERKILL * overkills
    return found


def _cost_rows(where: str, count: int, drawn: Sequence[_Drawn]) -> list[list[str]]:
    rows = []
    for way in drawn[0].costs:
        escapes, overkills, costs = np.array([of.costs[way] for of in drawn]).T
        cost = f"{costs.mean():.3f} ({costs.min():.3f} to {costs.max():.3f})"
        rows.append([where, str(count), str(len(drawn)), way, f"{escapes.mean():.2f}", f"{overkills.mean():.2f}", cost])
    return rows


def _layer_rows(where: str, count: int, drawn: Sequence[_Drawn]) -> list[list[str]]:
    by_made = Counter(_best(of.made) for of in drawn)
    by_real = Counter(_best(of.real) for of in drawn)
    means: dict[tuple[int, ...], list[tuple[float, float]]] = defaultdict(list)
    for of in drawn:
        for layers, area in of.made.items():
            means[layers].append((area, of.real[layers]))
    return [
        [where, str(count), " ".join(map(str, layers)), *(f"{mean:.3f}" for mean in np.mean(pairs, axis=0)),
         str(by_made[layers]), str(by_real[layers])]
        for layers, pairs in means.items()
    ]  # fmt: skip


def _gain(where: str, count: int, drawn: Sequence[_Drawn]) -> str:
    """What the choice by made defects does to the AUROC on real ones."""
    usual = next(iter(drawn[0].real))
    chosen = np.array([of.real[_best(of.made)] for of in drawn])
    before, best = np.array([of.real[usual] for of in drawn]), np.array([max(of.real.values()) for of in drawn])
    return (
        f"With `--where {where}` and {count} good cells the layers that made defects chose have an AUROC of "
        f"{chosen.mean():.3f} on real ones, the usual ones {before.mean():.3f}, and the best set of each draw "
        f"{best.mean():.3f}."
    )


def _best(areas: dict[tuple[int, ...], float]) -> tuple[int, ...]:
    return max(areas, key=lambda layers: areas[layers])


def _unheard(doing: str, done: int, total: int) -> None:
    pass
