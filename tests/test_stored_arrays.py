"""Arrays in .npz files are read in place as NumPy reads them, whatever their shape and whoever wrote them."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kenpin.stored_arrays import first_array, mapped_array


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 7), st.text("abc", min_size=1, max_size=80))
def test_rows_that_were_written_in_pieces_are_read_in_place(rows: int, columns: int, piece: int, name: str) -> None:
    values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.npz"
        with zipfile.ZipFile(file, "w") as archive, first_array(archive, name, values.shape) as written:
            for first in range(0, rows, piece):
                written.write(values[first : first + piece].tobytes())
        with np.load(file) as loaded:
            assert np.array_equal(loaded[name], values)
        found = mapped_array(file, name)
        assert found is not None
        assert np.array_equal(found, values)
        assert found.flags.aligned
        assert isinstance(found, np.memmap) or not rows


def test_what_numpy_wrote_is_read_in_place_or_not_at_all(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", values=values, turned=values.T, wide=values.astype(np.float64))
        for name in ("values", "turned", "wide"):
            found = mapped_array(tmp_path / "a.npz", name)
            assert found is None or (name == "values" and np.array_equal(found, values) and found.flags.aligned)
