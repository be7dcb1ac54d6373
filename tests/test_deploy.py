"""What `deploy/` tells systemd and a container to run is what the command line, the extras and the settings have."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from kenpin.cli import app
from kenpin.station.settings import StationSettings
from tests.tree import ROOT

DEPLOY = ROOT / "deploy"
UNIT, CONTAINER = DEPLOY / "kenpin-station.service", DEPLOY / "Containerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCS = sorted((ROOT / "docs").glob("*.md"))


def _settings(unit: Path) -> dict[str, str]:
    """What a unit sets, whatever its section."""
    lines = [line for line in unit.read_text("utf-8").splitlines() if line and line[0] not in "#["]
    return dict(line.split("=", 1) for line in lines)


def _instructions(file: Path) -> list[tuple[str, str]]:
    """Instructions of a Containerfile with what follows them."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    text = re.sub(r"\\\n\s*", "", "".join(line for line in lines if not line.startswith("#")))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def _parsed(words: list[str]) -> dict[str, object]:
    """The options that the command line reads in these words. Raises where one is unknown."""
    assert PurePosixPath(words[0]).name in PROJECT["scripts"]
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    options = bound.arguments["options"]
    return {name: getattr(options, name) for name in options.__slots__}


@pytest.mark.parametrize("file", [UNIT, CONTAINER, *DOCS], ids=lambda file: file.name)
def test_every_extra_that_is_named_is_one(file: Path) -> None:
    for names in re.findall(r"(?:kenpin|\.)\[([a-z0-9,-]+)\]", file.read_text("utf-8")):
        assert {*names.split(",")} <= {*PROJECT["optional-dependencies"]}, names


@pytest.mark.parametrize("file", [UNIT, CONTAINER], ids=lambda file: file.name)
def test_commands_in_comments_are_commands(file: Path) -> None:
    found = re.findall(r"^#.*?((?<![\w/-])kenpin (?:station|audit) .*?)$", file.read_text("utf-8"), re.MULTILINE)
    for command in found:
        app.parse_args(command.split()[1:], exit_on_error=False, print_error=False)
    assert found or file == UNIT


def test_the_unit_starts_a_station_in_the_folder_that_it_may_write() -> None:
    unit = _settings(UNIT)
    options = _parsed(unit["ExecStart"].split())
    assert str(options["folder"]) == f"/var/lib/{unit['StateDirectory']}"
    # what is written elsewhere, a cache of converted networks, needs a folder of its own: the system is read-only
    assert unit["ProtectSystem"] == "strict"
    assert f"KENPIN_CACHE=/var/cache/{unit['CacheDirectory']}" in unit["Environment"].split()
    assert unit["User"] in UNIT.read_text("utf-8").partition("[Unit]")[0], "who makes the user is told"
    assert unit["KillMode"] == "process", "a training goes on"


def test_the_container_starts_a_station_on_its_volume() -> None:
    instructions = _instructions(CONTAINER)
    of = {name: rest for name, rest in instructions if name != "RUN"}
    options = _parsed(json.loads(of["CMD"]))
    assert str(options["folder"]) == of["VOLUME"]
    assert options["host"] == "0.0.0.0"
    port = StationSettings().port
    assert of["WORKDIR"] == of["VOLUME"], "commands on accounts take the folder that they are in"
    assert of["EXPOSE"] == f"{port}"
    runs = " ".join(rest for name, rest in instructions if name == "RUN")
    assert f"chown kenpin {of['VOLUME']}" in runs
    assert (ROOT / re.search(r"-c (\S+)", runs)[1]).is_file()  # type: ignore[index]
    version = re.search(r"python:(\d+\.\d+)", of["FROM"])
    assert version is not None
    assert tuple(map(int, version[1].split("."))) >= tuple(map(int, PROJECT["requires-python"].strip(">=").split(".")))
    code = json.loads(of["HEALTHCHECK"].partition("CMD ")[2])[2]
    ast.parse(code)
    assert f"http://127.0.0.1:{port}/readyz" in code


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # the program is not here
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/kenpin/bin/kenpin", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
