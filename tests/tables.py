"""A table of measured parts that several tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

ITEMS = ("length", "width", "mass", "hum", "ripple", "gloss")


def write_table(path: Path, *, good: int = 150, bad: int = 50, seed: int = 0) -> Path:
    """Parts `ok` and `ng`, six items each; the defective ones are wrong in length and width alone. CSV or Parquet."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(6) + 0.2 * rng.normal(size=(6, 6))
    mixing[0, 1] = 0.7  # length and width vary together
    numbers = rng.normal(size=(good + bad, 6)) @ mixing
    numbers[good:, :2] += 4
    order = rng.permutation(good + bad)
    columns = {"id": [f"part {place}" for place in range(good + bad)]}
    columns["label"] = ["ok" if place < good else "ng" for place in order]
    columns["operator"] = ["Mori" if place % 2 else "Sato" for place in order]
    table = pa.table(columns | {name: numbers[order, place] for place, name in enumerate(ITEMS)})
    writer = pyarrow.parquet.write_table if path.suffix == ".parquet" else pyarrow.csv.write_csv
    writer(table, path)
    return path
