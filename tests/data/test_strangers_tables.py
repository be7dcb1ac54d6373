"""Folders of strangers that the datasets library would follow elsewhere: nothing but the data in the folder is read."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from kenpin.data import load_dataset, write_dataset
from kenpin.data.reading import library_tables
from kenpin.errors import DatasetError
from tests.data.test_formats import full_data


@pytest.fixture(autouse=True)
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hosts that were asked for, of which there must be none; with a token and without the offline switch."""
    asked: list[str] = []

    def refuse(host: object, *_: object, **__: object) -> Any:
        asked.append(str(host))
        raise OSError("no network")

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for module in (huggingface_hub.constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: refuse(address))
    yield asked
    assert asked == []


def png(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 6), grey).save(file, "PNG")
    return file.getvalue()


def table(file: Path, *greys: int) -> None:
    """A Parquet file of pictures with labels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"image": [{"bytes": png(grey), "path": f"{grey}.png"} for grey in greys], "label": [str(g) for g in greys]}
    parquet.write_table(pa.table(rows), file)


NAMED = ("hf://datasets/evil/canary/x.parquet", "https://evil.example/x.parquet", "{outside}/secret.parquet",
         "../outside/secret.parquet", "file://{outside}/secret.parquet")  # fmt: skip


@pytest.mark.parametrize("card", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("named", NAMED)
def test_a_card_is_not_obeyed(named: str, card: str, tmp_path: Path) -> None:
    table(tmp_path / "outside" / "secret.parquet", 200)
    table(tmp_path / "data" / "train-00000-of-00001.parquet", 10, 20)
    file = named.format(outside=tmp_path / "outside")
    head = f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: '{file}'\n"
    (tmp_path / "data" / card).write_text(f"---\n{head}---\n" if card == "README.md" else head)
    data = load_dataset(tmp_path / "data")
    assert [(example.label, example.split) for example in data] == [("10", "train"), ("20", "train")]


@pytest.mark.parametrize("kind", ["parquet", "pictures"])
def test_folders_are_read_by_the_names_of_their_files(kind: str, tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        if kind == "parquet":
            table(tmp_path / "data [1]" / "data" / f"{split}-00000-of-00001.parquet", number)
            continue
        folder = tmp_path / "data [1]" / split
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(png(number))
        (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "label": str(number)}) + "\n")
    data = load_dataset(tmp_path / "data [1]", format="huggingface")
    assert sorted((example.label, example.split) for example in data) == [("0", "train"), ("1", "test")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", {"_data_files": [{"filename": "../outside/x.arrow"}]}),
        ("state.json", {"_data_files": [{"filename": "/etc/hostname"}]}),
        ("state.json", {"_data_files": [{"filename": "hf://datasets/evil/canary/x.arrow"}]}),
        ("state.json", {"_data_files": [{"filename": "absent.arrow"}]}),
        ("state.json", {"_data_files": "x.arrow"}),
        ("state.json", {"_data_files": [7]}),
        ("state.json", []),
        ("dataset_dict.json", {"splits": ["../outside"]}),
        ("dataset_dict.json", {"splits": ["hf://datasets/evil/canary"]}),
        ("dataset_dict.json", {"splits": None}),
    ],
)
def test_a_state_that_names_other_files_is_refused(name: str, content: object, tmp_path: Path) -> None:
    saved = datasets.Dataset.from_dict({"image": [{"bytes": png(1), "path": "a.png"}], "label": ["a"]})
    for folder in ("data", "outside"):
        saved.save_to_disk(tmp_path / folder)
    assert len(load_dataset(tmp_path / "data")) == 1
    (tmp_path / "data" / name).write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"the datasets library cannot read it \(.*(state|dataset_dict)\.json"):
        load_dataset(tmp_path / "data", format="huggingface")


def test_a_state_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("[" * 1_000_000)
    with pytest.raises(DatasetError, match="nested too deeply"):
        load_dataset(tmp_path, format="huggingface")


BOMBS = {
    "text": lambda rows: pa.array(["x" * 1_000] * rows),
    "dictionary": lambda rows: pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 1_000]),
    "struct": lambda rows: pa.array([{"bytes": b"x" * 1_000, "path": "a.png"}] * rows),
    "list": lambda rows: pa.array([["x" * 1_000]] * rows),
    "numbers": lambda rows: pa.array([7] * rows * 100, pa.int64()),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_table_that_unpacks_to_more_than_an_honest_one_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_tables, "ROOM_BYTES", 1024**2)
    file = tmp_path / "bomb.parquet"
    parquet.write_table(pa.table({"image": BOMBS[kind](20_000)}), file, compression="zstd")
    assert file.stat().st_size < 50_000
    with pytest.raises(DatasetError, match="bytes unpack to more than"):
        load_dataset(file, format="huggingface")
    assert not (tmp_path / "cache").exists()
    parquet.write_table(pa.table({"image": BOMBS[kind](20)}), file)
    library_tables.load_parquet(file)


def idx(file: Path, shape: tuple[int, ...], zeros: int) -> None:
    """A packed IDX file that announces a shape, with so many bytes behind the head."""
    with gzip.open(file, "wb", 9) as stream:
        stream.write(bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes())
        for _ in range(zeros // 2**20):
            stream.write(bytes(2**20))
        stream.write(bytes(zeros % 2**20))


def test_an_idx_file_is_unpacked_as_far_as_it_announces(tmp_path: Path) -> None:
    images, labels = tmp_path / "t10k-images-idx3-ubyte.gz", tmp_path / "t10k-labels-idx1-ubyte.gz"
    idx(images, (2, 3, 4), 24)
    idx(labels, (2,), 2)
    assert len(load_dataset(tmp_path)) == 2
    idx(images, (2, 3, 4), 100 * 2**20)
    tracemalloc.start()
    with pytest.raises(DatasetError, match="not as long as it states"):
        load_dataset(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20
    idx(images, (2**31, 2**10, 2**10), 24)
    with pytest.raises(DatasetError, match=r"announces 2,251,799,813,685,248 bytes, more than the 1,073,741,824"):
        load_dataset(tmp_path)
    images.unlink()
    os.mkfifo(images)
    with pytest.raises(DatasetError, match="it is not a file"):
        load_dataset(tmp_path, format="idx")


def test_a_file_that_is_shorter_than_it_says_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """Arrow believes the lengths in a mapped file; reading past its end would end the process by a signal."""
    write_dataset(full_data(tmp_path / "source", "huggingface"), tmp_path / "whole", "huggingface", allow_loss=True)
    for share in (30, 60, 90):
        folder = tmp_path / "cut" / str(share)
        shutil.copytree(tmp_path / "whole", folder)
        for file in folder.rglob("*.arrow"):
            os.truncate(file, file.stat().st_size * share // 100)
    code = f"""
from pathlib import Path
from kenpin.data.doctor import examine
print([examine(folder).has_errors for folder in sorted(Path({str(tmp_path / "cut")!r}).iterdir())])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[True, True, True]"), done.stderr
