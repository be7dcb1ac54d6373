"""A package's network in 8 bits: by how many layers in 32, by accuracy control, and with its features corrected."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.framed_set import framed_set
from kenpin.data.images import read_grey_or_rgb
from kenpin.data.streaming import IN_FLIGHT_BYTES
from kenpin.data.tiling import sizes_of, tiles_of
from kenpin.errors import OptionError, first_line
from kenpin.export.correction import Correction, fit_correction
from kenpin.models.contract import Judge
from kenpin.models.framed import framing_of
from kenpin.models.package.record import NETWORK, PackageRecord, PictureInput
from kenpin.models.tiles import tiling_of
from kenpin.runtime.network import NETWORK_FILES

_CALIBRATED_ON = 300
"""Pictures that the ranges of numbers are read from; more change them no further (NNCF's own default)."""
_ROWS = 32
_RANKED_ON = 4
"""Batches of rows by which accuracy control orders the layers."""
_IN_ITEMS = ("features", "embedding")
"""Outputs that a decision is computed from, so that a small correction of them is one of the verdicts."""
_CONVOLUTIONS = ("Convolution", "GroupConvolution")

CostOf = Callable[[Sequence[tuple[int, NDArray[Any]]]], float]
"""From the place of the first picture and the network's rows, of each batch, to the cost per part."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to quantise."""

    exact_layers: int
    """Convolutions, from the picture on, that stay in 32 bits: an error in the first is in everything behind it."""
    controlled: bool = False
    """Whether NNCF looks itself for more layers to leave in 32 bits."""


WAYS = (Way(1), Way(3), Way(6), Way(6, controlled=True))
"""From the fastest to the nearest."""


def _drawn(count: int) -> list[int]:
    """Rows of those that calibrate, at random."""
    return sorted(np.random.default_rng(0).permutation(count)[:_CALIBRATED_ON].tolist())


class Quantiser:
    """A package's network in INT8, with pictures as the network takes them."""

    def __init__(self, exact: Path, opened: PackageRecord, judge: Judge, learned: Dataset, judging: Dataset) -> None:
        """exact: the package in 32 bits, which `judge` judges by."""
        from kenpin.runtime import openvino

        self._engine, self._openvino = openvino, openvino.imported()  # without telemetry, before NNCF looks for it
        assert isinstance(opened.input, PictureInput), "export_int8 takes runs of pictures"
        self._resizing = opened.input.resizing
        self._file = Path(NETWORK) / NETWORK_FILES["openvino"]
        self._exact, self._opened, self._judging = exact / self._file, opened, judging
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._is_plain = opened.input.tiles is None and opened.input.frame is None
        tiling, framing = tiling_of(judge), framing_of(judge)
        if framing is not None:
            learned, _ = framed_set(learned.select(_drawn(len(learned))), framing)
        if tiling is not None:
            some = learned.select(_drawn(len(learned)))
            learned = tiles_of(some, sizes_of(some), tiling)
        self.calibrating = np.stack(self._prepared(learned.select(_drawn(len(learned)))))
        self._outputs = self._rows_of(self._model()) if opened.output in _IN_ITEMS else None

    def ways(self) -> list[Way]:
        """Those that differ for this network: one of few convolutions has fewer; and none is controlled that sees
        tiles or framed pictures, of which NNCF knows nothing."""
        count = sum(op.get_type_name() in _CONVOLUTIONS for op in self._model().get_ops())
        ways = dict.fromkeys(Way(min(way.exact_layers, count), way.controlled) for way in WAYS)
        return [way for way in ways if self._is_plain or not way.controlled]

    def write(self, folder: Path, way: Way, most: float, cost_of: CostOf) -> bool:
        """Write the network into a package's folder; returns whether its features are corrected.

        most: by how much the cost per part may rise under control. Raises OptionError.
        """
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function would mute others' handlers too
        try:
            with redirect_stdout(StringIO()):  # its bars have no switch
                model = self._engine.apart(lambda: self._quantised(nncf, way, most, cost_of))
        except Exception as error:  # whatever breaks first in the quantiser
            raise OptionError(f"{folder.name}: NNCF cannot quantise this network ({first_line(error)}).") from error
        correction = None
        if self._outputs is not None:
            correction = fit_correction(self._rows_of(model), self._outputs)
        if correction is not None:
            self._append(model, correction)
        for ending in (".xml", ".bin"):  # not in place: the one before may still be mapped into memory
            (folder / self._file).with_suffix(ending).unlink()
        self._openvino.save_model(model, folder / self._file, compress_to_fp16=False)
        return correction is not None

    def _model(self) -> Any:
        return self._engine.core().read_model(self._exact)

    def _quantised(self, nncf: Any, way: Way, most: float, cost_of: CostOf) -> Any:
        model = self._model()
        ops = model.get_ordered_ops()
        first = [op.get_friendly_name() for op in ops if op.get_type_name() in _CONVOLUTIONS][: way.exact_layers]
        settings: dict[str, Any] = {"ignored_scope": nncf.IgnoredScope(names=first)}
        if any(map(is_attention, ops)):
            settings["model_type"] = nncf.ModelType.TRANSFORMER
        calibrating = nncf.Dataset([row[None] for row in self.calibrating])
        if not way.controlled:
            return nncf.quantize(model, calibrating, **settings)
        starts = list(range(0, len(self._judging), _ROWS))

        def worth(compiled: Any, starts: Iterable[int]) -> tuple[float, list[list[NDArray[Any]]]]:
            rows = [(start, np.array(next(iter(compiled(self._batch(start)).values())))) for start in starts]
            return -1 - cost_of(rows), [[outputs] for _, outputs in rows]  # NNCF divides by it: it must not be 0

        return nncf.quantize_with_accuracy_control(
            model,
            calibrating,
            nncf.Dataset(starts, self._batch),
            worth,
            max_drop=most,
            drop_type=nncf.DropType.ABSOLUTE,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=_RANKED_ON
            ),
            **settings,
        )

    def _rows_of(self, model: Any) -> NDArray[np.float32]:
        """The network's output for the calibrating pictures."""
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = self._engine.core().compile_model(model, "CPU", settings)
        starts = range(0, len(self.calibrating), _ROWS)
        return np.concatenate([np.array(compiled(self.calibrating[s : s + _ROWS])[0]) for s in starts])

    def _append(self, model: Any, correction: Correction) -> None:
        """Correct the network's output in its graph."""
        ops = self._openvino.opset13
        result = model.get_results()[0]
        rows = result.input_value(0)
        names = model.outputs[0].get_names()
        standard = ops.divide(ops.subtract(rows, ops.constant(correction.mean)), ops.constant(correction.spread))
        missing = standard
        for factor in (correction.down, correction.up):
            missing = ops.matmul(missing, ops.constant(factor), False, False)
        corrected = ops.add(ops.add(rows, ops.constant(correction.shift)), missing)
        rows.set_names(set())
        corrected.output(0).set_names(names)
        result.input(0).replace_source_output(corrected.output(0))
        model.validate_nodes_and_infer_types()

    def _prepared(self, dataset: Dataset) -> list[NDArray[np.uint8]]:
        return [self._resizing.of(read_grey_or_rgb(dataset.source_of(example))) for example in dataset]

    def _batch(self, start: int) -> NDArray[np.uint8]:
        """Judging pictures from a row on; those that were opened first are kept, for they are asked for often."""
        if start in self._kept:
            return self._kept[start]
        rows = np.stack(self._prepared(self._judging.select(range(start, min(start + _ROWS, len(self._judging))))))
        if sum(kept.nbytes for kept in self._kept.values()) + rows.nbytes <= IN_FLIGHT_BYTES:
            self._kept[start] = rows
        return rows


def is_attention(op: Any) -> bool:
    """Whether an operation weighs values by their attention: the softmax of a classifier's answer is none."""
    if op.get_type_name() != "Softmax":
        return bool(op.get_type_name() == "ScaledDotProductAttention")
    return any(target.get_node().get_type_name() == "MatMul" for target in op.output(0).get_target_inputs())
