"""The base installation: what looks, judges by packages, checks and reports does so without what trains or the hub's
library, and loads little before the first verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from kenpin.data.loading import load_dataset, write_dataset
from kenpin.errors import MissingExtraError
from kenpin.export import export_package
from kenpin.predictor import load_predictor
from kenpin.runtime import version_of
from kenpin.training import train
from tests.tables import write_table
from tests.toy_runs import ToyRun

if version_of("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)
ABSENT = (
    "accelerate", "kornia", "onnx", "onnxscript", "peft", "pytorch_metric_learning", "safetensors", "sklearn", "torch",
    "transformers",
    # of the hub's library, and what comes with it alone
    "aiohttp", "datasets", "dill", "fsspec", "httpx", "huggingface_hub", "multiprocess", "pandas", "requests", "tqdm",
    "xxhash",
)  # fmt: skip
BARE = f"""
import sys
from importlib.machinery import PathFinder
absent, found = {{*{ABSENT!r}}}, PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None: None if name.split(".")[0] in absent else found(name, path, target)
)
from kenpin.cli import main
for line in sys.stdin.read().splitlines():
    try:
        status = main(line.split())
    except SystemExit as end:
        status = end.code
    print("@@", status or 0, line, flush=True)
print("loaded", *sorted(sys.modules))
"""
SLOW_TO_LOAD = {
    "datasets", "fontTools", "imagehash", "jinja2", "kenpin.config", "kenpin.data.doctor", "kenpin.data.formats",
    "kenpin.data.loading", "kenpin.drawing", "kenpin.evaluation", "kenpin.report", "numpy.f2py", "pandas",
    "pyarrow.compute", "rich", "scipy", "sklearn", "torch",
}  # fmt: skip


def _bare(folder: Path, *lines: str) -> tuple[dict[str, int], str, set[str]]:
    """Exit status of each command, all in one process, what they said on standard error, and the modules loaded."""
    done = subprocess.run(
        [sys.executable, "-c", BARE],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"KENPIN_ENGINE": "auto"},
        timeout=120,
        check=False,
    )
    told = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith("@@ ")]
    loaded = done.stdout.splitlines()[-1].split()
    return {line: int(status) for _, status, line in told}, done.stderr, set(loaded[1:])


@pytest.fixture(scope="module")
def packages(toy_run: ToyRun, few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages `places`, `head` and `vectors`, and the pictures `parts`."""
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "places": ("mahalanobis", {"where": "positions"}),
        "head": ("classifier", {"tuning": "head", "head": "svm", "calibrate": "platt"}),
        "vectors": ("embedder", {"tuning": "head", "epochs": 1}),
    }
    folder = tmp_path_factory.mktemp("packages")
    for name, (family, options) in ways.items():
        export_package(toy_run(family, folder / "runs" / name, **options), folder / name, to="openvino")
    (folder / "parts").symlink_to(few_parts)
    return folder


def test_a_line_needs_the_base_alone(packages: Path) -> None:
    parquet.write_table(pa.table({"width": np.arange(9.0), "label": ["ok"] * 9}), packages / "numbers.parquet")
    scores = np.random.default_rng(0).permutation(60)
    scored = [(number, score, "ok" if score < 40 else "scratch") for number, score in enumerate(scores)]
    (packages / "scores.csv").write_text("id,defect_score\n" + "".join(f"{n},{score}\n" for n, score, _ in scored))
    (packages / "truth.csv").write_text("id,label\n" + "".join(f"{n},{label}\n" for n, _, label in scored))
    (packages / "policy.yaml").write_text("runs: {places: {run: places}, head: {run: head}}\n")
    lines = (
        "doctor parts",
        "look parts --out look.html",
        "split parts divided --by duplicates",
        "convert parts listed --to csv",
        "doctor numbers.parquet",
        "predict head parts/ok/000.png",
        "predict vectors parts/ok/000.png",
        "evaluate head --data parts --with-seen --json head.json",
        "judge scores.csv --truth truth.csv",
        "drift scores.csv --reference scores.csv",
        "report head --out head.html",
        "report vectors --against head --out vectors.html",
        "scatter vectors vectors --out scatter.html",
        "explain places parts/ok/000.png --out map.png",
        "embed vectors parts embedded",
        "inspect policy.yaml parts/ok/000.png parts/ok/001.png --out records",
    )
    statuses, error, _ = _bare(packages, *lines)
    assert statuses == dict.fromkeys(lines, 0), error
    assert "torch" not in error


def test_a_run_of_a_table_needs_the_base_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "parts.csv")
    run = train("mahalanobis", data=str(tmp_path / "parts.csv"), out=tmp_path / "run", report=False)
    if with_onnx := version_of("onnx") is not None:
        export_package(run, tmp_path / "package", to="onnx")
    lines = (
        "predict run parts.csv --json said.json",
        "evaluate run --data parts.csv --with-seen",
        "report run --out page.html",
        *(["predict package parts.csv", "evaluate package --data parts.csv --with-seen"] if with_onnx else ()),
    )
    statuses, error, _ = _bare(tmp_path, *lines)
    assert statuses == dict.fromkeys(lines, 0), error
    found = [row["defect_score"] for row in json.loads((tmp_path / "said.json").read_text())["predictions"]]
    expected = [one.defect_score for one in load_predictor(run).predict(load_dataset(tmp_path / "parts.csv"))]
    assert found == expected


def test_a_verdict_loads_little(packages: Path) -> None:
    line = "predict vectors parts/ok/000.png"
    statuses, error, loaded = _bare(packages, line)
    assert statuses == {line: 0}, error
    assert loaded & SLOW_TO_LOAD == set()


def test_what_needs_the_library_of_the_hub_says_so(few_parts: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").symlink_to(few_parts)
    few = load_dataset(few_parts).select(range(3))
    write_dataset(few, tmp_path / "saved", "huggingface")
    parquet.write_table(
        pa.table({"image": few.arrow.column("image"), "label": few.column("label")}), tmp_path / "p.parquet"
    )
    lines = ("convert parts other --to huggingface", "doctor saved", "doctor p.parquet", "doctor nobody/nothing")
    statuses, error, _ = _bare(tmp_path, *lines)
    assert statuses == dict.fromkeys(lines, 2), error
    sentences = [line for line in error.splitlines() if line.startswith("kenpin: ")]
    assert len(sentences) == len(lines), error
    assert all('pip install "kenpin[hub]"' in sentence for sentence in sentences), error


def test_python_says_what_the_hub_extra_is_for(few_parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = load_dataset(few_parts).select(range(3))
    monkeypatch.setitem(sys.modules, "datasets", None)
    for ask in (lambda: few.table, lambda: load_dataset(few.arrow.select(["image", "label"]))):
        with pytest.raises(MissingExtraError, match=r"kenpin\[hub\]"):
            ask()


def test_what_needs_torch_says_so(toy_run: ToyRun, few_parts: Path, tmp_path: Path) -> None:
    toy_run("classifier", tmp_path / "run", tuning="head")
    (tmp_path / "parts").symlink_to(few_parts)
    lines = (
        "train classifier --data parts --out other",
        "predict run parts/ok/000.png",
        "evaluate run --data parts",
        "explain run parts/ok/000.png --out map.png",
        "export run package --to openvino",
        "doctor parts --suspects toy",
        "predict toy parts/ok/000.png",
    )
    statuses, error, _ = _bare(tmp_path, *lines)
    assert statuses == dict.fromkeys(lines, 2), error
    sentences = [line for line in error.splitlines() if line.startswith("kenpin: ")]
    assert len(sentences) == len(lines), error
    assert all('pip install "kenpin[train]"' in sentence for sentence in sentences), error
