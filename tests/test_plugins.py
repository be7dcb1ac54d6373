"""A package that is installed beside kenpin brings a family and a format, and nothing of kenpin is edited."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import kenpin.cli
from kenpin import models
from kenpin.cli import main
from kenpin.data import formats
from kenpin.errors import OptionError
from kenpin.models import family_names, get_family
from kenpin.plugins import load_plugin, plugins
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


@contextmanager
def _beside(site: Path) -> Iterator[None]:
    """This process finds the packages of `site`; the command line, whose families are those that it finds, is anew."""
    own = {name: module for name, module in sys.modules.items() if name.startswith("kenpin.cli")}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setattr(kenpin, "cli", kenpin.cli)  # what is imported anew takes its place
        for name in own:
            del sys.modules[name]
        plugins.cache_clear()
        yield
    for name in [name for name in sys.modules if name.startswith(("kenpin.cli", "kenpin_tiles"))]:
        del sys.modules[name]
    sys.modules.update(own)
    plugins.cache_clear()


def _run_all(capsys: pytest.CaptureFixture[str], *commands: str) -> list[str]:
    """What each command prints."""
    main = importlib.import_module("kenpin.cli").main
    answers = []
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main(command.split())
        told = "".join(capsys.readouterr())
        assert ended.value.code == 0, told
        answers.append(told)
    return answers


def test_family_and_format_of_another_package_work_like_kenpins_own(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_parts(tmp_path / "parts", count=15)
    policy = "runs:\n  tiles: run\nrules:\n  - REVIEW if tiles FAIL\n  - PASS if tiles PASS\n"
    (tmp_path / "policy.yaml").write_text(policy)
    training = "train tiles --data listed --out run --epochs 20 --brightness 0"
    with _beside(installed):
        families, _, examined, forecast, _, options, measured, _, judged = _run_all(
            capsys,
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
    with pytest.raises(SystemExit) as ended:
        main(["predict", "run", "parts/ok/000.png"])
    assert ended.value.code == 2
    assert "family 'tiles' does not exist" in capsys.readouterr().err


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
    for module, group, name in (("models", models.GROUP, "classifier"), ("plugins", formats.GROUP, "coco")):
        other = EntryPoint(name, "os:path", group)
        monkeypatch.setattr(f"kenpin.{module}.plugins", lambda group, other=other: {other.name: other})
    assert get_family("classifier").Options.__module__.startswith("kenpin.")
    assert formats.get_format("coco").SUMMARY.startswith("COCO")
    assert load_plugin("module", EntryPoint("path", "os:path", "any")) is os.path
