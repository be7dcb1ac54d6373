"""Plants label errors in the solar cells and in Fashion-MNIST, and measures both sides on the same features."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.tables import figure, table
from kenpin.data import Dataset, load_dataset
from kenpin.quality.label_errors import contradicted
from kenpin.suspects import features_of, out_of_fold

RESULTS = Path(__file__).with_name("RESULTS.md")
PEER = Path(__file__).with_name("peer.py")
_SHARE, _DRAWS = 0.05, 3
_FASHION = "/usr/share/datasets/fashion-mnist"
_PICTURES = 4_000  # of Fashion-MNIST: enough for the shares to differ by a tenth of a percent


@dataclass(frozen=True)
class Flipped:
    """Labels of which a share was planted wrong, by class number, and the indices of those."""

    labels: NDArray[np.int64]
    wrong: NDArray[np.int64]


def solar_cells() -> Dataset:
    """The cells that are surely functional or surely defective."""
    from elpv_dataset.utils import load_dataset as load

    images, probabilities, _ = load()
    pairs = zip(images, probabilities, strict=True)
    return load_dataset([(image, "ok" if p == 0 else "defective") for image, p in pairs if p in (0.0, 1.0)])


def fashion() -> Dataset:
    """The first pictures of Fashion-MNIST's training set."""
    return load_dataset(_FASHION, format="idx").of_split("train").select(range(_PICTURES))


def flipped(targets: NDArray[np.int64], seed: int) -> Flipped:
    """A share of the labels changed to another class, each other class as likely."""
    rng = np.random.default_rng(seed)
    classes = int(targets.max()) + 1
    wrong = rng.permutation(len(targets))[: round(_SHARE * len(targets))]
    labels = targets.copy()
    labels[wrong] = (targets[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return Flipped(labels, wrong)


def share_found(order: NDArray[np.int64], planted: Flipped) -> float:
    """Share of the planted errors among as many first suspects as there are."""
    return len({*order[: len(planted.wrong)].tolist()} & {*planted.wrong.tolist()}) / len(planted.wrong)


def measured(name: str, data: Dataset, python: str) -> list[str]:
    """A row of the table."""
    classes = sorted(set(data.column("label")))
    targets = np.array([classes.index(label) for label in data.column("label")])
    features = features_of(data, classes, base="lite0")
    draws = [flipped(targets, seed) for seed in range(_DRAWS)]
    groups = list(map(str, range(len(targets))))
    own, own_s = [], []
    for planted in draws:
        started = time.perf_counter()
        ranked = contradicted(out_of_fold(features, planted.labels, groups), planted.labels).ranked()
        own.append(share_found(ranked, planted))
        own_s.append(time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, features=features, labels=[planted.labels for planted in draws])
        subprocess.run([python, str(PEER), str(source), str(target)], check=True)
        peer = np.load(target)
    theirs = [share_found(order, planted) for order, planted in zip(peer["orders"], draws, strict=True)]
    wins = f"{sum(a >= b for a, b in zip(own, theirs, strict=True))} of {_DRAWS}"
    seconds = [figure(float(np.mean(of))) for of in (own_s, peer["seconds"])]
    return [name, f"{len(targets):,}", _shown(own), _shown(theirs), wins, *seconds]


def _shown(shares: list[float]) -> str:
    return f"{np.mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"


def main() -> None:
    """Measure, and write RESULTS.md."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--python", required=True, help="Python with cleanlab")
    python = arguments.parse_args().python
    rows = [measured("solar cells", solar_cells(), python), measured("Fashion-MNIST", fashion(), python)]
    head = ["data", "pictures", "kenpin", "cleanlab", "at least as many", "kenpin s", "cleanlab s"]
    text = (
        f"# Planted label errors\n\n{date.today()}, {machine.description()}.\n\n{_SHARE:.0%} of the labels were "
        f"changed, in {_DRAWS} draws: the share of them among as many first suspects, mean and range; both sides on "
        "the same features of lite0, and the seconds of a ranking without the features.\n\n"
    )
    RESULTS.write_text(text + table(head, rows), "utf-8")
    print(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    main()
