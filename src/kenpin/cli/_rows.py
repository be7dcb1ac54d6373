"""Rows for the commands on decisions: CSV and Parquet tables, and what `predict` and `evaluate` write as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kenpin.cli import _show
from kenpin.errors import DatasetError
from kenpin.files import read_json
from kenpin.plural import counted, is_are

Row = dict[str, Any]
_SCORES = ("defect_score", "uncalibrated_score", "distance")  # of a prediction


def read_rows(path: Path) -> list[Row]:
    """The rows of a table or of a file of predictions; an empty cell is None.

    Predictions of pictures that their inspector has learned from are left out, and told of: no decision may rest on
    them. Raises DatasetError, RunError.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file; give a CSV or Parquet table, or the JSON of predictions.")
    if path.suffix == ".json":
        return _unseen(path, _said(path, read_json(path)))
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found: list[Row] = pq.read_table(path).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path}: cannot be read as Parquet; export it again.") from error
    else:
        found = _of_csv(path)
    if not found:
        raise DatasetError(f"{path}: holds no row; give one for each decision or measurement.")
    return found


def joined(rows: Iterable[Row], mapping: Path) -> list[Row]:
    """Rows of predictions with the columns that a table tells of their `id`: a path, or its last part alone.

    Raises DatasetError where the table has no line for one.
    """
    table = read_rows(mapping)
    if "id" not in table[0]:
        raise DatasetError(f"{mapping}: has no column `id`; add one with the paths of the predicted pictures.")
    told = {str(row["id"]): row for row in table}
    result = []
    for row in rows:
        name = str(row["id"]) if "id" in row else None
        more = None if name is None else told.get(name) or told.get(Path(name).name)
        if name is not None and more is None:
            raise DatasetError(f"{mapping}: has no line for {name}; add one, or leave that prediction out.")
        result.append({**row, **{key: value for key, value in (more or {}).items() if key != "id"}})
    return result


def column(rows: Sequence[Mapping[str, Any]], name: str, where: object) -> list[str]:
    """A column as words. Raises DatasetError where it is absent or a cell is empty."""
    for number, row in enumerate(rows, 1):
        if row.get(name) is None:
            raise DatasetError(f"{where}: row {number} has no `{name}`; fill the column, or leave the row out.")
    return [str(row[name]) for row in rows]


def numbers(rows: Sequence[Mapping[str, Any]], name: str, where: object) -> list[float]:
    """A column of finite numbers. Raises DatasetError."""
    from math import isfinite

    found = []
    for number, word in enumerate(column(rows, name, where), 1):
        try:
            found.append(float(word))
        except ValueError:
            found.append(float("nan"))
        if not isfinite(found[-1]):
            raise DatasetError(f"{where}: row {number} has {word!r} for `{name}`; give a finite number.")
    return found


def _of_csv(path: Path) -> list[Row]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8 text; export it again as CSV in UTF-8.") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise DatasetError(
                f"{path} line {reader.line_num}: has more or fewer cells than the first line; give one for each column."
            )
        rows.append({key.strip(): value.strip() or None for key, value in row.items()})
    return rows


def _unseen(path: Path, rows: Sequence[Row]) -> list[Row]:
    unseen = [row for row in rows if not row.pop("seen")]
    if not unseen:
        raise DatasetError(
            f"{path}: its inspector has learned from every one of these pictures, so they say nothing about others; "
            "give predictions of pictures that it has not seen."
        )
    if left_out := len(rows) - len(unseen):
        _show.say(
            f"{path}: {left_out} of {counted(len(rows), 'row')} {is_are(left_out)} left out: the inspector has seen "
            "them."
        )
    return unseen


def _said(path: Path, values: Mapping[str, Any]) -> list[Row]:
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
