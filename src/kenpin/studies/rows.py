"""Rows of decisions or measurements: CSV and Parquet tables, what `predict` and `evaluate` write as JSON, or arrays."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import DatasetError
from kenpin.files import read_json
from kenpin.plural import counted, is_are

Row = Mapping[str, Any]
_SCORES = ("defect_score", "uncalibrated_score", "distance")  # of a prediction


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by column; a cell that is None, or absent, is empty."""

    rows: Sequence[Row]
    where: str = "rows"
    """The file that they stand in, for messages."""

    @classmethod
    def of(cls, where: str = "rows", **columns: ArrayLike) -> Rows:
        """Rows of arrays, each (n,), by the names of the columns; without ids they are numbered from 1."""
        lists = {name: np.asarray(values).tolist() for name, values in columns.items()}
        rows = [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
        return cls([{"id": str(number), **row} for number, row in enumerate(rows, 1)], where)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """The file's name without its folder and ending."""
        return Path(self.where).stem

    def has(self, column: str) -> bool:
        """Whether any row has it."""
        return any(row.get(column) is not None for row in self.rows)

    def having(self, columns: Sequence[str]) -> Rows:
        """The rows that have all of these."""
        return replace(self, rows=[row for row in self.rows if all(row.get(name) is not None for name in columns)])

    def column(self, name: str) -> list[str]:
        """A column as words. Raises DatasetError where it is absent or a cell is empty."""
        for number, row in enumerate(self.rows, 1):
            if row.get(name) is None:
                raise DatasetError(
                    f"{self.where}: row {number} has no `{name}`; fill the column, or leave the row out."
                )
        return [str(row[name]) for row in self.rows]

    def numbers(self, name: str) -> list[float]:
        """A column of finite numbers. Raises DatasetError."""
        found = []
        for number, word in enumerate(self.column(name), 1):
            try:
                found.append(float(word))
            except ValueError:
                found.append(float("nan"))
            if not isfinite(found[-1]):
                raise DatasetError(f"{self.where}: row {number} has {word!r} for `{name}`; give a finite number.")
        return found

    def joined(self, mapping: Rows) -> Rows:
        """Rows of predictions with the columns that a table tells of their `id`: a path, or its last part alone.

        Raises DatasetError where the table has no line for one.
        """
        if not mapping.has("id"):
            raise DatasetError(
                f"{mapping.where}: has no column `id`; add one with the paths of the predicted pictures."
            )
        told = {str(row["id"]): row for row in mapping.rows}
        result = []
        for row in self.rows:
            name = str(row["id"]) if "id" in row else None
            more = None if name is None else told.get(name) or told.get(Path(name).name)
            if name is not None and more is None:
                raise DatasetError(f"{mapping.where}: has no line for {name}; add one, or leave that prediction out.")
            result.append({**row, **{key: value for key, value in (more or {}).items() if key != "id"}})
        return replace(self, rows=result)


def read_rows(path: str | Path, say: Callable[[str], None] = lambda _: None) -> Rows:
    """The rows of a table or of a file of predictions.

    Predictions of pictures that their inspector has learned from are left out, and told of: no decision may rest on
    them. Raises DatasetError, RunError.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder, and a file is needed here" if path.is_dir() else "there is no such file"
        raise DatasetError(f"{path}: {what}; give a CSV or Parquet table, or the JSON of predictions.")
    if path.suffix == ".json":
        return Rows(_unseen(path, _said(path, read_json(path)), say), str(path))
    found = _of_parquet(path) if path.suffix == ".parquet" else _of_csv(path)
    if not found:
        raise DatasetError(f"{path}: holds no row; give one for each decision or measurement.")
    return Rows(found, str(path))


def _of_parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[Row] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet; export it again.") from error
    return found


def _of_csv(path: Path) -> list[Row]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8 text; export it again as CSV in UTF-8.") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    rows: list[Row] = []
    for row in reader:
        if None in row or None in row.values():
            raise DatasetError(
                f"{path} line {reader.line_num}: has more or fewer cells than the first line; give one for each column."
            )
        rows.append({key.strip(): value.strip() or None for key, value in row.items()})
    return rows


def _unseen(path: Path, rows: Sequence[dict[str, Any]], say: Callable[[str], None]) -> list[Row]:
    unseen: list[Row] = [row for row in rows if not row.pop("seen")]
    if not unseen:
        raise DatasetError(
            f"{path}: its inspector has learned from every one of these pictures, so they say nothing about others; "
            "give predictions of pictures that it has not seen."
        )
    if left_out := len(rows) - len(unseen):
        say(
            f"{path}: {left_out} of {counted(len(rows), 'row')} {is_are(left_out)} left out: the inspector has seen "
            "them."
        )
    return unseen


def _said(path: Path, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = values.get("predictions", values.get("judged"))
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and "id" in row for row in rows):
        raise DatasetError(f"{path}: holds no predictions; write it with `kenpin predict --json` or `evaluate --json`.")
    if "judged" not in values:
        return [{name: row.get(name) for name in ("id", "label", "verdict", "seen", *_SCORES)} for row in rows]
    # of an evaluation the label is the truth, and what was predicted lies one level deeper
    return [
        {
            "id": row["id"],
            "path": row.get("path"),
            "verdict": row.get("verdict"),
            **{name: row.get("prediction", {}).get(name) for name in _SCORES},
            "truth": row.get("label"),
            "defective": row.get("defective"),
            "seen": row.get("seen"),
        }
        for row in rows
    ]
