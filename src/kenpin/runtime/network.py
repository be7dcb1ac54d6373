"""A frozen network on an engine: arrays in, arrays out, several batches at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

NETWORK_FILES = {"openvino": "model.xml", "onnx": "model.onnx"}
"""File of a network in its folder, by the program that it is written for."""
Outputs = dict[str, NDArray[Any]]
"""Arrays by the names of the network's outputs, n rows each."""
Work = Literal["many", "single"]
"""What comes: many pictures, one batch after the other, or single ones that somebody waits for."""
Item = TypeVar("Item")
Precision = Literal["fp32", "bf16"]
"""Number format of the arithmetic: all digits, or, on processors that have it, half of them."""


class PendingOutputs(Protocol):
    """Outputs that are being computed."""

    def result(self) -> Outputs:
        """Wait for them. Raises RuntimeError where the engine failed."""


class Network(Protocol):
    """A network that is loaded on an engine. Its first dimension is the batch, of any size."""

    depth: int
    """Batches that it computes at a time; more are only waited for."""

    def submit(self, rows: NDArray[Any]) -> PendingOutputs:
        """Begin with a batch, (n, …); it must not be changed until its outputs are there."""

    def __call__(self, rows: NDArray[Any]) -> Outputs:
        """The outputs of a batch."""


def load_network(
    engine: str,
    file: Path,
    *,
    work: Work = "many",
    threads: int | None = None,
    device: str | None = None,
    precision: Precision = "fp32",
) -> Network:
    """The network of a file on an engine: `model.xml` for openvino, `model.onnx` for openvino and onnx.

    threads: of the processor; None: all; device: of OpenVINO, such as GPU or NPU, or a provider of ONNX Runtime.
    Raises OptionError where the engine has no such device or precision, RuntimeError for a file that it cannot read.
    """
    if engine == "openvino":
        from kenpin.runtime import openvino

        return openvino.load(file, work, threads, device, precision)
    from kenpin.runtime import onnx

    return onnx.load(file, threads, device, precision)


def at_once(
    network_for: Callable[[Work], Network], items: Sequence[Item], prepare: Callable[[Item], NDArray[Any]]
) -> Outputs:
    """The outputs for a few items that somebody waits for: for one by all threads, for several by a thread each, which
    leaves none waiting for another, the next ones being prepared meanwhile. network_for: the network as it is loaded
    for that work; prepare: gives an item's row."""
    network = network_for("single" if len(items) == 1 else "many")
    share = -(-len(items) // network.depth)
    begun = [
        network.submit(np.stack([prepare(item) for item in items[start : start + share]]))
        for start in range(0, len(items), share)
    ]
    found = [one.result() for one in begun]
    return {name: np.concatenate([outputs[name] for outputs in found]) for name in found[0]}
