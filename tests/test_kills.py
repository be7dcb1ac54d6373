"""Kill -9 at any moment of any command that writes: nothing is lost, half written or locked; the next call ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.cases.library import CaseLibrary
from kenpin.data.loading import load_dataset
from kenpin.embedding import read_embedding
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.run.seal import check_seal
from tests.small_runs import write_small_runs

pytestmark = pytest.mark.slow
DEATHS = 8


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, runs and a policy on a disk with room."""
    return write_small_runs(tmp_path_factory.mktemp("work"))


# what is there after a kill, the same command takes up or writes again
COMMANDS = {
    "train": "train mahalanobis --data parts --out train-{number} --base toy --overwrite",
    "convert": "convert parts convert-{number} --to csv --overwrite",
    "split": "split parts split-{number} --overwrite",
    "embed": "embed vectors parts embed-{number} --overwrite",
    "cases add": "cases add cases-{number} vectors parts",
    "inspect": "inspect policy.yaml parts --out inspect-{number}",
    "export": "export run export-{number} --to merged --overwrite",
    "report": "report run --out report-{number}.html --overwrite",
}


def check_whole(name: str, killed: Path, trial: Path) -> None:
    """What the last call left is what an undisturbed one leaves."""
    if name in ("convert", "split"):
        assert load_dataset(killed).fingerprint() == load_dataset(trial).fingerprint()
    elif name == "train":
        check_seal(killed, read_record(killed).files)
        assert load_predictor(killed).threshold == load_predictor(trial).threshold
    elif name == "embed":
        assert (read_embedding(killed).vectors == read_embedding(trial).vectors).all()
    elif name == "cases add":
        assert len(CaseLibrary.open(str(killed))) == len(CaseLibrary.open(str(trial))) == 40
    elif name == "inspect":
        ids = [[record.id for record in read_records(folder / JOURNAL)] for folder in (killed, trial)]
        assert sorted(ids[0]) == sorted(ids[1])
        assert len(set(ids[0])) == len(ids[0])
    elif name == "export":
        assert {path.name for path in killed.iterdir()} == {path.name for path in trial.iterdir()}
    else:
        assert len(killed.read_text("utf-8")) == len(trial.read_text("utf-8"))


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_is_killed_the_next_call_ends(name: str, work: Path) -> None:
    words = COMMANDS[name].split()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.kill_commands", "7", str(DEATHS), *words]
    root = Path(__file__).parent.parent
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["last"] in (0, 3, 4), done.stderr
    assert any(status == -9 for status in found["ended"])
    target = next(word for word in words if "{number}" in word)
    killed, trial = (work / target.replace("{number}", which) for which in ("killed", "trial"))
    check_whole(name, killed, trial)
    assert [path.name for path in work.iterdir() if path.name.startswith(f".{killed.name}")] == []
