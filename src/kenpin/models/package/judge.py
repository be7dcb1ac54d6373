"""A package at work: pictures opened and resized by threads while the engine computes the batches before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.framing import Framing
from kenpin.data.images import read_grey_or_rgb
from kenpin.data.streaming import in_batches, pipelined, shared_out, stream
from kenpin.data.targets import refuse_table
from kenpin.data.tiling import Tiling
from kenpin.errors import ImageError, OptionError
from kenpin.models.contract import OnError, Progress
from kenpin.models.opened import sound
from kenpin.models.outputs import Outputs
from kenpin.models.resizing import Resizing
from kenpin.records import Example, ImageSource, Map, Prediction, Threshold
from kenpin.runtime.network import Network, Work, at_once
from kenpin.targets import Target

_BATCH = 8
_FEW = 2 * _BATCH  # pictures


class PackageJudge:
    """Computes the network's output, and decodes it as the run does."""

    batch_size: int | None = _BATCH
    tiling: Tiling | None = None
    framing: Framing | None = None
    """What it looks at in place of whole pictures."""

    def __init__(
        self,
        decoding: Any,
        resizing: Resizing,
        load: Callable[[Work], Network],
        output: str,
        engine: str,
        key: str | None = None,
    ) -> None:
        """decoding: of the run's family; load: the network for many pictures, or for single ones; key: of the network,
        its engine and how it takes pictures."""
        self.labels: tuple[str, ...] = decoding.labels
        self.target: Target = decoding.target
        self.image_size_wh = resizing.size_wh
        self.engine = engine
        self.network_key = key
        self._decoding, self._resizing, self._load, self._output = decoding, resizing, load, output
        self._networks: dict[Work, Network] = {}

    def check(self) -> None:
        """Judge a black picture; whatever breaks shows that the network and the decision files do not fit."""
        width, height = self.image_size_wh
        outputs = self._network("single")(np.zeros((1, height, width, 3), np.uint8))
        black = Example("", ImageSource(), size_wh=self.image_size_wh)
        self.decode({self._output: outputs[self._output]} | outputs, [black])

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Raw outputs -> one prediction a picture."""
        predictions: list[Prediction] = self._decoding.decode(outputs, examples)
        return predictions

    def outputs_of(self, images: Sequence[Image]) -> Outputs:
        """Raw outputs of a few pictures, mode RGB or L."""
        return at_once(self._network, images, self._resizing.of)

    def outputs(
        self, dataset: Dataset, *, progress: Progress | None, on_error: OnError | None, batch_size: int | None
    ) -> Iterator[tuple[list[Example], Outputs]]:
        """Examples with their raw outputs, in the data set's order."""
        refuse_table(dataset)
        # compiling it anew for many pictures at a time takes longer than it would save on a few
        work: Work = "single" if len(dataset) <= _FEW and "many" not in self._networks else "many"
        network, done = self._network(work), 0

        def begin(batch: list[_Opened]) -> Callable[[], tuple[int, list[Example], Outputs | None]]:
            opened = sound(batch, on_error)
            count, examples = len(batch), [item.example for item in opened]
            rows = [item.row for item in opened if item.row is not None]
            pending = network.submit(np.stack(rows)) if rows else None
            return lambda: (count, examples, None if pending is None else pending.result())

        batches = in_batches(
            stream(partial(_opened, self._resizing, dataset), dataset),
            shared_out(batch_size or _BATCH, len(dataset), network.depth),
            lambda item: 0 if item.row is None else item.row.nbytes,
        )
        for count, examples, outputs in pipelined(batches, begin, network.depth):
            if outputs is not None:
                yield examples, outputs
            done += count
            if progress is not None:
                progress("predicting", done, len(dataset))

    def _network(self, work: Work) -> Network:
        if work not in self._networks:
            self._networks[work] = self._load(work)
        return self._networks[work]


class CellJudge(PackageJudge):
    """Gets its score from a map of the distance from good parts."""

    def map_of(self, grid: NDArray[np.float32], size_wh: tuple[int, int]) -> Map:
        """One picture's row of `map`, in the frame of the picture as displayed."""
        found: Map = self._decoding.map_of(grid, size_wh)
        return found

    def with_shares(self, prediction: Prediction, outputs: Outputs, row: int) -> Prediction:
        """A prediction of this row with what its distance is made up of, as far as the package knows it."""
        found: Prediction = self._decoding.with_shares(prediction, outputs, row)
        return found

    def fails_on_map(self, threshold: Threshold) -> float:
        """The uncalibrated distance from which the threshold fails a part."""
        return float(self._decoding.fails_on_map(threshold))

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """The distance at every cell. Raises OptionError."""
        if way not in (None, "distance") or label is not None:
            raise OptionError("this package's map shows the distance from good parts; leave --way and --label out.")
        grids = self.outputs_of(images)["map"]
        return [(self.map_of(grid, image.size),) for grid, image in zip(grids, images, strict=True)]


@dataclass(frozen=True)
class _Opened:
    """An example with its picture as the network takes it, or with the error that prevented it."""

    example: Example
    row: NDArray[np.uint8] | None = None
    error: ImageError | None = None


def _opened(resizing: Resizing, dataset: Dataset, example: Example) -> _Opened:
    try:
        image = read_grey_or_rgb(dataset.source_of(example))
    except ImageError as error:
        return _Opened(example, error=error)
    return _Opened(replace(example, size_wh=image.size), resizing.of(image))
