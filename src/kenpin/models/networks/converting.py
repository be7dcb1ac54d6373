"""Networks of torch written as files for an engine, traced as they stand."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kenpin.runtime.network import NETWORK_FILES

Input = tuple[Tensor, Sequence[int]]
"""An example of an input, and its sides that may have any length: they are 2 or longer in the example."""


def write_network(
    engine: str, graph: nn.Module, example: Tensor, folder: Path, output: str, *, half: bool = False
) -> None:
    """Write a network for an engine into a folder. example: one row of its input; half: keep the weights in 16 bits,
    which openvino can. Raises whatever the converters raise."""
    # the exporter for onnx takes a batch of one for a constant
    rows = torch.cat([example, example]) if engine == "onnx" else example
    write_calls(engine, graph, {"rows": (rows, (0,))}, [output], folder, half=half)


def write_calls(
    engine: str,
    graph: nn.Module,
    inputs: Mapping[str, Input],
    outputs: Sequence[str],
    folder: Path,
    *,
    half: bool = False,
) -> None:
    """Write a network of several inputs, in the order of its arguments, for an engine into a folder; see
    `write_network`."""
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), _without_advice():
        warnings.simplefilter("ignore")  # the tracer's, of Python branches that depend on shapes alone
        write = _to_openvino if engine == "openvino" else _to_onnx
        write(graph, inputs, outputs, folder / NETWORK_FILES[engine], half)


def _to_openvino(graph: nn.Module, inputs: Mapping[str, Input], outputs: Sequence[str], file: Path, half: bool) -> None:
    from kenpin.runtime.openvino import imported

    openvino = imported()
    shapes = [
        openvino.PartialShape([-1 if side in free else length for side, length in enumerate(example.shape)])
        for example, free in inputs.values()
    ]
    examples = [example for example, _ in inputs.values()]
    given = tuple(examples) if len(examples) > 1 else examples[0]
    model = openvino.convert_model(graph, example_input=given, input=shapes)
    for port, name in zip(model.outputs, outputs, strict=True):
        port.set_names({name})
    openvino.save_model(model, file, compress_to_fp16=half)


def _to_onnx(graph: nn.Module, inputs: Mapping[str, Input], outputs: Sequence[str], file: Path, half: bool) -> None:
    shapes: list[Any] = [dict.fromkeys(free, torch.export.Dim.DYNAMIC) for _, free in inputs.values()]
    parameters = signature(graph.forward).parameters.values()
    named = sum(parameter.kind is not parameter.VAR_POSITIONAL for parameter in parameters)
    if named < len(parameters):
        shapes[named:] = [tuple(shapes[named:])]
    torch.onnx.export(
        graph, tuple(example for example, _ in inputs.values()), str(file), dynamo=True, dynamic_shapes=tuple(shapes),
        input_names=list(inputs), output_names=list(outputs), external_data=False, verbose=False,
    )  # fmt: skip


@contextmanager
def _without_advice() -> Iterator[None]:
    """Without what PyTorch's exporter logs of packages that are not installed, which nothing here needs."""
    exporter = logging.getLogger("torch.onnx")
    before = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        yield
    finally:
        exporter.setLevel(before)
