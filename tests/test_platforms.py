"""What macOS and Windows do otherwise, as far as Linux can try: locks, folders, encodings, file names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data.loading import load_dataset, write_dataset
from kenpin.data.reading.names import folders_of_labels, label_of_folder, name_of_file
from kenpin.drawing import draw_prediction
from kenpin.errors import LabelError
from kenpin.records import Prediction
from tests.builders import write_picture
from tests.pictures import write_parts
from tests.tree import PACKAGE, ROOT

NO_NAME = re.compile(r'[\x00-\x1f\x7f:*?"<>|\\/]|[. ]$')
DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
ODD = st.sampled_from(
    ["CON", "con.x", "a:b", "a\\b", "a b ", "a.", "NUL", "ok", "OK", "oK", "x*?", "<7>", "aux", "é", "É"]
)
LABELS = st.one_of(
    ODD, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
)


def windows_takes(name: str) -> bool:
    """Whether Windows can have a file or folder of this name."""
    return bool(name) and NO_NAME.search(name) is None and name.split(".")[0].strip().casefold() not in DEVICES


def as_on_windows(folder: Path, *lines: str) -> tuple[dict[str, int], str]:
    """Exit status of each line, by its first two words, without what Windows lacks; and all that was told."""
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-m", "tests.as_on_windows"],
        input="\n".join(lines).encode(),
        capture_output=True,
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONPATH": f"{ROOT}{os.pathsep}{PACKAGE.parent}"},
        timeout=300,
        check=False,
    )
    said = done.stdout.decode("cp1252")
    found = [line.split(maxsplit=2) for line in said.splitlines() if line.startswith("@@ ")]
    return {words: int(status) for _, status, words in found}, said + done.stderr.decode("cp1252", "replace")


def test_commands_run_without_what_windows_lacks(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts", count=10)
    (tmp_path / "parts" / "ok").rename(tmp_path / "parts" / "良品")
    (tmp_path / "policy.yaml").write_text("runs:\n  look: {run: run}\n", "utf-8")
    learn = "train classifier --data divided --out run --base toy --tuning head --no-report"
    lines = (
        "doctor parts",
        "look parts --out look.html --language ja",
        "split parts divided",
        learn,
        f"{learn} --overwrite",
        "predict run parts/良品/000.png --json said.json --draw drawn",
        "report run --out report.html --language zh",
        "inspect policy.yaml parts/良品/000.png --out records",
    )
    found, told = as_on_windows(tmp_path, *lines)
    assert found.pop("inspect policy.yaml", None) in (0, 3, 4), told
    assert found == {" ".join(line.split()[:2]): 0 for line in lines[:-1]}, told
    assert not list(tmp_path.glob(".*")), "locks and hidden folders are gone"


@pytest.mark.slow
def test_every_module_loads_without_what_windows_lacks(tmp_path: Path) -> None:
    found, told = as_on_windows(tmp_path, "load all")
    assert found == {"load all": 0}, told


def test_locks_hold_without_those_of_posix(tmp_path: Path) -> None:
    code = """
from tests.as_on_windows import pretend
pretend()
from pathlib import Path
from kenpin.errors import RunError
from kenpin.files import new_folder, sole_writer, write_text
left = Path(".out.new-00000000.partial")
left.mkdir()
(left / "half").write_text("x", "utf-8")
with sole_writer(Path("work")):
    try:
        with sole_writer(Path("work")):
            print("twice")
    except RunError as error:
        print("refused", "another process" in str(error))
for text in ("first", "second"):
    with new_folder(Path("out")) as folder:
        print(folder.parent.name)  # the first removes what a killed writer left
        with new_folder(Path("out")) as beside:
            print(beside.parent.name)  # two at a time write in two folders
            (beside / "file").write_text("beside", "utf-8")
        (folder / "file").write_text(text, "utf-8")
    print(Path("out/file").read_text("utf-8"))
write_text(Path("page"), "a")
write_text(Path("page"), "b")
print(sorted(path.name for path in Path().iterdir()))
"""
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{PACKAGE.parent}"},
        check=False,
    )
    hidden = [f".out.new-{number:08x}.partial" for number in (0, 1)]
    assert done.stdout.splitlines() == [
        "refused True", *hidden, "first", *hidden, "second", "['out', 'page']"
    ], done.stderr  # fmt: skip


@pytest.mark.slow
def test_types_are_right_on_windows_and_macos() -> None:
    for system in ("win32", "darwin"):
        cache = ROOT / ".mypy_cache" / system
        words = ["mypy", "--platform", system, "--no-warn-unreachable", "--cache-dir", str(cache), str(PACKAGE)]
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stdout


def test_every_file_of_text_says_its_encoding() -> None:
    words = ["ruff", "check", "-q", "--preview", "--isolated", "--select", "PLW1514", "--output-format", "concise"]
    done = subprocess.run([sys.executable, "-m", *words, str(PACKAGE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@given(st.lists(LABELS, min_size=1, max_size=6, unique=True))
def test_folders_of_any_labels_are_different_everywhere_and_read_back(labels: list[str]) -> None:
    try:
        names = folders_of_labels(labels)
    except LabelError:
        return
    assert {label: label_of_folder(name) for label, name in names.items()} == {label: label for label in labels}
    assert all(map(windows_takes, names.values())), names
    assert len({name.casefold() for name in names.values()}) == len(labels)


@given(LABELS)
def test_names_of_files_are_names_everywhere(text: str) -> None:
    assert windows_takes(name_of_file(f"{text}.png"))
    assert windows_takes(name_of_file(text))
    if windows_takes(text) and not text.startswith("."):
        assert name_of_file(text) == text, "others stay as they are"


def test_what_is_written_of_odd_names_has_names_everywhere() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        labels = ["OK", "ok", "aux", "a:b", "C1.2 (void)"]
        for seed in range(len(labels)):
            for name in ("con.png", "a:b?.png", "Ä.png", "ä.png"):
                write_picture(folder / "source" / f"{seed}" / name, seed)
        pictures = [(path, labels[int(path.parent.name)]) for path in sorted((folder / "source").rglob("*.png"))]
        data = load_dataset([(str(path), label) for path, label in pictures])
        for format in ("folders", "csv"):
            write_dataset(data, folder / format, format)
            again = load_dataset(folder / format)
            assert sorted(again.column("label")) == sorted(data.column("label"))
            assert sorted(again.contents()) == sorted(data.contents())
        for number, (path, _) in enumerate(pictures[:4]):
            draw_prediction(path, Prediction("x", label="ok"), None, folder / "drawn", number)
        written = [path for name in ("folders", "csv", "drawn") for path in (folder / name).rglob("*")]
        assert len(written) > 40
        assert [path for path in written if not windows_takes(path.name)] == []
        assert len({str(path).casefold() for path in written}) == len(written)
