"""Vectors of data sets: whole after any death, never over something else; and classes added from a few pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from kenpin.cli import main
from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.embedding import NPZ, PARQUET, Embedding, embed, read_embedding
from kenpin.errors import DatasetError, OptionError, OutputExistsError, RunError
from kenpin.files import partial_folder
from kenpin.predictor import load_predictor
from kenpin.prototypes import add_prototypes
from kenpin.run.lineage import read_lineage
from kenpin.run.record import read_record, space_of
from kenpin.run.seal import check_seal
from kenpin.training import train
from tests.pictures import SHIFTS_PX, write_parts, write_terminals


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder of parts. Read only."""
    out = tmp_path_factory.mktemp("embedder") / "run"
    values: dict[str, Any] = {"base": "mlp", "tuning": "full", "epochs": 1, "dimension": 5, "report": False}
    return train("embedder", data=str(parts), out=out, **values)


@pytest.fixture(scope="module")
def terminals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of shifted terminals."""
    return write_terminals(tmp_path_factory.mktemp("terminals") / "data", count=20)


def _same(one: Embedding, other: Embedding) -> bool:
    return (one.ids, one.labels, one.space) == (other.ids, other.labels, other.space) and bool(
        (one.vectors == other.vectors).all()
    )


def test_vectors_come_with_ids_and_labels_in_order(run: Path, parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    found = embed(run, dataset, tmp_path / "out")
    assert found.ids == tuple(dataset.column("id"))
    assert found.labels == tuple(dataset.column("label"))
    expected = np.concatenate([rows for _, rows in load_predictor(run).embed(dataset)])
    assert (found.vectors == expected).all()
    with np.load(tmp_path / "out" / NPZ, allow_pickle=False) as arrays:
        assert (arrays["vectors"] == expected).all()
        assert arrays["ids"].tolist() == list(found.ids)
        assert arrays["labels"].tolist() == list(found.labels)
    table = pq.read_table(tmp_path / "out" / PARQUET)
    assert table.column_names == ["id", "label", "split", "vector"]
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_runs_that_learn_no_vectors_of_their_own_give_their_features(parts: Path, tmp_path: Path) -> None:
    heads = [
        train("classifier", data=str(parts), out=tmp_path / head, base="toy", head=head, report=False)
        for head in ("svm", "linear")
    ]
    few = load_dataset(parts).select(range(5))
    found = [embed(one, few, tmp_path / f"{one.name} vectors") for one in heads]
    assert _same(*found), "a head stands on the vectors and does not change them"


def test_spaces_differ_where_the_network_does(run: Path, parts: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {"base": "mlp", "tuning": "full", "epochs": 1, "dimension": 5, "report": False}
    other = train("embedder", data=str(parts), out=tmp_path / "other", seed=1, **values)
    assert space_of(read_record(run)) != space_of(read_record(other))


def test_a_picture_that_cannot_be_opened_is_told_and_left_out(run: Path, tmp_path: Path) -> None:
    data = write_parts(tmp_path / "data", count=4)
    (data / "ok" / "001.png").write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        main(["embed", str(run), str(data), str(tmp_path / "out")])
    assert ended.value.code == 1
    found = read_embedding(tmp_path / "out")
    assert found.not_opened == ("ok/001.png",)
    assert len(found.ids) == len(found.vectors) == 7


_CHILD = """
import os, signal, sys
from pathlib import Path
import kenpin.embedding as module
from kenpin.data.loading import load_dataset

module._PIECE = 16
run, data, out, function, when = sys.argv[1:6]
left = int(when)
original = getattr(module, function)

def deadly(*args, **settings):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **settings)

setattr(module, function, deadly)
opened = 0
write_piece = module._write_piece

def counted(*args):
    global opened
    opened += 1
    return write_piece(*args)

module._write_piece = counted if function != "_write_piece" else deadly
module.embed(run, load_dataset(data), out)
print(opened)
"""


@pytest.mark.slow
def test_killed_anywhere_it_goes_on_and_ends_the_same(
    run: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as many pictures at a time as the child takes: some processors round larger batches otherwise
    monkeypatch.setattr("kenpin.embedding._PIECE", 16)
    out = tmp_path / "out"
    command = [sys.executable, "-W", "ignore", "-c", _CHILD, str(run), str(parts), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for function, call in (("_write_piece", 1), ("_write_piece", 4), ("_join", 1), ("put_in_place", 1)):
        died = subprocess.run([*command, function, str(call)], env=environment, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert not out.exists()
        with pytest.raises(RunError):
            read_embedding(out)
        if (function, call) == ("_write_piece", 4):
            pieces = sorted(path.name for path in partial_folder(out).glob("*.parquet"))
            assert pieces == ["000000000.parquet", "000000016.parquet", "000000032.parquet"]
            (partial_folder(out) / "000000048.unfinished").write_bytes(b"PAR1 half")
    done = subprocess.run([*command, "_join", "2"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n", "every piece was there: none is embedded again"
    assert _same(read_embedding(out), embed(run, load_dataset(parts), tmp_path / "undisturbed"))
    assert {path.name for path in tmp_path.iterdir()} == {"out", "undisturbed"}


def test_nothing_else_is_overwritten_or_mixed_in(run: Path, parts: Path, tmp_path: Path) -> None:
    dataset, out = load_dataset(parts), tmp_path / "out"
    embed(run, dataset.select(range(9)), out)
    with pytest.raises(OutputExistsError, match="already exists"):
        embed(run, dataset, out)
    assert len(embed(run, dataset, out, overwrite=True).ids) == len(dataset)
    with pytest.raises(OutputExistsError, match="holds no embeddings"):
        embed(run, dataset, run, overwrite=True)
    with pytest.raises(DatasetError, match="no picture to embed"):
        embed(run, dataset.select([]), tmp_path / "none")
    # of another data set pieces lie there
    partial = partial_folder(tmp_path / "next")
    partial.mkdir()
    (partial / "embedding.json").write_text(json.dumps({"space": "another"}))
    with pytest.raises(OutputExistsError, match="of another data set are half written"):
        embed(run, dataset, tmp_path / "next")
    embed(run, dataset, tmp_path / "next", overwrite=True)


# ---- prototypes ----


def _few(terminals: Path, count: int) -> Dataset:
    dataset = load_dataset(terminals)
    labels = dataset.column("label")
    wanted = [[i for i, label in enumerate(labels) if label == name][:count] for name in SHIFTS_PX]
    return dataset.select(sorted(place for places in wanted for place in places))


@pytest.fixture(scope="module")
def knows_four(terminals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder that was trained on four of five classes. Read only."""
    dataset = load_dataset(terminals)
    places = [i for i, label in enumerate(dataset.column("label")) if label != "Yplus"]
    out = tmp_path_factory.mktemp("four") / "run"
    values: dict[str, Any] = {"base": "mlp", "tuning": "full", "epochs": 8, "objective": "contrastive"}
    return train(
        "embedder",
        dataset=dataset.select(places),
        data="-",
        out=out,
        ok_labels=("passed",),
        dimension=16,
        report=False,
        **values,
    )


def test_a_class_is_known_from_five_pictures(knows_four: Path, terminals: Path, tmp_path: Path) -> None:
    dataset = load_dataset(terminals)
    labels = dataset.column("label")
    of_new = [i for i, label in enumerate(labels) if label == "Yplus"]
    before = {path: path.read_bytes() for path in knows_four.rglob("*") if path.is_file()}
    new = add_prototypes(knows_four, dataset.select(of_new[:8]), tmp_path / "new")
    assert {path: path.read_bytes() for path in knows_four.rglob("*") if path.is_file()} == before
    record, old = read_record(new), read_record(knows_four)
    check_seal(new, record.files)
    assert record.labels == (*old.labels, "Yplus")
    assert space_of(record) == space_of(old), "the vectors are the same"
    assert "The threshold was chosen before Yplus was known" in " ".join(record.notes)
    predictor = load_predictor(new)
    said = [one.label for one in predictor.predict(dataset.select(of_new[8:]))]
    assert said.count("Yplus") > 0.8 * len(said)
    known = [i for i, label in enumerate(labels) if label in old.labels]
    kept = [one.label == labels[i] for i, one in zip(known, predictor.predict(dataset.select(known)), strict=True)]
    assert np.mean(kept) > 0.9
    (one,) = predictor.predict(dataset.select(of_new[9:10]))
    assert one.defect_score is not None
    assert one.defect_score > 0.5, "what is added is a defect"


def test_what_became_a_reference_is_judged_without_itself(knows_four: Path, terminals: Path, tmp_path: Path) -> None:
    dataset = load_dataset(terminals)
    one = [i for i, label in enumerate(dataset.column("label")) if label == "Yplus"][:1]
    new = add_prototypes(knows_four, dataset.select(one), tmp_path / "new")
    evaluation = json.loads((new / "evaluation.json").read_text())
    assert evaluation["judged"][0]["prediction"]["label"] != "Yplus", "its own vector would have named it"
    (said,) = load_predictor(new).predict(dataset.select(one))
    assert said.label == "Yplus"


def test_pictures_are_drawn_by_lot_and_counted(knows_four: Path, terminals: Path, tmp_path: Path) -> None:
    new = add_prototypes(knows_four, _few(terminals, 6), tmp_path / "new", pictures=3)
    assert "3 of Yplus" in " ".join(read_record(new).notes)
    with np.load(new / "model" / "references.npz") as arrays, np.load(knows_four / "model" / "references.npz") as old:
        assert len(arrays["vectors"]) == len(old["vectors"]) + 15
        assert (arrays["vectors"][: len(old["vectors"])] == old["vectors"]).all()
    assert read_lineage(new).contents > read_lineage(knows_four).contents


def test_other_families_and_unlabelled_pictures_are_refused(knows_four: Path, parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    classifier = train("classifier", data=str(parts), out=tmp_path / "classifier", base="toy", report=False)
    with pytest.raises(OptionError, match="family embedder alone; this is family classifier"):
        add_prototypes(classifier, dataset, tmp_path / "new")
    with pytest.raises(DatasetError, match="no picture has a label"):
        add_prototypes(knows_four, dataset.with_labels([None] * len(dataset), ()), tmp_path / "new")
    with pytest.raises(OutputExistsError):
        add_prototypes(knows_four, dataset, knows_four)
    assert not (tmp_path / "new").exists()
