"""What `deploy/` tells systemd and a container to run is what the command line, the extras and the settings have."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from kenpin.cli import app
from kenpin.station.settings import StationSettings
from kenpin.yaml_file import read_yaml
from tests.tree import ROOT

DEPLOY = ROOT / "deploy"
UNIT, CONTAINER = DEPLOY / "kenpin-station.service", DEPLOY / "Containerfile"
INSPECT, TRAIN = DEPLOY / "inspect.Containerfile", DEPLOY / "train.Containerfile"
CONTAINERS = (CONTAINER, INSPECT, TRAIN)
KNOWN = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
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


@pytest.mark.parametrize("file", [UNIT, *CONTAINERS, *DOCS], ids=lambda file: file.name)
def test_every_extra_that_is_named_is_one(file: Path) -> None:
    for names in re.findall(r"(?:kenpin|\.|whl\))\[([a-z0-9,-]+)\]", file.read_text("utf-8")):
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


def _shell_words(container: Path) -> list[list[str]]:
    """The commands of all RUN lines, each in its words."""
    runs = " && ".join(rest for name, rest in _instructions(container) if name == "RUN")
    return [shlex.split(command) for command in runs.split("&&")]


def _installed(container: Path) -> list[list[str]]:
    """What each `pip install` of a container is given, without its options."""
    found = []
    for words in _shell_words(container):
        if words[1:2] == ["install"] and words[0].endswith("/pip"):
            valued = {at + 1 for at, word in enumerate(words) if word in ("-c", "--index-url")}
            found.append([word for at, word in enumerate(words[2:], 2) if word[0] != "-" and at not in valued])
    return found


@pytest.mark.parametrize("file", CONTAINERS, ids=lambda file: file.name)
def test_a_container_is_built_from_the_wheel_in_two_stages(file: Path) -> None:
    instructions = _instructions(file)
    assert {name for name, _ in instructions} <= KNOWN
    stages = [rest for name, rest in instructions if name == "FROM"]
    assert len(stages) == 2
    assert stages[0] == f"{stages[1]} AS build", "the same Python runs what was installed"
    copied = [rest.split() for name, rest in instructions if name == "COPY"]
    assert copied == [["constraints.txt", "dist/*.whl", "./"], ["--from=build", "/opt/kenpin", "/opt/kenpin"]]
    ignored = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    assert ignored[-3:] == ["*", "!constraints.txt", "!dist/*.whl"], "what is copied is all that is sent"
    at = [name for name, _ in instructions]
    assert at[::-1].index("USER") < at[::-1].index("RUN"), "it does not run as root"
    for name, rest in instructions:
        if name in ("CMD", "ENTRYPOINT"):
            assert isinstance(json.loads(rest), list), "in the form without a shell, so that signals come through"
        for lone in re.findall(r"\$(\w+|\{\w+\})", rest):
            assert lone in ("PATH", "TORCH_INDEX"), lone
    for words in _shell_words(file):
        done = subprocess.run(["sh", "-n", "-c", shlex.join(words)], check=False)
        assert done.returncode == 0


def test_containers_install_what_they_are_for() -> None:
    def extras(container: Path) -> set[str]:
        last = _installed(container)[-1][-1]
        return {*re.search(r"\[([a-z0-9,-]+)\]$", last)[1].split(",")}  # type: ignore[index]

    bring_torch = {
        name for name, needs in PROJECT["optional-dependencies"].items() if name == "train" or "train" in str(needs)
    }
    assert "lite0" in bring_torch
    for container in (CONTAINER, INSPECT):
        assert not extras(container) & bring_torch
        assert "openvino" in extras(container)
        assert len(_installed(container)) == 1
    assert extras(TRAIN) & bring_torch
    # torch first, from the index of the device; nothing later replaces it
    torch = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert torch is not None
    assert _installed(TRAIN)[0] == [torch[1]]
    arguments = [rest for name, rest in _instructions(TRAIN) if name == "ARG"]
    assert arguments == ["TORCH_INDEX=https://download.pytorch.org/whl/cpu"]


@pytest.mark.parametrize("file", [INSPECT, TRAIN], ids=lambda file: file.name)
def test_what_containers_are_run_with_is_a_command(file: Path) -> None:
    of = dict(_instructions(file))
    assert json.loads(of["ENTRYPOINT"]) == ["kenpin"]
    examples = re.findall(r"^# +podman run .*? kenpin-[a-z-]+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    assert examples
    for example in examples:
        _, _, rest = app.parse_args(shlex.split(example), exit_on_error=False, print_error=False)
        assert not rest


def test_the_conda_recipe_needs_what_the_project_needs() -> None:
    recipe = read_yaml(DEPLOY / "conda" / "recipe.yaml")

    def plain(requirement: str) -> str:
        return requirement.replace(" ", "")

    run = {plain(one) for one in recipe["requirements"]["run"]}
    assert run == {plain(one) for one in PROJECT["dependencies"]} | {f"python{PROJECT['requires-python']}"}
    host = {plain(one) for one in recipe["requirements"]["host"]}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert host == {plain(one) for one in build} | {"pip", f"python{PROJECT['requires-python']}"}
    (script,) = recipe["build"]["python"]["entry_points"]
    assert dict([script.split(" = ")]) == PROJECT["scripts"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]
    for words in (command.split() for command in recipe["tests"][1]["script"]):
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # the program is not here
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/kenpin/bin/kenpin", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
