"""A package that is installed beside kenpin brings a family and a format, and nothing of kenpin is edited."""

from __future__ import annotations

import json
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
from tests.commands import Run
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


_DRIVER = """
import contextlib, io, json, sys
from kenpin.cli import main
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(words)
        except SystemExit as ended:
            status = ended.code
    print(json.dumps([status, said.getvalue()]))
"""


def _run_all(folder: Path, site: Path, *commands: str) -> list[str]:
    """What each command prints, all of them in one process that finds the packages of `site`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    words = json.dumps([command.split() for command in commands])
    call = [sys.executable, "-W", "ignore", "-c", _DRIVER, words]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [status for status, _ in answers] == [0] * len(commands), answers
    return [output for _, output in answers]


def test_family_and_format_of_another_package_work_like_kenpins_own(
    installed: Path, kenpin: Run, tmp_path: Path
) -> None:
    write_parts(tmp_path / "parts", count=15)
    policy = "runs:\n  tiles: run\nrules:\n  - REVIEW if tiles FAIL\n  - PASS if tiles PASS\n"
    (tmp_path / "policy.yaml").write_text(policy)
    training = "train tiles --data listed --out run --epochs 20 --brightness 0"
    families, _, examined, forecast, _, options, measured, _, judged = _run_all(
        tmp_path,
        installed,
        "families",
        "convert parts listed --to tilelist",
        "doctor listed",
        f"{training} --dry-run --device cpu",
        training,
        "train tiles --help",
        "evaluate run --data parts --with-seen",
        "report run --out again.html",
        "inspect policy.yaml parts/ok/000.png --out records",
    )
    assert "tiles" in families
    assert "brightness of the tiles" in families
    assert "listed (read as tilelist): 30 pictures" in examined
    assert "Peak memory on cpu" in forecast
    assert "--tiles" in options
    assert "AUROC" in measured
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "again.html").is_file()
    assert "PASS" in judged
    assert read_record(tmp_path / "run").family == "tiles"
    # without the package the run says what is missing
    status, _, err = kenpin("predict", "run", "parts/ok/000.png")
    assert status == 2
    assert "family 'tiles' does not exist" in err


def test_a_process_finds_what_is_installed(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    command = [sys.executable, "-m", "kenpin", "families"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "brightness of the tiles" in done.stdout


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
