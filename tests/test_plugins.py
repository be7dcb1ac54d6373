"""A package that is installed beside kenpin brings a family and a format, and nothing of kenpin is edited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from kenpin import models
from kenpin.data import formats
from kenpin.errors import OptionError
from kenpin.models import family_names, get_family
from kenpin.plugins import load_plugin
from kenpin.run.record import read_record
from tests.pictures import write_parts

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages, as pip leaves it, with the plugin in it."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN / "kenpin_tiles", site / "kenpin_tiles")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text("utf-8"))["project"]
    about = site / f"kenpin_tiles-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return site


def kenpin(installed: Path, folder: Path, *words: str, status: int = 0) -> str:
    """What a command prints in a process of its own."""
    path = os.pathsep.join([str(installed), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "kenpin", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_family_and_format_of_another_package_work_like_kenpins_own(installed: Path, tmp_path: Path) -> None:
    write_parts(tmp_path / "parts", count=30)
    assert "tiles" in kenpin(installed, tmp_path, "families")
    assert "brightness of the tiles" in kenpin(installed, tmp_path, "families")
    kenpin(installed, tmp_path, "convert", "parts", "listed", "--to", "tilelist")
    assert "listed (read as tilelist): 60 pictures" in kenpin(installed, tmp_path, "doctor", "listed")
    common = ("train", "tiles", "--data", "listed", "--out", "run", "--epochs", "20", "--brightness", "0")
    assert "Peak memory on cpu" in kenpin(installed, tmp_path, *common, "--dry-run", "--device", "cpu")
    assert not (tmp_path / "run").exists()
    kenpin(installed, tmp_path, *common)
    assert "--tiles" in kenpin(installed, tmp_path, "train", "tiles", "--help")
    measured = kenpin(installed, tmp_path, "evaluate", "run", "--data", "parts", "--with-seen")
    assert "AUROC" in measured
    assert (tmp_path / "run" / "report.html").is_file()
    kenpin(installed, tmp_path, "report", "run", "--out", "again.html")
    (tmp_path / "policy.yaml").write_text(
        "runs:\n  tiles: run\nrules:\n  - REVIEW if tiles FAIL\n  - PASS if tiles PASS\n"
    )
    judged = kenpin(installed, tmp_path, "inspect", "policy.yaml", "parts/ok/000.png", "--out", "records")
    assert "PASS" in judged
    assert read_record(tmp_path / "run").family == "tiles"
    # without the package the run says what is missing
    told = subprocess.run(
        [sys.executable, "-m", "kenpin", "predict", "run", "parts/ok/000.png"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 2
    assert "family 'tiles' does not exist" in told.stderr


def test_what_another_package_cannot_load_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_package.family:FAMILY", models.GROUP)
    monkeypatch.setattr(models, "plugins", lambda group: {"broken": broken})
    assert family_names()[-1] == "broken"
    with pytest.raises(OptionError, match=r"family 'broken': no_such_package.family:FAMILY cannot be loaded \(Module"):
        get_family("broken")


def test_a_plugin_cannot_take_the_name_of_what_kenpin_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((models, "classifier"), (formats, "coco")):
        other = EntryPoint(name, "os:path", module.GROUP)
        monkeypatch.setattr(module, "plugins", lambda group, other=other: {other.name: other})
    assert get_family("classifier").Options.__module__.startswith("kenpin.")
    assert formats.get_format("coco").SUMMARY.startswith("COCO")
    assert load_plugin("module", EntryPoint("path", "os:path", "any")) is os.path
