"""A station that is killed, or whose database, disk, sink or clock fails: each part is there once, and told."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kenpin.export import export_package
from tests.part_pictures import draw_parts, trained
from tests.station.killing import Reckoning, kill, reckon, under_load
from tests.station.postgresql import MISSING, is_installed, running_server
from tests.toy_runs import ToyRun

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A policy with a tiny package, with which a station starts quickly."""
    folder = tmp_path_factory.mktemp("policy")
    export_package(toy_run("classifier", folder / "run"), folder / "package", to="onnx")
    (folder / "policy.yaml").write_text("runs: {toy: {run: package, fail_from: 0.5}}\n")
    return folder / "policy.yaml"


@pytest.fixture(scope="module")
def pictures(few_parts: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(few_parts.glob("*/*"))]


def _is_whole(found: Reckoning) -> None:
    assert found.faults == ()
    assert found.answered > 0
    assert found.recorded >= found.answered
    assert found.told >= found.recorded


def test_a_killed_station_loses_no_part_and_judges_none_twice(
    tmp_path: Path, policy: Path, pictures: list[bytes]
) -> None:
    with under_load(tmp_path / "station", policy, pictures, clients=3) as load:
        load.wait_for_answers(20)
        kill(load, 2, random.Random(1), longest_s=0.5)
        load.station.wait_until_ready()
        load.wait_for_answers(20)
    found = reckon(load)
    _is_whole(found)
    assert found.broken > 0, "no client met a kill"
    assert found.reviewed > 0


def test_a_killed_station_loses_no_view_of_a_part(tmp_path: Path) -> None:
    data = draw_parts(tmp_path / "data", 20, 6)
    run = trained(data, tmp_path / "run", where="pooled")
    export_package(run, tmp_path / "package", to="onnx")
    (tmp_path / "policy.yaml").write_text("runs: {pooled: {run: package}}\n")
    pictures = [path.read_bytes() for path in sorted(data.glob("*/*"))]
    with under_load(tmp_path / "station", tmp_path / "policy.yaml", pictures, clients=3, by_views=True) as load:
        load.wait_for_answers(20)
        kill(load, 2, random.Random(4), longest_s=0.5)
        load.station.wait_until_ready()
        load.wait_for_answers(20)
    found = reckon(load)
    _is_whole(found)
    assert found.broken > 0, "no client met a kill"
    assert found.reviewed > 0


@pytest.mark.slow
def test_a_station_that_is_killed_often(tmp_path: Path, policy: Path, pictures: list[bytes]) -> None:
    with under_load(tmp_path / "station", policy, pictures, clients=5) as load:
        kill(load, 20, random.Random(2))
        load.wait_for_answers(50)
    _is_whole(reckon(load))


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason=MISSING)
def test_a_station_whose_database_is_killed(tmp_path: Path, policy: Path, pictures: list[bytes]) -> None:
    with running_server() as server:
        store = server.new_database()
        with under_load(tmp_path / "station", policy, pictures, clients=4, store=store) as load:
            for number in range(6):
                load.wait_for_answers(20)
                server.fail(number)
                server.start()
            load.wait_for_answers(20)
        found = reckon(load)
    _is_whole(found)
    assert found.later > 0


@pytest.mark.slow
def test_a_station_whose_sink_is_dead_for_a_while(tmp_path: Path, policy: Path, pictures: list[bytes]) -> None:
    with under_load(tmp_path / "station", policy, pictures, clients=2) as load:
        load.wait_for_answers(20)
        load.receiver.stop()
        time.sleep(1)
        dead = len(load.receiver.told)
        load.wait_for_answers(100)
        kill(load, 1, random.Random(3))
        load.wait_for_answers(50)
        assert len(load.receiver.told) == dead
        load.receiver.start()
    _is_whole(reckon(load))


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[Path]:
    """A disk in memory, where one may be mounted."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file: Path) -> None:
    """Write a file until its disk is full."""
    with file.open("wb", buffering=0) as opened:
        for size in (1 << 20, 1 << 12):
            try:
                while opened.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount")
def test_a_station_whose_disk_fills(tmp_path: Path, policy: Path, pictures: list[bytes]) -> None:
    with small_disk(tmp_path / "disk", 48) as disk:
        with under_load(disk / "station", policy, pictures, clients=3, limits={"free_bytes": 0}) as load:
            for _ in range(3):
                load.wait_for_answers(30)
                later = sum(client.later for client in load.clients)
                fill(disk / "filler")
                time.sleep(4)
                assert sum(client.later for client in load.clients) > later, "nobody noticed the full disk"
                (disk / "filler").unlink()
            load.wait_for_answers(30)
        _is_whole(reckon(load))


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed: apt-get install faketime")
def test_a_station_whose_clock_is_set_back_and_forth(tmp_path: Path, policy: Path, pictures: list[bytes]) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": f"{FAKETIME}",
        "FAKETIME_TIMESTAMP_FILE": f"{clock}",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with under_load(tmp_path / "station", policy, pictures, clients=3, environment=environment) as load:
        for moved in ("-3600s", "+0", "+86400s", "-86400s"):
            load.wait_for_answers(30)
            clock.write_text(moved)
            load.wait_for_answers(30)
            kill(load, 1, random.Random(moved))
    _is_whole(reckon(load))
