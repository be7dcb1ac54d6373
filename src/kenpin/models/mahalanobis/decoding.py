"""What the raw outputs of a unit space say: the distance of a part, its items' shares, or a map of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from kenpin.models.looking.maps import map_of_cells
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
        return [
            self.calibrated(
                Prediction(
                    id=example.id,
                    defect_score=distance,
                    distance=distance,
                    contributions={names[item]: float(row[item]) for item in best},
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

    def __init__(self, task: Task, seen_region: Callable[[tuple[int, int]], Region], *, weighed: bool = False) -> None:
        """seen_region: the part of a picture of a size that the network sees; weighed: whether what known defects look
        like weighs the distance."""
        self._task, self._seen_region, self._weighed = task, seen_region, weighed

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """The D²/k of the farthest cell is the part's."""
        farthest = [float(grid.max()) for grid in outputs["map"]]  # of pictures in tiles each has a size of its own
        return [
            self.calibrated(Prediction(example.id, defect_score=far, distance=far))
            for example, far in zip(examples, farthest, strict=True)
        ]

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


def of_package(folder: Path, task: Task, options: Mapping[str, Any], resizing: Resizing) -> CalibratedPictures:
    """The decoding of a package whose decision files are in this folder. Raises RunError."""
    if options.get("where", "none") != "none":
        return CellDecoding(task, resizing.seen_region, weighed=bool(options.get("learn_defects")))
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
