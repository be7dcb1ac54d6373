"""Hugging Face data of every local form comes in with its labels, boxes and texts, its pictures left where they are."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Image, List, Value

from kenpin.data import load_dataset
from kenpin.data.dataset import content_hash
from kenpin.errors import DatasetError
from kenpin.records import Detections, Finding, ImageSource
from tests.builders import picture_bytes, write_picture

SIZE_WH = (64, 40)
BOX = (8.0, 10.0, 24.0, 38.0)
PICTURE: dict[str, Any] = {"bytes": picture_bytes(1, size_wh=SIZE_WH), "path": "a.png"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def saved(folder: Path, features: dict[str, Any], *rows: Any) -> Path:
    """A `save_to_disk` folder with these columns beside the picture."""
    columns = Features({"image": Image(), **features})
    table = datasets.Dataset.from_list([{"image": PICTURE, **row} for row in rows], features=columns)
    table.save_to_disk(str(folder))
    return folder


@pytest.mark.parametrize("form", ["save_to_disk", "dict", "parquet", "parquet file"])
def test_labels_in_every_form(tmp_path: Path, form: str) -> None:
    features = Features(
        {"image": Image(), "label": ClassLabel(names=["passed", "X+", "unused"]), "lot": Value("int64")}
    )
    rows = [{"image": PICTURE, "label": 1, "lot": 7}, {"image": PICTURE, "label": -1, "lot": None}]
    table = datasets.Dataset.from_list(rows, features=features)
    place = tmp_path / "data"
    if form == "save_to_disk":
        table.save_to_disk(str(place))
    elif form == "dict":
        datasets.DatasetDict({"train": table, "valid": table}).save_to_disk(str(place))
    else:
        (place / "data").mkdir(parents=True)
        file = place / "data" / "test-00000-of-00001.parquet"
        table.to_parquet(str(file))
        place = file if form == "parquet file" else place
    data = load_dataset(place)
    assert data.format == "huggingface"
    assert data.column("label")[:2] == ["X+", None]
    assert data.column("group")[:2] == ["7", None]
    assert data.classes == ("passed", "X+", "unused")
    splits = {"dict": ("train", "validation"), "parquet": ("test",)}
    assert data.splits == splits.get(form, ())
    assert len(set(data.column("id"))) == len(data)
    assert content_hash(data[0].image) == content_hash(ImageSource(data=PICTURE["bytes"]))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves metadata.csv open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("metadata", ["csv", "jsonl"])
def test_image_folder(tmp_path: Path, metadata: str) -> None:
    for name in ("a", "b"):
        write_picture(tmp_path / "data" / "train" / f"{name}.png", ord(name))
    text = {
        "csv": 'file_name,label,note\na.png,不良,"x, y"\nb.png,ok,\n',
        "jsonl": '{"file_name": "a.png", "label": "不良", "note": "x, y"}\n{"file_name": "b.png", "label": "ok"}\n',
    }
    (tmp_path / "data" / "train" / f"metadata.{metadata}").write_text(text[metadata], "utf-8")
    data = load_dataset(tmp_path / "data")
    assert data.format == "huggingface"
    assert {(e.id, e.label, e.split) for e in data} == {
        ("train/a.png", "不良", "train"),
        ("train/b.png", "ok", "train"),
    }
    assert data[0].attributes == {"note": "x, y"}
    assert content_hash(data[0].image) == content_hash(ImageSource(data=picture_bytes(ord("a"))))
    gc.collect()  # here, not in a later test that warnings would fail


@pytest.mark.parametrize("key", ["category", "categories"])
@pytest.mark.parametrize("named", [True, False])
def test_objects(tmp_path: Path, key: str, named: bool) -> None:
    category = ClassLabel(names=["unused", "void"]) if named else Value("string")
    features = {"objects": {"bbox": List(List(Value("float32"))), key: List(category)}}
    name = 1 if named else "void"
    rows = [
        {"objects": {"bbox": [[8, 10, 16, 28]], key: [name]}},
        {"objects": {"bbox": [], key: []}},
        {"objects": None},
    ]
    data = load_dataset(saved(tmp_path / "data", features, *rows))
    assert data[0].boxes == Detections((BOX,), ("void",))
    assert data[1].boxes == Detections()
    assert data[2].boxes is None
    assert data.classes == (("unused", "void") if named else ("void",))


def test_objects_as_a_list_of_dicts(tmp_path: Path) -> None:
    features = {"objects": List({"bbox": List(Value("int64")), "category": Value("string")})}
    rows = [{"objects": [{"bbox": [8, 10, 16, 28], "category": "void"}]}, {"objects": []}]
    data = load_dataset(saved(tmp_path / "data", features, *rows))
    assert [example.boxes for example in data] == [Detections((BOX,), ("void",)), Detections()]


@pytest.mark.parametrize(
    "suffix",
    ["傷<loc_125><loc_250><loc_375><loc_949>", "<loc0256><loc0128><loc0972><loc0384> 傷"],
    ids=["florence2", "paligemma"],
)
def test_suffix_in_either_syntax(tmp_path: Path, suffix: str) -> None:
    rows = [{"suffix": suffix}, {"suffix": ""}, {"suffix": "a bent pin"}, {"suffix": None}]
    data = load_dataset(saved(tmp_path / "data", {"suffix": Value("string")}, *rows))
    found = data[0].boxes
    assert found is not None
    assert found.labels == ("傷",)
    assert found.boxes_xyxy_px[0] == pytest.approx(BOX, abs=64 / 1000)
    assert data[1].boxes == Detections()
    assert (data[2].boxes, data[2].suffix) == (None, "a bent pin")
    assert (data[3].boxes, data[3].suffix) == (None, None)


def test_response(tmp_path: Path) -> None:
    rows = [
        {"response": "{'bboxes': [[8, 10, 24, 38]], 'labels': ['Xplus']}"},
        {"response": "{'bboxes': [], 'labels': ['passed']}"},
        {"response": "{'bboxes': [[8, 10, 24, 38], [1, 2, 3, 4]], 'labels': ['Xplus', 'Yplus']}"},
        {"response": "{'bboxes': [], 'labels': []}"},
        {"response": None},
    ]
    data = load_dataset(saved(tmp_path / "data", {"response": Value("string")}, *rows))
    assert data.column("label") == ["Xplus", "passed", None, None, None]
    assert data[0].boxes == Detections((BOX,), ("Xplus",))
    assert data[1].boxes is None
    assert data[2].boxes == Detections((BOX, (1.0, 2.0, 3.0, 4.0)), ("Xplus", "Yplus"))
    assert data[3].boxes == Detections()
    assert data[4].boxes is None


@pytest.mark.parametrize(
    "response",
    [
        "__import__('os').system('touch evaluated')",
        "{'bboxes': [[1, 2, 3]], 'labels': ['a']}",
        "{'bboxes': [[1, 2, 3, 4]], 'labels': []}",
        "{'bboxes': 7, 'labels': ['a']}",
        "[",
        "(" * 10_000,
        "7",
    ],
)
def test_a_response_that_is_no_such_literal_is_told_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, response: str
) -> None:
    monkeypatch.chdir(tmp_path)
    findings: list[Finding] = []
    place = saved(tmp_path / "data", {"response": Value("string")}, {"response": response})
    data = load_dataset(place, note=findings.append)
    assert [finding.code for finding in findings] == ["answer-not-understood"]
    assert data[0].boxes is None
    assert not (tmp_path / "evaluated").exists()
    with pytest.raises(DatasetError, match="row 0: response"):
        load_dataset(place)


def test_pictures_stay_in_the_mapped_file(tmp_path: Path) -> None:
    count, length = 200, 200_000
    features = Features({"image": Image(), "label": ClassLabel(names=["a"])})
    rows = {"image": [{"bytes": bytes([i]) * length, "path": None} for i in range(count)], "label": [0] * count}
    schema = features.arrow_schema
    place = tmp_path / "data"
    datasets.Dataset(pa.Table.from_pydict(rows, schema=schema)).save_to_disk(str(place))
    del rows
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    data = load_dataset(place)
    data = data.with_splits(["train"] * count)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak + pa.total_allocated_bytes() - before < count * length / 10
    assert data[count - 1].image.data == bytes([count - 1]) * length


def test_a_selection_as_a_table_copies_no_picture() -> None:
    picture = {"bytes": bytes(1_000_000), "path": None}
    table = pa.table({"image": [picture] * 10, "id": list("abcdefghij")})
    data = load_dataset(table)
    before, held = pa.total_allocated_bytes(), []
    for rows in ([3, 4, 5, 1, 1, 9, 0], [], list(range(10))):
        chosen = data.select(rows)
        held.append(chosen.arrow)
        assert chosen.arrow.column("id").to_pylist() == chosen.column("id") == ["abcdefghij"[row] for row in rows]
        assert chosen.table["id"][:] == chosen.column("id")
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert data[-1].id == data.select([9])[0].id == "j"
    for wrong in (10, -11):
        with pytest.raises(IndexError):
            data[wrong]


def test_rows_without_a_picture_are_told_and_left_out(tmp_path: Path) -> None:
    gone = {"bytes": None, "path": "gone.png"}
    rows: list[dict[str, Any]] = [
        {"label": "a"},
        {"image": None, "label": "b"},
        {"image": gone, "label": "c"},
        {"label": "d"},
    ]
    schema = Features({"image": Image(), "label": Value("string")}).arrow_schema
    table = pa.Table.from_pylist([{"image": PICTURE, **row} for row in rows], schema=schema)
    pq.write_table(table, tmp_path / "data.parquet")
    findings: list[Finding] = []
    data = load_dataset(tmp_path / "data.parquet", note=findings.append)
    assert [finding.code for finding in findings] == ["missing-image", "missing-image"]
    assert data.column("label") == ["a", "d"]
    assert all(example.image.data == PICTURE["bytes"] for example in data)


def test_other_columns_are_attributes_or_told(tmp_path: Path) -> None:
    features = {"id": Value("string"), "line": Value("int64"), "embedding": List(Value("float32"))}
    rows = [{"id": "x", "line": 3, "embedding": [1.0]}, {"id": "x", "line": None, "embedding": [1.0]}]
    findings: list[Finding] = []
    data = load_dataset(saved(tmp_path / "data", features, *rows), note=findings.append)
    assert [finding.code for finding in findings] == ["column-not-read", "duplicate-id"]
    assert "embedding" in findings[0].what
    assert [example.attributes for example in data] == [{"line": "3"}, {}]
    assert data.column("id") == ["x", "row/000001"]


def test_a_table_without_pictures(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"a": [1]}).save_to_disk(str(tmp_path / "data"))
    with pytest.raises(DatasetError, match="no column of pictures among a"):
        load_dataset(tmp_path / "data")


def test_a_damaged_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1 no parquet")
    with pytest.raises(DatasetError, match=r"data\.parquet: the datasets library cannot read it"):
        load_dataset(tmp_path / "data.parquet")


@pytest.mark.parametrize("name", ["nobody/nothing", "nobody/nothing@0123abc"])
def test_a_hub_id_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match="the Hugging Face hub does not give it") as refusal:
        load_dataset(name)
    assert "\n" not in str(refusal.value)


def test_a_hub_id_and_its_revision_reach_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[str, str | None]] = []
    here = datasets.load_from_disk(str(saved(tmp_path / "data", {"label": Value("string")}, {"label": "a"})))

    def load(name: str, revision: str | None, **_: object) -> Any:
        asked.append((name, revision))
        return datasets.DatasetDict({"train": here})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert load_dataset("owner/name@0123abc").column("split") == ["train"]
    assert load_dataset("owner/name")[0].label == "a"
    assert asked == [("owner/name", "0123abc"), ("owner/name", None)]


def test_a_wrong_relative_path_is_never_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(DatasetError, match=r"data/parts: there is no such file or folder\. Correct the path"):
        load_dataset("data/parts")
