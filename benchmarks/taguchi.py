"""Unit spaces at size: fit and score of many vectors beside the bare products, memory, shards, and item selection."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import duration, figure, megabytes, table

_ITEMS = 512
_SHARDS = 7
_DEFECTIVE = 200


def section(scale: Scale) -> str:
    """Times beside the bare products; what shards differ by; working memory; item selection."""
    taken = in_fresh_process(measure, vectors=scale.vectors, repetitions=scale.repetitions)
    held = [
        in_fresh_process(working_memory, vectors=count)["bytes"][0] for count in (scale.vectors // 4, scale.vectors)
    ]
    selected = in_fresh_process(select, items=scale.selected)
    works = {
        "fit without ridge": ("fit", "product"),
        "fit with Ledoit and Wolf's ridge": ("fit with ridge", "product"),
        "score": ("score", "score bare"),
    }
    rows = [
        (what, duration(taken[bare]), duration(taken[name]), f"{min(taken[name]) / min(taken[bare]):.2f}")
        for what, (name, bare) in works.items()
    ]
    head = ("work", "bare products in float32, s", "all, s", "all / bare")
    return (
        f"## Unit spaces\n\n{scale.vectors:,} vectors of {_ITEMS} items in float32. Bare is what cannot be done "
        "without, by NumPy in the vectors' own float32: the product XᵀX, of which BLAS computes one half; for scores "
        "the product with the inverse and the sums of the rows. The unit space computes all of it in float64.\n\n"
        + table(head, rows)
        + f"\nFitted in {_SHARDS} shards of unequal size and joined, the greatest relative difference of a score is "
        f"{taken['shards apart'][0]:.0e}. Fit and score hold, beside the vectors, {megabytes(held[0])} MB for "
        f"{scale.vectors // 4:,} vectors and {megabytes(held[1])} MB for {scale.vectors:,}, of which one number a "
        f"vector is the scores.\n\nItem selection of {scale.selected:,} items by {_DEFECTIVE} defective parts: "
        f"{selected['runs'][0]:.0f} runs of the orthogonal array in {figure(selected['seconds'][0])} s.\n"
    )


def measure(vectors: int, repetitions: int) -> Figures:
    """In the child: seconds of each work and of its bare products; how far shards are from the whole."""
    import numpy as np

    from kenpin.taguchi import Moments, UnitSpace, sum_of_fourth_powers

    x = _vectors(vectors)
    space = UnitSpace().fit(x)
    inverse = space.precision_.astype(np.float32)
    product, rows = np.empty((_ITEMS, _ITEMS), np.float32), 8_192
    rotated, sums = np.empty((rows, _ITEMS), np.float32), np.empty(vectors, np.float32)

    def score_bare() -> None:
        for start in range(0, vectors, rows):
            block = x[start : start + rows]
            part = np.matmul(block, inverse, out=rotated[: len(block)])
            np.einsum("ij,ij->i", part, block, out=sums[start : start + rows])

    works: dict[str, Callable[[], object]] = {
        "product": lambda: np.matmul(x.T, x, out=product),
        "fit": lambda: UnitSpace(ridge=0).fit(x),
        "fit with ridge": lambda: UnitSpace().fit(x),
        "score bare": score_bare,
        "score": lambda: space.score_samples(x),
    }
    figures = {name: seconds_of(work, repetitions) for name, work in works.items()}
    shards = np.split(x, np.cumsum(np.arange(1, _SHARDS) * vectors // 28))
    joined = sum((Moments.of(shard) for shard in shards[1:]), Moments.of(shards[0]))
    fourth_powers = sum(sum_of_fourth_powers(shard, joined) for shard in shards)
    apart = UnitSpace().fit_moments(joined, fourth_powers).score_samples(x[:10_000])
    return figures | {"shards apart": [float(np.abs(apart / space.score_samples(x[:10_000]) - 1).max())]}


def working_memory(vectors: int) -> Figures:
    """In the child: the most bytes that fit and score hold at a time beside the vectors."""
    import tracemalloc

    from kenpin.taguchi import UnitSpace

    x = _vectors(vectors)
    tracemalloc.start()
    UnitSpace().fit(x).score_samples(x)
    return {"bytes": [float(tracemalloc.get_traced_memory()[1])]}


def select(items: int) -> Figures:
    """In the child: seconds of an item selection, by the default number of factors."""
    import numpy as np

    from kenpin.taguchi import Moments
    from kenpin.taguchi.selection import select_items

    rng = np.random.default_rng(0)
    moments = Moments.of(rng.normal(size=(2 * items, items)))
    defective = rng.normal(1, size=(_DEFECTIVE, items))
    found: list[int] = []
    seconds = seconds_of(lambda: found.append(select_items(moments, defective, ridge=0.1).runs), 1)
    return {"seconds": seconds, "runs": [float(found[0])]}


def _vectors(count: int):  # type: ignore[no-untyped-def]
    """Correlated vectors in float32, made block by block."""
    import numpy as np

    rng = np.random.default_rng(0)
    mixing = (np.eye(_ITEMS) + 0.05 * rng.normal(size=(_ITEMS, _ITEMS))).astype(np.float32)
    x = np.empty((count, _ITEMS), np.float32)
    for start in range(0, count, 10_000):
        block = x[start : start + 10_000]
        np.matmul(rng.standard_normal(block.shape, np.float32), mixing, out=block)
        block += 3
    return x
