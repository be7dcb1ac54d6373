"""What is shipped: the wheel has all files of the package, is installed anywhere, and works without the repository."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from kenpin.yaml_file import read_yaml
from tests.pictures import write_parts
from tests.tree import PACKAGE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
VERSION = """
import os
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
print(ProjectMetadata(os.getcwd(), PluginManager()).version)
"""
AUTHOR = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# of the suite, what is quick and reads templates, styles, scripts, icons and catalogues from the package
WITHOUT_REPOSITORY = ("test_report.py", "test_look.py", "station/test_pages.py")


def run(*words: str | Path, folder: Path, **environment: str) -> str:
    """Standard output of a command, which must succeed; nothing of this checkout is on its path."""
    without = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=without | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel; what kenpin depends on is that of this one."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        wheel,
        folder=folder,
    )
    (site,) = (folder / "lib").glob("python*/site-packages")
    # as a plain line: the .pth files of that folder, of which one is this checkout's, do nothing here
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    where = run(python, "-P", "-c", "import kenpin; print(kenpin.__file__)", folder=folder)
    assert Path(where).is_relative_to(site)
    return python


def test_the_wheel_has_the_files_of_the_package_and_no_others(wheel: Path) -> None:
    here = {
        path.relative_to(PACKAGE.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if ".dist-info/" not in name]
        assert {name: hashlib.sha256(file.read(name)).hexdigest() for name in names} == here
    kinds = {Path(name).suffix for name in here}
    assert kinds >= {".css", ".jinja", ".js", ".mo", ".po", ".py", ".svg", ".typed"}, "it looks for what there is"
    assert wheel.stat().st_size < 4_000_000


def test_its_metadata_are_those_of_the_project(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (about,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(file.read(about).decode())
        assert "kenpin = kenpin.cli:main" in file.read(about.replace("METADATA", "entry_points.txt")).decode()
        licences = {Path(name).name for name in file.namelist() if "/licenses/" in name}
    project = PROJECT["project"]
    assert licences == {*project["license-files"]}
    assert {*(told.get_all("Provides-Extra") or ())} == {*project["optional-dependencies"]}
    unconditional = [one for one in told.get_all("Requires-Dist") or () if "extra ==" not in one]
    assert sorted(map(_name, unconditional)) == sorted(map(_name, project["dependencies"]))
    assert told["Requires-Python"] == project["requires-python"]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower()


def test_the_sdist_has_what_builds_tests_and_documents_it(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = {"README.md", "LICENSE", "NOTICE", "CITATION.cff", "constraints.txt", "tests/conftest.py", "mkdocs.yml"}
    assert wanted <= names
    assert not [name for name in names if re.search(r"__pycache__|\.venv|/\.[a-z_]*cache|^(site|runs|dist)/", name)]


@pytest.mark.parametrize(
    ("tag", "commits", "expected"),
    [
        ("v0.2.0", 0, r"0\.2\.0"),
        ("v0.2.0", 1, r"0\.2\.1\.dev1\+g\w+"),
        (None, 1, r"0\.1\.0\.dev2\+g\w+"),
        (None, None, r"0\.1\.0\.dev0"),
    ],
    ids=["released", "after a release", "never released", "without git"],
)
def test_the_version_is_the_tag(tag: str | None, commits: int | None, expected: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, tmp_path)
    if commits is not None:
        run("git", "init", "-q", folder=tmp_path)
        run("git", "add", ".", folder=tmp_path)
        run("git", "commit", "-q", "-m", "first", folder=tmp_path, **AUTHOR)
        if tag is not None:
            run("git", "tag", tag, folder=tmp_path)
        for _ in range(commits):
            run("git", "commit", "-q", "--allow-empty", "-m", "next", folder=tmp_path, **AUTHOR)
    assert re.fullmatch(expected, run(sys.executable, "-c", VERSION, folder=tmp_path))


def test_what_is_installed_works_where_no_repository_is(installed: Path, tmp_path: Path) -> None:
    kenpin = installed.parent / "kenpin"
    write_parts(tmp_path / "parts", count=10)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", run(kenpin, "--version", folder=tmp_path))
    assert "mahalanobis" in run(kenpin, "families", folder=tmp_path)
    run(kenpin, "look", "parts", "--out", "look.html", "--language", "ja", folder=tmp_path)
    assert "画像" in (tmp_path / "look.html").read_text("utf-8"), "the catalogue is there"
    train = ("train", "classifier", "--data", "parts", "--out", "run", "--base", "toy", "--tuning", "head")
    run(kenpin, *train, folder=tmp_path, KENPIN_ENGINE="torch")
    run(kenpin, "report", "run", "--out", "report.html", "--language", "zh", folder=tmp_path)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert run(installed, "-m", "kenpin", "predict", "run", "parts/ok/000.png", folder=tmp_path).startswith("parts/ok")


@pytest.mark.slow
def test_the_suite_holds_for_what_is_installed(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nmarkers = slow\n", "utf-8")
    words = ("-m", "pytest", "-q", "-m", "not slow", "--import-mode=importlib")
    files = [f"tests/{name}" for name in WITHOUT_REPOSITORY]
    said = run(installed, *words, *files, folder=tmp_path, OMP_NUM_THREADS="1")
    assert " passed" in said
    assert " failed" not in said


@pytest.mark.slow
def test_the_demo_runs_from_what_is_installed(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("elpv_dataset")
    said = run(installed.parent / "kenpin", "demo", folder=tmp_path, KENPIN_ENGINE="auto")
    assert re.search(r"^AUROC: +0\.9", said, re.MULTILINE), said[-500:]


def test_the_citation_says_what_the_project_says() -> None:
    about = read_yaml(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors", "type"} <= {*about}
    assert about["cff-version"] == "1.2.0"
    assert about["license"] == PROJECT["project"]["license"]
    assert sorted(about["keywords"]) == sorted(PROJECT["project"]["keywords"])
    assert "version" not in about, "it would be the version of another day"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_checksums_are_signed_and_show_a_changed_byte(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    shutil.copy(wheel, folder)
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", key, folder=tmp_path)
    make = ("make", "-s", "-C", ROOT, "checksums", f"DIST={folder}", f"SIGNING_KEY={key}")
    run(*make, folder=tmp_path)
    public = key.with_suffix(".pub").read_text("utf-8")
    (tmp_path / "signers").write_text(f"release@kenpin {public}", "utf-8")
    verify = (
        f"ssh-keygen -Y verify -f {tmp_path}/signers -I release@kenpin -n kenpin-release -s SHA256SUMS.sig < SHA256SUMS"
    )
    run("sh", "-c", verify, folder=folder)
    run("sha256sum", "-c", "SHA256SUMS", folder=folder)
    sums = (folder / "SHA256SUMS").read_text("utf-8")
    (folder / "SHA256SUMS").write_text(sums.translate({ord(sums[0]): "0" if sums[0] != "0" else "1"}), "utf-8")
    with pytest.raises(AssertionError):
        run("sh", "-c", verify, folder=folder)
    (folder / "SHA256SUMS").write_text(sums, "utf-8")
    (folder / wheel.name).write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(AssertionError):
        run("sha256sum", "-c", "SHA256SUMS", folder=folder)
