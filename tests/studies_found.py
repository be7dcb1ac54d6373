"""Findings of every study and each of its branches, as their commands write them: for tests of pages and languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import kenpin
from kenpin.quality.costs import Prices
from kenpin.records import Threshold
from kenpin.report.findings import Findings
from kenpin.studies import Embeddings, Rows, study_drift, study_gage, study_succession, study_threshold
from tests.pictures import part
from tests.quality.published import MANUAL
from tests.quality.test_succession import BEFORE, NOW, PRICES, candidate

NAMES = {"Aiko", "Ben", "Cleo", "width", "lot7", "lot8", "Monday", "Tuesday", "scratch", "old-run", "new-run", "x"}
"""What users called theirs: appraisers, classes, lots, columns, runs, parts and files."""
SYMBOLS = {"EWMA", "AUROC", "AIAG", "GRR", "R", "F", "Cohen", "Fleiss", "kappa", "csv", "json", "png", "NG", "McNemar"}
SYMBOLS |= {"--cost-escape", "--cost-overkill", "--defect-rate", "distance", "value", "ok"}
"""Alike in all languages; and names of options, of columns and of a class, as kenpin itself has them."""


def _gages() -> Iterator[tuple[str, Findings]]:
    index = np.indices(MANUAL.shape).reshape(3, -1)
    named = {"part": index[0], "appraiser": np.array(["Aiko", "Ben", "Cleo"])[index[1]], "trial": index[2]}
    values = {"width": MANUAL.ravel()}
    for tolerance in (2.0, 8.0, 100.0):
        yield (
            f"gage of a tolerance of {tolerance:g}",
            study_gage(Rows.of("lot7.csv", **named, **values), value="width", tolerance=tolerance),
        )
    rough = np.random.default_rng(0).normal(size=MANUAL.size)
    yield "gage that is no use", study_gage(Rows.of("lot7.csv", **named, value=rough))
    fine = index[0] + 0.01 * np.random.default_rng(0).normal(size=MANUAL.size)
    yield "gage that is good", study_gage(Rows.of("lot7.csv", **named, value=fine))
    crossed = index[0] * (index[1] - 1.0) + 0.1 * index[2]
    yield "gage with an interaction", study_gage(Rows.of("lot7.csv", **named, value=crossed))
    few = [{"part": p, "trial": t, "value": float(p)} for p in range(2) for t in range(2)]
    yield "gage that tells all apart, of whom nobody is named", study_gage(Rows(few, "lot7.csv"))
    yield "one part", study_gage(Rows([{"part": 1, "trial": t, "verdict": "OK"} for t in range(2)], "lot7.csv"))
    for name, wrong in (("marginal", 6), ("unacceptable", 9)):
        for truth in (True, False):
            yield (
                f"verdicts that are {name}, with{'' if truth else 'out'} truth",
                study_gage(Rows(list(_verdicts(wrong, truth=truth)), "lot7.csv")),
            )
    yield "verdicts as the truth", study_gage(Rows(list(_verdicts(0, truth=True, nameless=True)), "lot7.csv"))
    yield "all alike", study_gage(Rows(list(_verdicts(0, truth=False, only="OK")), "lot7.csv"))


def _verdicts(wrong: int, *, truth: bool, nameless: bool = False, only: str | None = None) -> Iterator[dict[str, Any]]:
    for row in range(60):
        right = only or ("NG" if row % 2 else "OK")
        for who in ("Aiko", None) if nameless else ("Aiko", "Ben"):
            for trial in range(2):
                said = ("OK" if right == "NG" else "NG") if row < wrong and trial else right
                yield (
                    {"part": row, "trial": trial, "verdict": said}
                    | ({} if who is None else {"appraiser": who})
                    | ({"reference": right} if truth else {})
                )


def _rows(scores: ArrayLike, defective: ArrayLike, where: str = "lot7.csv", **columns: ArrayLike) -> Rows:
    return Rows.of(where, defect_score=scores, defective=defective, **columns)


def _thresholds() -> Iterator[tuple[str, Findings]]:
    rng = np.random.default_rng(0)
    bad = np.arange(200) % 5 == 0
    near, far = rng.normal(size=200) + 1.5 * bad, rng.normal(size=200) + 9 * bad
    prices: dict[str, Any] = {"cost_escape": 10.0, "cost_overkill": 1.0}
    other = _rows(rng.normal(size=90) + 1.5 * (np.arange(90) % 5 == 0), np.arange(90) % 5 == 0, "lot8.csv")
    for name, scores in (("near", near), ("far", far), ("equal", np.ones(200)), ("against the truth", -near)):
        for review in (None, 0.2):
            for rate in (None, 0.01):
                yield (
                    f"threshold by {name} scores, a review {review}, rate {rate}",
                    study_threshold(_rows(scores, bad), **prices, cost_review=review, defect_rate=rate, test=other),
                )
    yield "threshold by scores of chance", study_threshold(_rows(rng.normal(size=200), bad), **prices)
    yield "threshold of other costs", study_threshold(_rows(near, bad), cost_escape=3.0, cost_overkill=1.0)
    yield "a review for nearly nothing", study_threshold(_rows(near, bad), **prices, cost_review=1e-6)
    yield "an escape for nearly nothing", study_threshold(_rows(near, bad), cost_escape=1e-6, cost_overkill=1.0)
    yield "an overkill for nearly nothing", study_threshold(_rows(near, bad), cost_escape=1e6, cost_overkill=1e-6)
    yield "few parts", study_threshold(_rows([0.5, 0.5], [False, True]), **prices, test=_rows([0.1], [False]))
    yield "few parts apart", study_threshold(_rows([0.1, 0.2, 0.9], [False, False, True]), **prices, cost_review=0.3)
    for count in (1, 20, 150):
        good = _rows(rng.normal(size=count), [False] * count)
        for test in (None, other, _rows([5.0], [True]), good):
            yield f"{count} good parts, tested on {test and len(test)}", study_threshold(good, **prices, test=test)
    ids = [f"x{n}.png" for n in range(10)]
    for name, bad_parts in (("both kinds", [False] * 7 + [True] * 3), ("good ones", [False] * 10)):
        scores = np.linspace(0, 1, 10)
        now = _rows(scores, bad_parts, id=ids, verdict=["PASS"] * 6 + ["FAIL", "PASS", "FAIL", "FAIL"])
        before = _rows(scores, bad_parts, "lot8.json", id=ids, verdict=["FAIL"] * 4 + ["PASS"] * 6)
        yield f"against an earlier run, {name}", study_threshold(now, **prices, against=before)
        one = replace(before, rows=before.rows[:1])
        yield f"against an earlier run, {name}, one part", study_threshold(now, **prices, against=one)
        last = replace(before, rows=before.rows[-1:])
        yield f"against an earlier run, {name}, the last part", study_threshold(now, **prices, against=last)


def _drifts() -> Iterator[tuple[str, Findings]]:
    rng = np.random.default_rng(0)
    before = Rows.of("lot8.csv", distance=rng.gamma(4, 0.25, 500), verdict=["PASS", "FAIL"] * 250)
    for name, scores, verdicts in (
        ("nothing", rng.gamma(4, 0.25, 60), ["PASS", "FAIL"] * 30),
        ("more", 9 + rng.gamma(4, 0.25, 60), ["FAIL"] * 60),
        ("less", np.full(60, 1e-6), ["PASS"] * 60),
    ):
        new = {"distance": scores, "verdict": verdicts, "id": [f"x{n}.png" for n in range(60)]}
        yield f"drift: {name}", study_drift(Rows.of("lot7.csv", **new), before, arl=10_000)
        yield f"drift: {name}, in lots", study_drift(Rows.of("lot7.csv", **new, lot=["Monday", "Tuesday"] * 30), before)
        yield f"drift: {name}, one part", study_drift(Rows.of("lot7.csv", distance=scores[:1]), before)
    near, far = (Embeddings(rng.normal(size=(60, 5)) + by, [f"x{n}" for n in range(60)]) for by in (0, 3))
    beside = Embeddings(rng.normal((0.9, 0, 0, 0, 0), size=(60, 5)), near.ids)
    for name, new_ones in (("here", near), ("far", far), ("beside", beside)):
        yield f"embeddings: {name}", study_drift(before, before, arl=1e4, embeddings=(new_ones, near))


def _successions() -> Iterator[tuple[str, Findings]]:
    pictures = kenpin.load_dataset(
        [*((part(seed, scratched=False), "ok") for seed in range(8))]
        + [(part(50 + seed, scratched=True), "scratch") for seed in range(6)]
    )
    contents = pictures.contents()
    plain = Threshold(0.5, None, "good parts alone")
    reviews = Threshold(0.5, 0.15, "by hand", cost_escape=10.0, cost_overkill=1.0)

    def found(now: Sequence[float], prices: Prices | None = None, dataset: Any = pictures, **of: Any) -> Findings:
        old, new = ({key: value[n] for key, value in of.items()} for n in range(2))
        pair = candidate("old-run", pictures, BEFORE, **old), candidate("new-run", pictures, now, **new)
        return study_succession(*pair, dataset, prices=prices).findings()

    yield "succession", found(NOW)
    yield "succession with prices", found(NOW, PRICES)
    yield "succession to the same", found(BEFORE)
    yield "succession with reviews", found(NOW, threshold=(plain, reviews))
    yield "succession to reviews", found(BEFORE[::-1], threshold=(reviews, reviews))
    yield "succession to escapes", found([0.9] * 8 + [0.1] * 6)
    yield "succession without costs", found(NOW, threshold=(plain, plain))
    yield "succession without thresholds", found(NOW, threshold=(None, None), known=(False, True))
    yield "succession of what was seen", found(NOW, seen=(contents[:1], contents[1:4]))
    yield "succession of good parts alone", found(NOW, seen=(contents[8:], ()))
    for_sixty = kenpin.load_dataset([(part(seed, scratched=False), "ok") for seed in range(60)])
    old, new = (candidate(name, for_sixty, [score] * 60) for name, score in (("old-run", 0.9), ("new-run", 0.1)))
    yield "succession with many changes", study_succession(old, new, for_sixty).findings()


_OF_KINDS = {"gage": _gages, "threshold": _thresholds, "drift": _drifts, "succession": _successions}
KINDS = tuple(_OF_KINDS)


@cache
def found(kind: str) -> dict[str, Findings]:
    """Findings of a kind, by what they are of."""
    return dict(_OF_KINDS[kind]())


def everything() -> list[Findings]:
    """Findings of all kinds."""
    return [one for kind in KINDS for one in found(kind).values()]
