"""What a cluster answers is what one process answers: equal to the last bit and in the same order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.cluster import Cluster, ClusterPredictor, contents_on, examine_on, pieces
from kenpin.cluster.examining import near_duplicates_on
from kenpin.cluster.pieces import Work, job_folder, pieces_of, work_through
from kenpin.data import Dataset, load_dataset
from kenpin.data.doctor import as_json, examine_dataset
from kenpin.data.duplicates import cluster_of_each, connected, links_of_share, near_duplicate_clusters
from kenpin.embedding import embed
from kenpin.errors import DatasetError, ImageError, OptionError, OutputExistsError
from kenpin.finished_run import evaluate_run
from kenpin.models.networks.recent_features import RECENT
from kenpin.models.networks.shared_features import SharedFeatures, features_in_use, shared_features
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.records_json import to_json
from kenpin.training import train
from kenpin.training.listener import Listener
from kenpin.updating import update
from tests.data.shards import write_tars
from tests.pictures import write_parts
from tests.toy_runs import ToyRun


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Pictures of which one is damaged, and some are there twice."""
    folder = write_parts(tmp_path_factory.mktemp("parts") / "parts", count=40)
    whole = (folder / "ok" / "003.png").read_bytes()
    (folder / "ok" / "damaged.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(folder / "ok" / "003.png", folder / "scratch" / "copy.png")
    return load_dataset(folder)


@pytest.fixture(scope="module")
def run(toy_run: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run("classifier", tmp_path_factory.mktemp("run") / "run")


@pytest.mark.slow
def test_predictions_are_those_of_one_process(
    cluster: Cluster, run: Path, parts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 16)
    told: dict[str, list[str]] = {"here": [], "there": []}

    def telling(where: str) -> object:
        return lambda example, error: told[where].append(f"{example.id}: {error}")

    here = list(load_predictor(run).predict(parts, on_error=telling("here")))
    there = ClusterPredictor(cluster, run)
    assert list(there.predict(parts, on_error=telling("there"))) == here
    assert told["there"] == told["here"]
    assert len(told["here"]) == 1
    assert not list((tmp_path / "cache" / "cluster").iterdir()), "nothing is left of a job that is done"
    with pytest.raises(ImageError, match="damaged"):
        list(there.predict(parts))


@pytest.mark.slow
def test_a_picture_that_is_listed_twice_is_predicted_twice(cluster: Cluster, run: Path, parts: Dataset) -> None:
    twice = Dataset.from_examples([*parts.select([1, 2, 1]), Example("a", ImageSource("nowhere.png"))])
    gone: list[str] = []
    found = list(ClusterPredictor(cluster, run).predict(twice, on_error=lambda example, _: gone.append(example.id)))
    assert [one.id for one in found] == [parts[1].id, parts[2].id, parts[1].id]
    assert gone == ["a"]


@pytest.mark.slow
def test_embeddings_are_those_of_one_process(
    cluster: Cluster, run: Path, parts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    here = embed(run, parts, tmp_path / "here", on_error=lambda example, error: None)
    on_cluster = ClusterPredictor(cluster, run)
    there = embed(on_cluster, parts, tmp_path / "there", on_error=lambda _, error: told.append(str(error)))
    assert there.ids == here.ids
    assert there.not_opened == here.not_opened
    assert len(told) == 1
    np.testing.assert_array_equal(there.vectors, here.vectors)
    for name in ("vectors.parquet", "vectors.npz"):
        assert (tmp_path / "there" / name).stat().st_size == (tmp_path / "here" / name).stat().st_size


@pytest.mark.slow
def test_an_evaluation_is_that_of_one_process(cluster: Cluster, run: Path, parts: Dataset) -> None:
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    here = evaluate_run(load_predictor(run), sound, split=None, with_seen=True)
    there = evaluate_run(ClusterPredictor(cluster, run), sound, split=None, with_seen=True)
    assert to_json(there) == to_json(here)


def test_the_doctor_finds_what_it_finds_on_one_machine(cluster: Cluster, parts: Dataset, tmp_path: Path) -> None:
    here = examine_dataset(parts)
    assert {"image-truncated", "copies-contradict"} <= {finding.code for finding in here.findings}
    assert as_json(examine_on(cluster, parts)) == as_json(here)
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    write_tars(sound, tmp_path / "shards", 9)
    shards = load_dataset(tmp_path / "shards")
    assert as_json(examine_on(cluster, shards)) == as_json(examine_dataset(shards))


def hashes(draw: np.random.Generator, count: int) -> np.ndarray:
    """Hashes of which many are a few bits from others, and some equal."""
    seeds = draw.integers(0, 2**63, (count // 4, 4), np.uint64)
    bits = np.unpackbits(seeds[draw.integers(0, len(seeds), count)].view(np.uint8), axis=1)
    for row, flips in zip(bits, draw.integers(0, 30, count), strict=True):
        row[draw.choice(256, flips, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64)


@pytest.mark.slow
def test_no_near_pair_is_missed_by_workers(cluster: Cluster) -> None:
    some = hashes(np.random.default_rng(0), 600)
    clusters = near_duplicate_clusters(some)
    assert len(clusters) > 50
    assert near_duplicates_on(cluster, some, 3) == clusters
    assert near_duplicates_on(cluster, some) == clusters, "a few by one share, here"


@pytest.mark.slow
def test_a_stopped_job_goes_on_and_one_of_other_data_does_not(
    cluster: Cluster, run: Path, parts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 4)  # many, of which workers have not written all when it stops
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    out = tmp_path / "out"
    partial = tmp_path / ".out.partial"
    predictor = ClusterPredictor(cluster, run)

    def stopping(doing: str, done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(predictor, sound, out, progress=stopping)
    kept = {file: file.stat().st_ino for file in partial.glob("*.parquet")}
    assert kept
    assert not out.exists()
    with pytest.raises(OutputExistsError, match="another run or of another data set"):
        embed(predictor, sound.select(range(50)), out)
    seen: dict[Path, int] = {}

    def looking(doing: str, done: int, total: int) -> None:
        seen.update({file: file.stat().st_ino for file in partial.glob("*.parquet")})

    # one process goes on with what a cluster has begun
    found = embed(run, sound, out, progress=looking)
    assert {file: seen[file] for file in kept} == kept, "no piece was made again"
    np.testing.assert_array_equal(found.vectors, embed(run, sound, tmp_path / "again").vectors)


@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="asks Linux who listens")
def test_a_cluster_of_this_machine_listens_on_loopback_alone(cluster: Cluster) -> None:
    owned, local = set[str](), {"0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F"}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.Error, OSError):
            for entry in Path(f"/proc/{process.pid}/fd").iterdir():
                owned.add(str(entry.readlink()))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in owned:  # 0A: it listens
                listening.append(columns[1].partition(":")[0])
    assert len(listening) > 3, "Ray listens"
    assert {address for address in listening if address not in local} == set()


def write_slowly(_: None, part: Dataset, file: Path) -> None:
    """The ids of a piece and who wrote them, with time to be killed in."""
    time.sleep(0.3)
    file.write_text(json.dumps([os.getpid(), *part.column("id")]))
    time.sleep(0.3)


def nothing() -> None:
    pass


def workers_of_ray() -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        try:
            if "Worker" in process.name() or "ray::Map" in " ".join(process.cmdline()):
                yield process
        except psutil.Error:
            continue


@pytest.mark.slow
def test_each_piece_is_written_once_while_workers_are_killed(cluster: Cluster, parts: Dataset, tmp_path: Path) -> None:
    some = pieces_of(parts, tmp_path / "job", ".json", each=12)
    (tmp_path / "job").mkdir()
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        draw = np.random.default_rng(0)
        while not ended.wait(1.0) and len(killed) < 2:
            if running := [one for one in workers_of_ray() if "_Worker" in " ".join(one.cmdline())]:
                victim = running[int(draw.integers(len(running)))]
                os.kill(victim.pid, signal.SIGKILL)
                killed.append(victim.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    done: list[tuple[int, int]] = []

    def told(doing: str, pictures: int, total: int) -> None:
        assert doing == "writing"
        done.append((pictures, total))

    try:
        work_through(cluster, parts, some, Work(nothing, write_slowly), "writing", told)
    finally:
        ended.set()
        thread.join()
    assert killed
    assert done == sorted(done)
    assert done[-1] == (len(parts), len(parts))
    found = [json.loads(piece.file.read_text()) for piece in some]
    assert [id for _, *ids in found for id in ids] == parts.column("id")
    assert sorted(file.name for file in (tmp_path / "job").iterdir()) == [piece.file.name for piece in some]


def write_badly(_: None, part: Dataset, file: Path) -> None:
    """An error of kenpin's, of a worker."""
    raise DatasetError(f"{part[0].id}: is odd. Mend it.")


@pytest.mark.slow
def test_an_error_of_a_worker_is_that_of_one_process(cluster: Cluster, parts: Dataset, tmp_path: Path) -> None:
    some = pieces_of(parts, tmp_path)
    with pytest.raises(DatasetError, match=r"is odd. Mend it\.$"):
        work_through(cluster, parts, some, Work(nothing, write_badly))
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.slow
def test_contents_are_those_of_the_files(cluster: Cluster, parts: Dataset) -> None:
    assert contents_on(cluster, parts, fewest=0).contents() == parts.contents()


def test_pictures_in_memory_do_not_go_through_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    held = Dataset.from_examples([Example("a", ImageSource("a.png", b"x" * 2_000))])
    monkeypatch.setattr("kenpin.cluster.pieces._IN_MEMORY_BYTES", 1_000)
    with pytest.raises(OptionError, match="lie in memory"):
        work_through(Cluster("none", 1), held, pieces_of(held, tmp_path), Work(nothing, write_badly))


@given(st.integers(0, 1_000), st.integers(8, 200), st.integers(2, 7), st.sampled_from([0, 3, 16, 40]))
def test_shares_connect_what_all_pairs_do(seed: int, count: int, shares: int, distance: int) -> None:
    some = np.unique(hashes(np.random.default_rng(seed), count), axis=0)
    links = [links_of_share(some, share, shares, distance) for share in range(shares)]
    found = connected(len(some), links)
    expected = cluster_of_each(some, distance)
    # the same partition, whatever its numbers
    assert (
        len({*zip(found.tolist(), expected.tolist(), strict=True)})
        == len({*found.tolist()})
        == len({*expected.tolist()})
    )


def test_a_job_has_a_folder_of_its_own_until_it_is_done(tmp_path: Path) -> None:
    def stopped() -> None:
        with job_folder({"run": "a"}, tmp_path) as first:
            (first / "0.parquet").write_text("done")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with job_folder({"run": "b"}, tmp_path) as other:
        assert not (other / "0.parquet").exists()
    with job_folder({"run": "a"}, tmp_path) as again:
        assert (again / "0.parquet").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_unit_space_is_that_of_one_process(cluster: Cluster, parts: Dataset, tmp_path: Path) -> None:
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    options: dict[str, Any] = {"base": "toy", "data": "-", "dataset": sound, "ok_labels": ("ok",), "report": False}
    here = train("mahalanobis", out=tmp_path / "here", **options)
    shutil.rmtree(tmp_path / "cache")
    there = train("mahalanobis", out=tmp_path / "there", cluster="local", **options)
    spaces = [np.load(run / "model" / "unit_space.npz") for run in (here, there)]
    assert set(spaces[0].files) == set(spaces[1].files)
    for name in spaces[0].files:
        np.testing.assert_allclose(spaces[1][name], spaces[0][name], rtol=1e-12)
    assert to_json(there.evaluation) == to_json(here.evaluation)
    assert there.threshold == here.threshold
    assert not list((tmp_path / "cache").rglob("features*.sqlite")), "nothing was computed twice"


@pytest.mark.slow
def test_an_update_is_that_of_one_process(
    cluster: Cluster, parts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 8)
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    old, new = sound.select(range(0, len(sound), 2)), sound.select(range(1, len(sound), 2))
    options: dict[str, Any] = {
        "base": "toy",
        "data": "-",
        "ok_labels": ("ok",),
        "report": False,
        "out": tmp_path / "run",
    }
    train("mahalanobis", dataset=old, **options)
    here = update(tmp_path / "run", new, tmp_path / "here")
    shutil.rmtree(tmp_path / "cache")
    RECENT.forget()
    told: list[str] = []
    listener = Listener(lambda _: None, lambda doing, done, total: told.append(doing))
    there = update(ClusterPredictor(cluster, tmp_path / "run"), new, tmp_path / "there", listener=listener)
    for file in ("model/unit_space.npz", "moments.npz"):
        arrays = [np.load(run / file) for run in (here, there)]
        assert set(arrays[0].files) == set(arrays[1].files)
        for name in arrays[0].files:
            if arrays[0][name].dtype.kind == "f":
                np.testing.assert_allclose(arrays[1][name], arrays[0][name], rtol=1e-12)
            else:
                np.testing.assert_array_equal(arrays[1][name], arrays[0][name])
    assert to_json(there.evaluation) == to_json(here.evaluation)
    assert there.threshold == here.threshold
    assert "computing features" in told
    assert not list((tmp_path / "cache").rglob("features*.sqlite")), "nothing was computed twice"


def test_an_update_by_a_cluster_is_refused_where_it_does_nothing(
    cluster: Cluster, parts: Dataset, tmp_path: Path
) -> None:
    sound = parts.where(lambda example: not example.id.endswith("damaged.png"))
    train(
        "mahalanobis",
        dataset=sound,
        out=tmp_path / "run",
        data="-",
        base="toy",
        ok_labels=("ok",),
        report=False,
        where="pooled",
    )
    with pytest.raises(OptionError, match=r"run: options: `cluster` computes features of whole pictures"):
        update(ClusterPredictor(cluster, tmp_path / "run"), sound, tmp_path / "updated")
    assert not (tmp_path / "updated").exists()


def test_features_of_others_take_the_place_of_the_store(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    features = SharedFeatures("key", {tmp_path / "0.npy": ["a", "b", "c"]})
    with shared_features(features):
        assert features_in_use("other") is None
        assert features_in_use("key") is features
    assert features_in_use("key") is None
    found = features.get(["c", "x"])
    assert found[1] is None
    np.testing.assert_array_equal(found[0], [4, 5])
