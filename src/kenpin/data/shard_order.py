"""The order in which a training reads shards: shuffled, yet so that what is fetched together is used together.

An order over all pictures would fetch a block or row group anew for each of them. Here blocks and row groups are
shuffled, as many as are kept are read from at a time, and the pictures of these are shuffled together.
# As the shuffle of shards with a buffer behind it, of WebDataset and tf.data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kenpin.data.in_shards import KEPT_BYTES, fetched_bytes, fetched_with


def shard_order(
    paths: Sequence[str | None], seed: int, epoch: int, room_bytes: int = KEPT_BYTES // 2
) -> list[int] | None:
    """The rows of these pictures in the order of an epoch, a function of the arguments alone; None where each picture
    is fetched by itself, so that any order will do.

    room_bytes: of the blocks and row groups that are read from at a time, one at least. Raises OSError, ValueError
    where a shard is gone.
    """
    together: dict[tuple[str, int], list[int]] = {}
    alone: list[int] = []
    for row, path in enumerate(paths):
        unit = None if path is None else fetched_with(path)
        (alone if unit is None else together.setdefault(unit, [])).append(row)
    if not together:
        return None
    draw = np.random.default_rng((seed, epoch))
    # pictures that are fetched by themselves go anywhere between the others
    units = [*together, *(("", row) for row in alone)]
    order: list[int] = []
    window: list[int] = []
    held = 0
    for index in draw.permutation(len(units)).tolist():
        shard, number = units[index]
        rows, size = (together[shard, number], fetched_bytes(shard, number)) if shard else ([number], 0)
        if window and held + size > room_bytes:
            order.extend(draw.permutation(window).tolist())
            window, held = [], 0
        window += rows
        held += size
    order.extend(draw.permutation(window).tolist())
    return order
