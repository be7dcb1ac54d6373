"""Networks of torch written as files for an engine, traced as they stand."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kenpin.runtime.calls import load_calls
from kenpin.runtime.network import NETWORK_FILES

Input = tuple[Tensor, Sequence[int]]
"""An example of an input, and its sides that may have any length: they are 2 or longer in the example."""
_APART = {False: 1e-3, True: 5e-2}
"""Most that an engine's numbers may differ from torch's, of the largest: with weights in 32 bits, and in 16."""
_MATRICES = 4  # axes and more of several matrices, as attention multiplies them


def write_network(
    engine: str, graph: nn.Module, example: Tensor, folder: Path, outputs: Sequence[str], *, half: bool = False
) -> None:
    """Write a network for an engine into a folder. example: one row of its input; outputs: their names;
    half: keep the weights in 16 bits, which openvino can. Raises whatever the converters raise, and RuntimeError as
    `write_calls` does."""
    # the exporter for onnx takes a batch of one for a constant
    rows = torch.cat([example, example]) if engine == "onnx" else example
    write_calls(engine, graph, {"rows": (rows, (0,))}, outputs, folder, half=half)


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
    `write_network`. Raises RuntimeError where the engine does not answer for the examples what torch answers."""
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), _without_advice():
        warnings.simplefilter("ignore")  # the tracer's, of Python branches that depend on shapes alone
        write = _to_openvino if engine == "openvino" else _to_onnx
        file = folder / NETWORK_FILES[engine]
        write(graph, inputs, outputs, file, half)
        _check_answers(engine, graph, [example for example, _ in inputs.values()], file, half)


def _check_answers(engine: str, graph: nn.Module, examples: Sequence[Tensor], file: Path, half: bool) -> None:
    """Raises RuntimeError where the engine's numbers are not torch's: converters and engines err without a word."""
    answers = graph(*examples)
    expected = answers if isinstance(answers, tuple | list) else [answers]
    found = load_calls(engine, file, threads=torch.get_num_threads())(*(example.numpy() for example in examples))
    for ours, theirs in zip((answer.numpy() for answer in expected), found, strict=True):
        largest = np.abs(ours, where=np.isfinite(ours), out=np.zeros_like(ours)).max(initial=0)
        apart = _APART[half] * max(largest, 1e-30)
        if not np.allclose(ours, theirs, rtol=0, atol=apart):
            raise RuntimeError(
                f"its numbers differ from torch's by up to {np.nanmax(np.abs(ours - theirs)):.1e}, of numbers up to "
                f"{largest:.1e}"
            )


def _to_openvino(graph: nn.Module, inputs: Mapping[str, Input], outputs: Sequence[str], file: Path, half: bool) -> None:
    from kenpin.runtime.openvino import imported

    openvino = imported()
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    shapes = [
        openvino.PartialShape([-1 if side in free else length for side, length in enumerate(example.shape)])
        for example, free in inputs.values()
    ]
    examples = [example for example, _ in inputs.values()]
    given = tuple(examples) if len(examples) > 1 else examples[0]
    with _QuickMoves():
        # untraced a second and a third time, which the converter does to compare them: here its answers are compared
        traced = TorchScriptPythonDecoder(graph, example_input=given, trace_kwargs={"check_trace": False})
        model = openvino.convert_model(traced, input=shapes)
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


class _QuickMoves(TorchFunctionMode):
    """Permutations of axes as moves that OpenVINO has fast code for: the others are a large part of what a transformer
    of pictures takes."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if not named and function in (Tensor.permute, Tensor.transpose):
            tensor, *order = arguments
            axes = _axes(function, order, tensor.dim())
            # matrices that are turned before a product are turned by the product itself
            if tensor.dim() < _MATRICES or axes[-2:] != [tensor.dim() - 1, tensor.dim() - 2]:
                return moved(tensor, axes)
        return function(*arguments, **(named or {}))


def _axes(function: Any, order: Sequence[Any], count: int) -> list[int]:
    if function is Tensor.permute:
        given = order[0] if len(order) == 1 and not isinstance(order[0], int) else order
        return [axis % count for axis in given]
    axes = [*range(count)]
    first, second = (axis % count for axis in order)
    axes[first], axes[second] = second, first
    return axes


def moved(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    """`tensor.permute(axes)`, with at most the axes that do not stay together, and the last one moved by itself.

    >>> moved(torch.zeros(2, 3, 4, 5, 6, 7), (0, 1, 3, 2, 4, 5)).shape
    torch.Size([2, 3, 5, 4, 6, 7])
    """
    if list(axes) == sorted(axes):
        return tensor
    shape = [tensor.shape[axis] for axis in axes]
    runs: list[list[int]] = []
    for axis in axes:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) == len(axes) and axes[-1] == len(axes) - 1:
        return tensor.permute(*axes)
    kept = sorted(runs)
    sizes = [prod(tensor.shape[axis] for axis in run) for run in kept]
    order = [kept.index(run) for run in runs]
    last = order[-1]
    if last < len(order) - 1:
        # (a, last, b) -> (a, b, last): as pictures of one column whose channels come first
        before, behind = prod(sizes[:last]), prod(sizes[last + 1 :])
        tensor = tensor.reshape(before, sizes[last], 1, behind).permute(0, 3, 1, 2)
        sizes.append(sizes.pop(last))
        order = [number - (number > last) for number in order[:-1]] + [len(order) - 1]
    tensor = tensor.reshape(sizes)
    if order != sorted(order):
        tensor = tensor.permute(order)
    return tensor.reshape(shape)


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
