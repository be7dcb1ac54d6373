"""Tables of numbers: recognised beside tables of pictures, read to the last digit, faults told with their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.doctor import examine
from kenpin.errors import DatasetError
from kenpin.records import Finding
from tests.builders import example_at
from tests.tables import ITEMS, write_table


def _read(text: str, folder: Path, name: str = "parts.csv") -> tuple[Dataset, list[Finding]]:
    (folder / name).write_text(text, "utf-8")
    findings: list[Finding] = []
    return load_dataset(folder / name, note=findings.append), findings


@pytest.mark.parametrize("name", ["parts.csv", "parts.parquet"])
def test_a_table_is_read_by_itself(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(write_table(tmp_path / name))
    assert (dataset.format, dataset.item_names, len(dataset)) == ("items", ITEMS, 200)
    assert dataset.classes == ("ng", "ok")
    assert dataset[3].attributes["operator"] in ("Mori", "Sato")
    assert dataset[3].id == "part 3"
    assert dataset[3].items == tuple(dataset.numbers(ITEMS)[3])


def test_csv_and_parquet_give_the_same_numbers(tmp_path: Path) -> None:
    one, other = (load_dataset(write_table(tmp_path / name)) for name in ("parts.csv", "parts.parquet"))
    np.testing.assert_array_equal(one.numbers(ITEMS), other.numbers(ITEMS))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_quotes_and_roles(delimiter: str, tmp_path: Path) -> None:
    lines = ['class,lot,split,a,b,"what, else"', 'ok,L1,train,1,-2e3,"x, y"', "不良,L2,valid,0.5,7,"]
    text = "\n".join(line.replace(",", delimiter) if "," not in delimiter else line for line in lines)
    dataset, findings = _read(text + "\n", tmp_path)
    assert findings == []
    assert dataset.item_names == ("a", "b")
    assert dataset.numbers(["b", "a"]).tolist() == [[-2000, 1], [7, 0.5]]
    assert [(e.label, e.group, e.split) for e in dataset] == [("ok", "L1", "train"), ("不良", "L2", "validation")]
    assert dataset[1].attributes == {}
    assert dataset[0].id == "row/000000"


def test_what_is_no_number_is_told_with_its_line_and_left_out(tmp_path: Path) -> None:
    dataset, findings = _read("label,a,b\nok,1,2\nok,1x,2\nok,,3\nok,4,inf\nok,5,6\n", tmp_path)
    assert dataset.numbers(["a", "b"]).tolist() == [[1, 2], [5, 6]]
    assert [finding.where.rpartition(":")[2] for finding in findings] == ["3", "4", "5"]
    assert all(finding.code == "item-not-a-number" for finding in findings)
    assert "'1x'" in findings[0].what


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label,a,a\nok,1,2\n", "'a' more than once"),
        ("label,a\nok,1,2\n", "cannot be read as a table"),
    ],
)
def test_broken_tables_are_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        load_dataset(tmp_path / "t.csv", format="items")


def test_ids_that_repeat_are_told_and_replaced(tmp_path: Path) -> None:
    dataset, findings = _read("id,label,a\nx,ok,1\nx,ok,2\n", tmp_path)
    assert [finding.code for finding in findings] == ["duplicate-id"]
    assert dataset.column("id") == ["row/000000", "row/000001"]


def test_tables_of_pictures_are_not_taken(tmp_path: Path) -> None:
    example = example_at(tmp_path / "a.png", 0)
    table, _ = _read(f"path,label,length\n{example.image.path},ok,3\n", tmp_path)
    assert (table.format, table.item_names) == ("csv", ())
    picture = pa.array([{"bytes": b"x", "path": None}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pyarrow.parquet.write_table(pa.table({"photo": picture, "a": [1.0]}), tmp_path / "p.parquet")
    from kenpin.data.formats import huggingface, items

    assert huggingface.recognises(tmp_path / "p.parquet")
    assert not items.recognises(tmp_path / "p.parquet")


def test_a_table_written_and_read_is_the_same(tmp_path: Path) -> None:
    dataset = load_dataset(write_table(tmp_path / "parts.parquet"))
    dataset = dataset.with_splits(["train", "test"] * 100)
    write_dataset(dataset, tmp_path / "out", "items")
    again = load_dataset(tmp_path / "out")
    assert again.fingerprint() == dataset.fingerprint()
    np.testing.assert_array_equal(again.numbers(ITEMS), dataset.numbers(ITEMS))


def test_selections_keep_their_items(tmp_path: Path) -> None:
    dataset = load_dataset(write_table(tmp_path / "parts.csv"))
    some = dataset.select([5, 2]).with_labels(["a", "b"], ("a", "b"))
    np.testing.assert_array_equal(some.numbers(["mass"]), dataset.numbers(["mass"])[[5, 2]])
    assert dataset.select([]).numbers(ITEMS).shape == (0, 6)
    with pytest.raises(DatasetError, match="no item 'weight'"):
        dataset.numbers(["weight"])


def test_numbers_and_pictures_are_not_turned_into_each_other(tmp_path: Path) -> None:
    dataset = load_dataset(write_table(tmp_path / "parts.csv"))
    with pytest.raises(DatasetError, match="holds numbers"):
        write_dataset(dataset, tmp_path / "out", "folders", allow_loss=True)
    pictures = Dataset.from_examples([example_at(tmp_path / "a.png", 0, label="ok")])
    with pytest.raises(DatasetError, match="holds pictures"):
        write_dataset(pictures, tmp_path / "out", "items")
    assert not (tmp_path / "out").exists()


def test_items_count_in_the_fingerprint_and_pictures_keep_theirs(tmp_path: Path) -> None:
    one, _ = _read("label,a\nok,1\n", tmp_path)
    changed, _ = _read("label,a\nok,2\n", tmp_path)
    renamed, _ = _read("label,b\nok,1\n", tmp_path)
    assert len({one.fingerprint(), changed.fingerprint(), renamed.fingerprint()}) == 3


def test_the_doctor_looks_for_no_pictures_in_a_table(tmp_path: Path) -> None:
    examination = examine(write_table(tmp_path / "parts.csv"))
    assert not examination.has_errors
    assert examination.pictures == 200


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        ("length,width\n10.1,5.1\n", ["row/000000"]),
        ("id,length\nA,1\nB,2\n,3\n", ["A", "B", "row/000002"]),
        ("id,length\n,1\n", ["row/000000"]),
        ("id,length\nA,1\nA,2\n", ["row/000000", "row/000001"]),
    ],
)
def test_every_part_has_an_id(tmp_path: Path, rows: str, ids: list[str]) -> None:
    (tmp_path / "one.csv").write_text(rows, "utf-8")
    dataset = load_dataset(tmp_path / "one.csv")
    assert dataset.column("id") == ids
    assert not examine(tmp_path / "one.csv").has_errors
