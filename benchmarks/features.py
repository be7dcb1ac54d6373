"""Feature extraction by Lite0 on real pictures: pictures a second, memory, and how near it comes to the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import Figures, in_fresh_process, peak_bytes, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, megabytes, rate, table

if TYPE_CHECKING:
    from kenpin.models.classifier import HeadClassifier


def section(scale: Scale, folder: Path, rates: Figures) -> str:
    """The way from file to features, its parts, what must be done for it, and the size of the batch."""
    folder.mkdir()
    usual, *others = (
        in_fresh_process(
            extract,
            cache=str(folder / str(size)),
            pictures=scale.pictures,
            batch_size=size,
            repetitions=scale.repetitions,
        )
        for size in (None, *scale.batch_sizes)
    )
    counted = in_fresh_process(count, batch_size=int(usual["batch_size"][0]))
    return (
        f"## Features\n\n`lite0` by torch on {scale.pictures} real pictures of solar cells, 300 × 300 PNG, from an "
        f"empty feature store; {usual['batch_size'][0]:.0f} pictures a batch, by default.\n\n{_parts(scale, usual)}\n"
        f"{_share(scale, usual, counted, rates)}\n"
        "The process with the network loaded takes "
        f"{megabytes(usual['loaded_bytes'][0])} MB, at its peak {megabytes(usual['peak_bytes'][0])} MB.\n\n"
        f"{_sweep(scale, usual, [usual, *others])}"
    )


def _parts(scale: Scale, usual: Figures) -> str:
    parts = {
        "end to end": "first",
        "the network alone": "network",
        "opening and scaling alone, one thread": "prepare",
        "end to end again, features from the store": "second",
    }
    rows = [
        (what, rate(scale.pictures, usual[part]), figure(min(usual["first"]) / min(usual[part])))
        for what, part in parts.items()
    ]
    return table(("work", "pictures/s", "times as fast as end to end"), rows)


def _share(scale: Scale, usual: Figures, counted: Figures, rates: Figures) -> str:
    network_seconds = min(usual["network"]) / scale.pictures
    needs = {
        "floating-point operations, 10⁹": (counted["flop"][0], rates["flop"][0], 1e9),
        "MB, each layer reading its input and writing its output": (
            counted["bytes"][0],
            rates["copy_bytes"][0],
            1e6,
        ),
    }
    rows = [
        (
            what,
            figure(needed / unit),
            figure(1_000 * needed / machine),
            figure(1_000 * network_seconds),
            f"{needed / machine / network_seconds:.0%}",
        )
        for what, (needed, machine, unit) in needs.items()
    ]
    head = ("a picture needs", "amount", "ms at the machine's rate", "ms in the network", "share of the machine's rate")
    return table(head, rows)


def _sweep(scale: Scale, usual: Figures, all_sizes: Iterable[Figures]) -> str:
    rows = [
        (
            f"{taken['batch_size'][0]:.0f}",
            rate(scale.pictures, taken["first"]),
            f"{min(usual['first']) / min(taken['first']):.2f}",
            rate(scale.pictures, taken["network"]),
            megabytes(taken["peak_bytes"][0]),
        )
        for taken in sorted(all_sizes, key=lambda taken: taken["batch_size"])
    ]
    head = ("batch", "end to end, pictures/s", "times the default's", "network, pictures/s", "peak memory, MB")
    return table(head, rows)


def extract(cache: str, pictures: int, batch_size: int | None, repetitions: int) -> Figures:
    """In the child: features of real pictures from an empty store and from a full one, then the parts of the way.

    cache: a new folder for the stores. batch_size: divides `pictures`; None for the default.
    """
    import torch

    from kenpin.data.images import read_image
    from kenpin.demo import solar_cells
    from kenpin.models.inference import infer_batches

    inspector, dataset = _inspector(), solar_cells().select(range(pictures))
    figures: Figures = {"loaded_bytes": [peak_bytes()], "first": []}

    def go() -> list[int]:
        return [len(examples) for examples, _ in infer_batches(inspector, dataset, batch_size=batch_size)]

    for repetition in range(repetitions):
        os.environ["KENPIN_CACHE"] = f"{cache}-{repetition}"
        figures["first"] += seconds_of(go, 1)
        figures.setdefault("peak_bytes", [peak_bytes()])
    figures["second"] = seconds_of(go, repetitions)
    size = max(go())
    batches = [dataset.select(range(start, start + size)) for start in range(0, pictures, size)]

    def prepare() -> None:
        for batch in batches:
            inspector.encode([read_image(example.image) for example in batch])

    figures["prepare"] = seconds_of(prepare, repetitions)
    encoded = inspector.encode([read_image(example.image) for example in batches[0]])

    def network() -> None:
        with torch.inference_mode():
            for _ in batches:
                inspector.extract(encoded)

    figures["network"] = seconds_of(network, repetitions)
    figures["batch_size"] = [size]
    return figures


def count(batch_size: int) -> Figures:
    """In the child: operations and bytes that the network's layers need for one picture of a batch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inspector = _inspector()
    moved_bytes = 0

    def add(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal moved_bytes
        moved_bytes += sum(tensor.nbytes for tensor in (*inputs, output, *layer.parameters(), *layer.buffers()))

    for layer in inspector.module.modules():
        if not any(layer.children()):
            layer.register_forward_hook(add)
    width, height = inspector.image_size_wh
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        inspector.extract({"pixel_values": torch.zeros(batch_size, 3, height, width)})
    return {"flop": [counter.get_total_flops() / batch_size], "bytes": [moved_bytes / batch_size]}


def _inspector() -> HeadClassifier:
    from kenpin.models.classifier import ClassifierOptions, HeadClassifier
    from kenpin.models.contract import Task
    from kenpin.models.networks.backbones import load_backbone

    task = Task(("functional", "defective"), ("functional",))
    options = ClassifierOptions(data="", out="", base="lite0", tuning="head", engine="torch")
    return HeadClassifier(load_backbone("lite0", task.labels, 0), task, options)
