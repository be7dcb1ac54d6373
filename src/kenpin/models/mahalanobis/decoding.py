"""What the raw outputs of a unit space say: the distance of a part, its items' shares, or a map of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.data.framing import Framing
from kenpin.errors import RunError, first_line
from kenpin.files import read_json
from kenpin.heat import Region
from kenpin.models.calibrated import CalibratedPictures
from kenpin.models.contract import Task
from kenpin.models.deciding import CELLS, deciding
from kenpin.models.looking.maps import map_of_cells
from kenpin.models.mahalanobis.cell_layout import CellLayout, Floats
from kenpin.models.mahalanobis.cell_shares import SHARES_FILE, CellShares, shares_of_arrays
from kenpin.models.mahalanobis.network_shares import NetworkLayouts, NetworkShares, network_shares_of
from kenpin.models.outputs import Outputs
from kenpin.models.resizing import Resizing
from kenpin.quality.calibration import distance_of_unit, least_score
from kenpin.records import Example, Map, Prediction, Threshold
from kenpin.run.arrays import read_run_arrays
from kenpin.run.seal import REMEDY
from kenpin.taguchi import AdjugateSpace, RecognitionSpace, UnitSpace

SPACE_FILE = "unit_space.npz"
NAMES_FILE = "feature_names.json"
"""File of a package: names of all features that its network gives, in their order."""
_STRONGEST = 10  # items whose contributions a prediction carries; all of them would be 1,568 numbers a picture
_OF_LAYER = re.compile(r"((?:stage|layer)\d+)\.(?:mean|max|class)\d+")
"""Name of a pooled feature."""
AnySpace = UnitSpace | AdjugateSpace | RecognitionSpace
SPACES: dict[str, type[AnySpace]] = {"mt": UnitSpace, "mta": AdjugateSpace, "rt": RecognitionSpace}


class SpaceDecoding(CalibratedPictures):
    """D²/k of a part's items, and each item's share of it."""

    labels: tuple[str, ...] = ()  # it scores parts and names nothing, so any class can be evaluated

    def __init__(
        self, task: Task, space: AnySpace | None, items: NDArray[np.int64] | None, names: Sequence[str]
    ) -> None:
        """names: of all features, of which `items` are the indices of those that the space knows."""
        self._task, self._space, self._items, self._names = task, space, items, names

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Features -> D²/k and its largest shares."""
        space, items = self._fitted()
        shares = self._shares(outputs)
        strongest = np.argsort(-shares, axis=1)[:, :_STRONGEST]
        # of a recognition space they are characteristics of all items
        is_rt = isinstance(space, RecognitionSpace)
        names = ["sensitivity", "deviation"] if is_rt else [self._names[item] for item in items]
        layers = None if is_rt else _layers_of(names)
        return [
            self.calibrated(
                Prediction(
                    id=example.id,
                    defect_score=distance,
                    distance=distance,
                    contributions={names[item]: float(row[item]) for item in best},
                    layer_contributions=None
                    if layers is None
                    else {layer: float(row[where].sum()) for layer, where in layers.items()},
                )
            )
            for example, row, best, distance in zip(examples, shares, strongest, shares.sum(1).tolist(), strict=True)
        ]

    def _shares(self, outputs: Outputs) -> NDArray[np.float64]:
        space, items = self._fitted()
        return space.contributions(outputs["features"][:, items])

    def _fitted(self) -> tuple[AnySpace, NDArray[np.int64]]:
        if self._space is None or self._items is None:
            raise ValueError("the unit space is empty; fit it first.")
        return self._space, self._items


def _layers_of(names: Sequence[str]) -> dict[str, NDArray[np.bool_]] | None:
    """Which items are of which layer of a network; None where they are of one, or of none, as columns are."""
    found = [_OF_LAYER.fullmatch(name) for name in names]
    layers = [match[1] for match in found if match is not None]
    if len(layers) < len(names) or len(set(layers)) < 2:
        return None
    return {layer: np.array(layers) == layer for layer in dict.fromkeys(layers)}


class TableDecoding(SpaceDecoding):
    """Reads the shares that the network of a package computes of a table's rows."""

    def _shares(self, outputs: Outputs) -> NDArray[np.float64]:
        shares: NDArray[np.float64] = outputs["shares"]
        # of a row that is refused the run's own way says why
        return shares if np.isfinite(shares).all() else super()._shares(outputs)


def read_space(file: Path, method: str) -> tuple[AnySpace, NDArray[np.int64], tuple[str, ...]]:
    """The space that was saved, its items, and the columns of the table that it reads, if any. Raises RunError."""
    saved = read_run_arrays(file, ("items",))
    columns = tuple(saved.pop("names").tolist()) if "names" in saved else ()
    items = saved.pop("items")
    try:
        return SPACES[method].from_arrays(saved), items, columns
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: holds no unit space ({first_line(error)}); {REMEDY}.") from error


class CellDecoding(CalibratedPictures):
    """The D²/k of the farthest cell of a map."""

    labels: tuple[str, ...] = ()
    framing: Framing | None = None
    _shares: CellShares | NetworkShares | None = None

    def __init__(self, task: Task, seen_region: Callable[[tuple[int, int]], Region], *, weighed: bool = False) -> None:
        """seen_region: the part of a picture of a size that the network sees; weighed: whether what known defects look
        like weighs the distance."""
        self._task, self._seen_region, self._weighed = task, seen_region, weighed

    @property
    def shares(self) -> CellShares | NetworkShares | None:
        """What tells which items make up a number of the map; None in a package of an earlier version."""
        return self._shares

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """The D²/k of the farthest cell is the part's."""
        predictions = []
        for example, grid in zip(examples, outputs["map"], strict=True):
            far = float(grid.max())  # of pictures in tiles each has a size of its own
            predictions.append(self.calibrated(Prediction(example.id, defect_score=far, distance=far)))
        return predictions

    def with_shares(self, prediction: Prediction, outputs: Outputs, row: int) -> Prediction:
        """A prediction of this row with the largest shares of the items in its distance, and those of layers."""
        cells, far = outputs.get(CELLS), prediction.distance
        if cells is None or self.shares is None or far is None or not 0 < far < math.inf:
            return prediction
        seen = deciding(cells[row], outputs["map"][row])
        return _with_shares(prediction, self.shares.layout, self.shares.of(seen, far))

    def map_of(self, grid: NDArray[np.float32], size_wh: tuple[int, int]) -> Map:
        """One picture's row of `map`, in the frame of the picture as displayed."""
        region = self._seen_region(size_wh)
        if self.framing is not None:
            region = self.framing.region_of(size_wh)
        shows = "distance from good parts, weighed by known defects" if self._weighed else "distance from good parts"
        return map_of_cells(grid, size_wh, shows, "D²/k", region=region, score=float(grid.max()))

    def fails_on_map(self, threshold: Threshold) -> float:
        """The uncalibrated distance from which the threshold fails a part."""
        if self.calibration is None:
            return threshold.fail_from
        return distance_of_unit(least_score(self.calibration, threshold.fail_from))


def _with_shares(prediction: Prediction, layout: CellLayout | NetworkLayouts, shares: Floats) -> Prediction:
    """The prediction with the largest shares of its distance; as it is where the deciding cell lies at none."""
    if not shares.any():
        return prediction
    of_layers = layout.of_layers(shares)
    return replace(
        prediction,
        contributions={layout.names[item]: float(shares[item]) for item in np.argsort(-shares)[:_STRONGEST]},
        layer_contributions=of_layers if len(of_layers) > 1 else None,
    )


def read_shares(file: Path) -> CellShares | NetworkShares:
    """What a package keeps to tell which items make up a number of the map. Raises RunError."""
    saved = read_run_arrays(file)
    try:
        return network_shares_of(saved) if "network_names" in saved else shares_of_arrays(saved)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: holds no unit spaces of cells ({first_line(error)}); {REMEDY}.") from error


def of_package(folder: Path, task: Task, options: Mapping[str, Any], resizing: Resizing) -> CalibratedPictures:
    """The decoding of a package whose decision files are in this folder. Raises RunError."""
    if options.get("where", "none") != "none":
        decoding = CellDecoding(task, resizing.seen_region, weighed=bool(options.get("learn_defects")))
        if (file := folder / SHARES_FILE).is_file():
            decoding._shares = read_shares(file)
        return decoding
    space, items, _ = read_space(folder / SPACE_FILE, str(options.get("method")))
    names = read_json(folder / NAMES_FILE).get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RunError(f"{folder / NAMES_FILE}: holds no names; {REMEDY}.")
    return SpaceDecoding(task, space, items, names)


def of_table(
    folder: Path, task: Task, options: Mapping[str, Any], *, of_network: bool
) -> tuple[SpaceDecoding, tuple[str, ...]]:
    """The decoding of a table whose decision files are in this folder, and the names of its columns; of_network: of
    what a package's network computes. Raises RunError."""
    space, items, columns = read_space(folder / SPACE_FILE, str(options.get("method")))
    if not columns:
        raise RunError(f"{folder / SPACE_FILE}: names no columns of a table; {REMEDY}.")
    return (TableDecoding if of_network else SpaceDecoding)(task, space, items, columns), columns
