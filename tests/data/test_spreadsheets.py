"""Cells that begin a formula are told, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.data.spreadsheets import formula_note, is_formula
from kenpin.records import Example, ImageSource
from tests.builders import write_picture
from tests.commands import Run

CALL = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize("cell", [CALL, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-x"])
def test_what_begins_a_formula(cell: str) -> None:
    assert is_formula(cell)


@pytest.mark.parametrize("cell", ["", "-", "+", "-5", "+3.2", "-1e-3", "ok", "a=b", "1-2", "'=1"])
def test_what_begins_none(cell: str) -> None:
    assert not is_formula(cell)


def test_every_column_is_looked_at() -> None:
    def note(**columns: object) -> str | None:
        example = Example("a.png", ImageSource("a.png"), **columns)  # type: ignore[arg-type]
        return formula_note(Dataset.from_examples([example]))

    assert note(label="ok", group="7", attributes={"depth": "-3"}) is None
    for columns in ({"label": CALL}, {"group": CALL}, {"attributes": {"note": CALL}}, {"attributes": {CALL: "1"}}):
        assert "1 text in the table, " in (note(**columns) or "")


def test_a_converted_table_is_told_of_and_reads_back_as_it_was(kenpin: Run) -> None:
    for seed, label in enumerate((CALL, "+x")):
        write_picture(Path("data") / label.replace("/", "_") / f"{seed}.png", seed)
    status, _, err = kenpin("convert", "data", "out", "--to", "csv")
    assert status == 0
    assert "2 texts in the table, such as" in err
    assert load_dataset("out").classes == load_dataset("data").classes
    _, _, err = kenpin("convert", "data", "drawn", "--to", "folders")
    assert not err
