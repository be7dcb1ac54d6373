"""Known cases: searching and adding, held against NumPy's look at every vector and a plain file of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kenpin.cases.case import CaseFilter

_DIMENSION = 512
_CENTRES, _FREEDOM = 500, 16
_AT_ONCE = 1_000
_K = 10


def section(scale: Scale, folder: Path) -> str:
    """Time and recall of searches, and the rate of adding."""
    taken = in_fresh_process(search, folder=str(folder), cases=scale.cases, searches=scale.searches)
    shutil.rmtree(folder)
    rows = [
        (
            what,
            *(figure(1e3 * taken[name][place]) for place in (0, 1)),
            figure(taken[name][0] / taken["NumPy"][0]),
            f"{taken[name][2]:.3f}",
        )
        for what, name in {
            "NumPy, every vector": "NumPy",
            "library, every case": "exact",
            "library": "all",
            "library, unwanted cases kept out": "wanted",
        }.items()
    ]
    added, written = scale.cases / taken["add"][0], scale.cases / taken["save"][0]
    return (
        f"## Known cases\n\n{scale.cases:,} cases with vectors of {_DIMENSION} numbers around {_CENTRES} centres, of "
        f"{_FREEDOM} degrees of freedom and a little noise; {scale.searches} searches for {_K} others, one at a time. "
        f"{_AT_ONCE:,} at a time, {figure(added)} cases a second are added, {figure(written / added)} times slower "
        f"than NumPy writes their vectors alone; tending the library then takes {figure(taken['tend'][0])} s.\n\n"
        + table(("search", "median ms", "99 % within ms", "median / NumPy", f"recall at {_K}"), rows)
    )


def search(folder: str, cases: int, searches: int) -> Figures:
    """In the child: seconds of adding and tending; of each way of searching the median, the 99th percentile, and the
    recall."""
    import numpy as np

    from kenpin.cases.case import EVERY_CASE, Case, CaseFilter, CaseVerdict, VectorRun
    from kenpin.cases.library import CaseLibrary

    vectors = _vectors(cases + searches)
    kept, queries = vectors[:cases], vectors[cases:]
    is_wanted = np.arange(cases) % 3 > 0
    verdicts = [CaseVerdict.POSITIVE if wanted else CaseVerdict.NEGATIVE for wanted in is_wanted]
    known = [Case(f"{n:032x}", f"/pictures/{n}.png", verdict, "scratch") for n, verdict in enumerate(verdicts)]
    library = CaseLibrary.create(f"{folder}/library", VectorRun("0" * 32, "run", "run"), _DIMENSION)

    def add() -> None:
        for start in range(0, cases, _AT_ONCE):
            library.add(known[start : start + _AT_ONCE], kept[start : start + _AT_ONCE])

    adding = {
        "add": seconds_of(add, 1),
        "save": seconds_of(lambda: np.save(f"{folder}/vectors.npy", kept), 1),
        "tend": seconds_of(library.tend, 1),
    }
    directions = kept / np.linalg.norm(kept, axis=1, keepdims=True)

    def by_numpy(query: NDArray[np.float32]) -> set[int]:
        return set(np.argpartition(-(directions @ query), _K)[:_K].tolist())

    def wanted_by_numpy(query: NDArray[np.float32]) -> set[int]:
        return set(np.argsort(np.where(is_wanted, -(directions @ query), np.inf))[:_K].tolist())

    def by_library(among: CaseFilter, exactly: bool = False) -> Callable[[NDArray[np.float32]], set[int]]:
        def found(query: NDArray[np.float32]) -> set[int]:
            (nearest,) = library.search(query[None], k=_K, among=among, exactly=exactly)
            return {int(one.case.id, 16) for one in nearest}

        return found

    right, right_wanted = [by_numpy(query) for query in queries], [wanted_by_numpy(query) for query in queries]
    wanted = CaseFilter(verdicts=(CaseVerdict.POSITIVE,))
    return adding | {
        "NumPy": _timed(by_numpy, queries, right),
        "exact": _timed(by_library(EVERY_CASE, exactly=True), queries, right),
        "all": _timed(by_library(EVERY_CASE), queries, right),
        "wanted": _timed(by_library(wanted), queries, right_wanted),
    }


def _timed(way: Callable[[Any], set[int]], queries: NDArray[np.float32], right: list[set[int]]) -> list[float]:
    """Median seconds of a search, the 99th percentile, and the mean share of the right ones found."""
    import numpy as np

    way(queries[0])  # the first call loads and wakes what the others use
    seconds, shares = [], []
    for query, those in zip(queries, right, strict=True):
        started = time.perf_counter()
        found = way(query)
        seconds.append(time.perf_counter() - started)
        shares.append(len(those & found) / _K)
    return [*np.percentile(seconds, [50, 99]).tolist(), float(np.mean(shares))]


def _vectors(count: int) -> NDArray[np.float32]:
    """Around centres in a few directions, with a little noise in all: as alike as learned vectors are. (count, 512)."""
    import numpy as np

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(_CENTRES, _FREEDOM))
    spread = (rng.normal(size=(_FREEDOM, _DIMENSION)) / _FREEDOM**0.5).astype(np.float32)
    near = centres[rng.integers(0, _CENTRES, count)] + 0.7 * rng.normal(size=(count, _FREEDOM))
    vectors: NDArray[np.float32] = near.astype(np.float32) @ spread
    vectors += 0.1 * rng.standard_normal(vectors.shape, np.float32)
    return vectors
