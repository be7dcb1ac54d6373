"""The index of a journal: every offset is found again, whatever is added in which order, in few bytes."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.inspection import offsets
from kenpin.inspection.offsets import PartOffsets

KEYS = st.tuples(st.text(max_size=3), st.text(alphabet="0a", max_size=2))


@given(st.lists(KEYS, max_size=80), st.integers(1, 7))
def test_every_offset_is_found_again(keys: list[tuple[str, str]], recent: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(offsets, "_RECENT", recent)
        index = PartOffsets()
        for offset, key in enumerate(keys):
            index.add(key, offset)
        assert len(index) == len(keys)
        for key in {*keys, ("none", "f")}:
            assert sorted(index.of(key)) == [offset for offset, one in enumerate(keys) if one == key]


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 7))
def test_parts_of_one_hash_are_all_named(hashes: list[int], recent: int) -> None:
    """The hash is of eight bytes, and two parts may share it: who asks looks at the lines."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(offsets, "_RECENT", recent)
        patched.setattr(offsets, "_hash_of", lambda key: int(key[0]))
        index = PartOffsets()
        for offset, one in enumerate(hashes):
            index.add((str(one), f"{offset}"), offset)
        for one in range(6):
            assert sorted(index.of((str(one), ""))) == [place for place, found in enumerate(hashes) if found == one]


def test_many_parts_take_little_memory() -> None:
    parts = 200_000
    tracemalloc.start()
    try:
        index = PartOffsets()
        for number in range(parts):
            index.add((f"camera/{number:08}.png", "0123456789abcdef0123456789abcdef"), number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 30 * parts + 3_000_000, f"{taken / parts:.0f} bytes a part"
    assert index.of(("camera/00077777.png", "0123456789abcdef0123456789abcdef")) == [77_777]
