"""The base installation: what looks, judges by packages, checks and reports does so where torch cannot be found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kenpin.export import export_package
from kenpin.runtime import version_of
from tests.toy_runs import ToyRun

if version_of("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)
OF_TRAINING = ("accelerate", "kornia", "onnx", "onnxscript", "peft", "pytorch_metric_learning", "safetensors", "torch")
BARE = f"""
import sys
from importlib.machinery import PathFinder
absent, found = {{*{OF_TRAINING!r}, "transformers"}}, PathFinder.find_spec
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
"""


def _bare(folder: Path, *lines: str) -> tuple[dict[str, int], str]:
    """Exit status of each command, all in one process, and what they said on standard error."""
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
    return {line: int(status) for _, status, line in told}, done.stderr


def test_a_line_needs_no_torch(toy_run: ToyRun, few_parts: Path, tmp_path: Path) -> None:
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "places": ("mahalanobis", {"where": "positions"}),
        "head": ("classifier", {"tuning": "head", "head": "svm", "calibrate": "platt"}),
        "vectors": ("embedder", {"tuning": "head", "epochs": 1}),
    }
    for name, (family, options) in ways.items():
        export_package(toy_run(family, tmp_path / "runs" / name, **options), tmp_path / name, to="openvino")
    (tmp_path / "parts").symlink_to(few_parts)
    (tmp_path / "policy.yaml").write_text("runs: {places: {run: places}, head: {run: head}}\n")
    lines = (
        "doctor parts",
        "look parts --out look.html",
        "split parts divided",
        "predict head parts/ok/000.png",
        "predict vectors parts/ok/000.png",
        "evaluate head --data parts --with-seen --json head.json",
        "report head --out head.html",
        "explain places parts/ok/000.png --out map.png",
        "embed vectors parts embedded",
        "inspect policy.yaml parts/ok/000.png parts/ok/001.png --out records",
    )
    statuses, error = _bare(tmp_path, *lines)
    assert statuses == dict.fromkeys(lines, 0), error
    assert "torch" not in error


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
    statuses, error = _bare(tmp_path, *lines)
    assert statuses == dict.fromkeys(lines, 2), error
    sentences = [line for line in error.splitlines() if line.startswith("kenpin: ")]
    assert len(sentences) == len(lines), error
    assert all('pip install "kenpin[train]"' in sentence for sentence in sentences), error
