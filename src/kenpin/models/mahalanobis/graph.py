"""The unit space of a table as an ONNX graph in 64 bits: rows of numbers in; score, distance and shares out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.models.mahalanobis.decoding import AnySpace
from kenpin.quality.calibration import Calibration, IsotonicCurve, inside_unit
from kenpin.taguchi import RecognitionSpace

_OPSET, _IR = 18, 10
"""Versions of operators and file format: older than those of the library, so that older programs read them too."""
_NARROWEST = 2.0**-54
"""Width of a step in a curve: less than lies between two scores."""


def write_graph(
    file: Path, space: AnySpace, items: NDArray[np.int64], names: tuple[str, ...], calibration: Calibration | None
) -> None:
    """Write the graph of `rows`, (n, names) float64 in the order of the names, of which `items` are the indices of
    those that the space knows.

    Its outputs: `score` (n,), what the run's threshold is for: the calibrated probability, or the distance itself;
    `distance` (n,), D²/k; `shares` (n, items), of the items in it, or of the two characteristics of method rt. Of a
    row that the run refuses, since a number in it is not finite or too large to be squared, score and distance are
    not a number.
    """
    graph = _Graph()
    chosen = graph("Gather", "rows", items, axis=1)
    if isinstance(space, RecognitionSpace):
        chosen = _characteristics(graph, space, chosen)
        space = space.space_
    count = len(space.mean_)
    standard = graph("Div", graph("Sub", chosen, space.mean_), space.scale_)
    product = graph("Mul", standard, graph("MatMul", standard, space.precision_))
    shares = graph("Div", product, float(count), out="shares")
    total = graph("ReduceSum", shares, np.array([1]), keepdims=0)
    # not infinite either: the run refuses such a row
    distance = graph("Where", graph("Less", graph("Abs", total), np.inf), total, np.nan, out="distance")
    if calibration is None:
        graph("Identity", distance, out="score")
    else:
        chance = _calibrated(graph, calibration, distance)
        # minimum and maximum may make a number of what is none
        graph("Where", graph("Equal", distance, distance), chance, np.nan, out="score")
    graph.write(file, len(names), {"score": (), "distance": (), "shares": (count,)})


def _characteristics(graph: _Graph, space: RecognitionSpace, rows: str) -> str:
    """β and √Vₑ of each set, side by side: see RecognitionSpace."""
    found = []
    for chosen in space.sets_:
        standard = space.standard_[chosen]
        items = graph("Gather", rows, chosen, axis=1)
        sensitivity = graph("MatMul", items, (standard / (standard @ standard))[:, None])
        error = graph("Sub", items, graph("Mul", sensitivity, standard))
        squares = graph("ReduceSum", graph("Mul", error, error), np.array([1]), keepdims=1)
        found += [sensitivity, graph("Sqrt", graph("Div", squares, float(len(chosen) - 1)))]
    return graph("Concat", *found, axis=1)


def _calibrated(graph: _Graph, calibration: Calibration, distance: str) -> str:
    """The calibrated probability of a distance: see CalibratedPictures."""
    unit = graph("Div", distance, graph("Add", distance, 1.0))
    unit = graph("Min", graph("Max", unit, inside_unit(0.0)), inside_unit(1.0))
    if isinstance(calibration, IsotonicCurve):
        scores, rates = np.array(calibration.scores), np.array(calibration.precisions)
        widths = np.diff(scores).clip(_NARROWEST)
        beyond = graph("Sub", graph("Unsqueeze", unit, np.array([1])), scores[:-1])
        within = graph("Min", graph("Max", beyond, 0.0), widths)
        return graph("Add", graph("MatMul", within, np.diff(rates) / widths), rates[0])
    odds = graph("Log", graph("Div", unit, graph("Sub", 1.0, unit)))
    return graph("Sigmoid", graph("Add", graph("Mul", odds, calibration.slope), calibration.offset))


class _Graph:
    """Nodes that are added one by one; an input that is no name becomes a constant."""

    def __init__(self) -> None:
        import onnx

        self._onnx: Any = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def __call__(self, kind: str, *inputs: str | ArrayLike, out: str | None = None, **attributes: int) -> str:
        """Add a node; returns the name of its output."""
        out = out or f"{kind}{len(self._nodes)}"
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        self._nodes.append(self._onnx.helper.make_node(kind, names, [out], **attributes))
        return out

    def write(self, file: Path, items: int, outputs: dict[str, tuple[int, ...]]) -> None:
        """Write the file. outputs: the sides of each after the first."""
        helper, double = self._onnx.helper, self._onnx.TensorProto.DOUBLE
        given = [helper.make_tensor_value_info("rows", double, ["n", items])]
        found = [helper.make_tensor_value_info(name, double, ["n", *sides]) for name, sides in outputs.items()]
        graph = helper.make_graph(self._nodes, "unit space", given, found, self._constants)
        model = helper.make_model(
            graph, producer_name="kenpin", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
        )
        self._onnx.checker.check_model(model, full_check=True)
        self._onnx.save(model, file)

    def _constant(self, values: ArrayLike) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.array(values), name))
        return name
