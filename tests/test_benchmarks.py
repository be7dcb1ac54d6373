"""The benchmarks run from end to end at a small size, and their results are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.data.formats import format_names, get_format

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = [
    "The machine's own rates",
    "Features",
    "Readers",
    "The doctor",
    "Start-up",
    "Scoring",
    "Unit spaces",
    "Detection by a language model",
    "Known cases",
    "Siamese network",
    "Three objectives in a plane",
    "Eyes",
    "Folds",
    "Known defects",
    "Few good parts",
    "Tiles",
    "Made defects",
    "Inspection",
    "Engine",
    "Package",
    "Station's load",
    "Station's store",
    "Kills",
    "Cluster",
]


def _sections(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


@pytest.mark.slow
def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    out = tmp_path / "quick.md"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    text = out.read_text("utf-8")
    assert _sections(text) == SECTIONS
    assert "prove nothing" in text
    assert not re.search(r"\bnan\b|\binf\b", text)


def test_wheels_for_a_gpu_are_those_that_the_tests_ran_with() -> None:
    script = (ROOT / "benchmarks" / "gpu" / "wheels.sh").read_text("utf-8")
    names = re.search(r'^names="([^"$]+)', script, re.MULTILINE)
    assert names is not None
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    assert set(names[1].split()) - pinned == {"bitsandbytes"}, "the extra `qlora` is not installed for the tests"


def test_without_a_gpu_its_benchmark_is_skipped_with_a_sentence() -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("Skipped: there is no CUDA device")


def test_without_anomalib_its_benchmark_is_skipped_with_a_sentence(tmp_path: Path) -> None:
    script, out = ROOT / "benchmarks" / "anomalib" / "compare.py", tmp_path / "results.md"
    command = [sys.executable, str(script), "--python", str(tmp_path / "python"), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("Skipped:")
    assert not out.exists()


def test_the_kept_results_are_of_a_full_run() -> None:
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    assert _sections(text) == SECTIONS
    assert "prove nothing" not in text
    assert all(
        f"| {name} |" in text
        for name in format_names()
        if get_format(name).CARRIES - {"items"} and "items" not in get_format(name).CARRIES
    )
