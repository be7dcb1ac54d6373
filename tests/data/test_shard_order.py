"""The order of shards: every picture once, the same for the same seed, epoch and shards, each block fetched once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data import in_shards, load_dataset
from kenpin.data.in_shards import address, fetched_with, of_tar
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.shard_order import shard_order
from kenpin.errors import DatasetError
from kenpin.records import ImageSource
from tests.data.shards import write_parquets
from tests.pictures import write_parts

BLOCK = 8 * 1024**2
paths_of_stores = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5 * BLOCK)).map(
        lambda at: of_tar(f"s3://lake/{at[0]}.tar", at[1] + 512, 100, "a.png")
    )
    | st.sampled_from(["here.png", "b/1.tar::o512+10::a.png"]),
    min_size=1,
    max_size=60,
)


@given(paths_of_stores, st.integers(0, 9), st.integers(0, 9), st.integers(1, 4))
def test_each_picture_once_and_each_block_in_one_window(paths: list[str], seed: int, epoch: int, blocks: int) -> None:
    order = shard_order(paths, seed, epoch, blocks * BLOCK)
    if order is None:
        assert not any(map(fetched_with, paths))
        return
    assert sorted(order) == list(range(len(paths)))
    assert order == shard_order(list(paths), seed, epoch, blocks * BLOCK)
    # a block that was left for others is not come back to, and no more are open at a time than have room
    units = [fetched_with(paths[row]) for row in order]
    opened = [
        {unit for unit in units[: at + 1] if unit} & {unit for unit in units[at:] if unit} for at in range(len(units))
    ]
    assert all(len(some) <= blocks for some in opened)


def test_epochs_and_seeds_differ() -> None:
    paths = [of_tar(f"s3://lake/{shard}.tar", 512 + BLOCK * row, 9, "a.png") for shard in range(6) for row in range(9)]
    orders = [shard_order(paths, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order or ()) for order in orders}) == 4


def test_a_row_group_is_read_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = load_dataset(write_parts(tmp_path / "parts", count=20))
    write_parquets(parts, tmp_path / "shards", 10, rows=4)
    paths = [path or "" for path in load_dataset(tmp_path / "shards", format="parquet").files()]
    read: list[tuple[str, int]] = []
    pictures_of = in_shards._pictures_of

    def counted(shard: str, group: int) -> object:
        read.append((shard, group))
        return pictures_of(shard, group)

    largest = max(in_shards.fetched_bytes(*unit) for path in paths if (unit := fetched_with(path)))
    monkeypatch.setattr(in_shards, "_pictures_of", counted)
    recent = in_shards._Recent[object](4 * largest)
    monkeypatch.setattr(in_shards, "_recent_of", lambda process: recent)
    order = shard_order(paths, 3, 0, 2 * largest)
    assert order is not None
    for row in order:
        read_bytes_once(ImageSource(paths[row]))
    assert len(read) == len(set(read)) == 12, "four files of three row groups"


def test_a_shard_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shard_order([address(str(tmp_path / "a.parquet"), "g0r0", "a.png")], 0, 0)
    with pytest.raises(DatasetError):
        load_dataset(tmp_path / "a.parquet", format="parquet")
