"""A disk that becomes full during a command: one sentence with the place, nothing left behind, what was there kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.small_runs import kenpin, write_small_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, runs and a policy on a disk with room."""
    return write_small_runs(tmp_path_factory.mktemp("work"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many kilobytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted: list[Path] = []

    def make(kilobytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small disk can be mounted by root alone")
        mounted.append(place)
        return place

    yield make
    for one in mounted:
        subprocess.run(["umount", one], check=True)


# each command with the kilobytes that its output has to end before it is whole
COMMANDS = {
    "train": ("train classifier --data parts --out {disk}/out --base toy --tuning full --epochs 1", 200),
    "convert": ("convert parts {disk}/out --to csv", 100),
    "split": ("split parts {disk}/out", 100),
    "embed": ("embed vectors parts {disk}/out", 8),
    "cases add": ("cases add {disk}/out vectors parts", 60),
    "inspect": ("inspect policy.yaml parts --out {disk}/out", 8),
    "export": ("export run {disk}/out --to merged", 100),
    "report": ("report run --out {disk}/out.html", 60),
    "predict": ("predict run parts --json {disk}/out.json", 4),
    "draw": ("predict run parts/scratch --draw {disk}/out", 20),
    "explain": ("explain run parts/scratch --out {disk}/out", 40),
    "look": ("look parts --out {disk}/out.html", 60),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_sentence_names_the_place_and_nothing_is_left(name: str, work: Path, disk: Callable[[int], Path]) -> None:
    words, kilobytes = COMMANDS[name]
    place = disk(kilobytes)
    status, told = kenpin(work, *words.format(disk=place).split())
    assert status == 2, told
    sentences = [line for line in told.splitlines() if line.startswith("kenpin: ")]
    assert len(sentences) == 1, told
    assert str(place) in sentences[0]
    assert "there is no room left on its disk; free some, or choose a folder on another disk." in sentences[0]
    hidden = [path for path in place.rglob("*") if path.name.startswith(".")]
    assert [path for path in hidden if not path.name.endswith(".lock")] == []
    assert [path for path in place.rglob("*") if path.is_file() and not path.stat().st_size] == []
    if name not in ("inspect", "draw", "explain", "cases add"):  # these keep what they had finished
        assert [path.name for path in place.iterdir()] == []


@pytest.mark.parametrize("name", ["convert", "export", "report"])
def test_what_is_to_be_overwritten_stays_where_there_is_no_room(
    name: str, work: Path, disk: Callable[[int], Path]
) -> None:
    words, kilobytes = COMMANDS[name]
    place = disk(16_000)
    assert kenpin(work, *words.format(disk=place).split())[0] == 0
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "filler").write_bytes(bytes(free - kilobytes // 2 * 1024))
    status, told = kenpin(work, *words.format(disk=place).split(), "--overwrite")
    assert status == 2, told
    assert "there is no room left" in told
    (place / "filler").unlink()
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_training_keeps_its_earlier_checkpoints_and_goes_on(work: Path, disk: Callable[[int], Path]) -> None:
    place = disk(1_500)
    words = f"train classifier --data parts --out {place}/out --base toy --tuning full --epochs 30 --evaluate-every 3 "
    words += "--save-total-limit none --patience none"
    status, told = kenpin(work, *words.split())
    assert status == 2, told
    assert "there is no room left" in told
    assert (place / ".out.partial").is_dir(), "what was learned is kept"
    subprocess.run(["mount", "-o", "remount,size=200m", place], check=True)
    status, told = kenpin(work, *words.split(), "--resume")
    assert status == 0, told
    assert [path.name for path in place.iterdir()] == ["out"]
