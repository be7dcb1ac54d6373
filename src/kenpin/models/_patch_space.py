"""The inspector that knows good parts place by place: a map of D²/k over the picture, its maximum the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError, UnitSpaceError
from kenpin.models._backbone import Backbone
from kenpin.models._calibrated import CalibratedPictures
from kenpin.models._family import Batch, Progress, Task
from kenpin.models._inference import compute_features
from kenpin.models._maps import map_of_places, seen_region
from kenpin.models._place_spaces import PlaceSpaces, fit_spaces
from kenpin.models._places import place_outputs
from kenpin.records import Example, Map, Prediction
from kenpin.taguchi import parts_needed

STAGES = (3, 4, 5)
"""Of Lite0, where nobody says which: on real cells better than those before and behind them."""
Where = Literal["positions", "pooled"]
_FILE = "place_spaces.npz"
WAY = "distance"


class PatchSpaceInspector(CalibratedPictures):
    """Unit spaces of the places of a picture, on the stages of a backbone that never learns.

    where: `positions`, a space for each place, for parts that always lie alike; `pooled`, one for the patches of all
    places, for parts that move. stages: of Lite0. items: what a place is described by at most, with `positions`.
    """

    batch_size = None

    def __init__(
        self,
        backbone: Backbone,
        task: Task,
        where: Where,
        stages: tuple[int, ...],
        items: int,
        ridge: float | Literal["ledoit-wolf"],
    ) -> None:
        self.labels: tuple[str, ...] = ()
        self.base = backbone.record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.extract = backbone.encode, self._extract
        self._backbone, self._task, self._where, self._ridge = backbone, task, where, ridge
        self._stages = tuple(sorted(set(stages)))
        width, height = self.image_size_wh
        with torch.inference_mode():
            outputs = place_outputs(backbone, torch.zeros(1, 3, height, width, device=backbone.device), self._stages)
        self._grid = tuple(max(output.shape[2:] for output in outputs))
        channels = sum(output.shape[1] for output in outputs)
        self._projection = _projection(channels, items) if where == "positions" and items < channels else None
        described_by = channels if self._projection is None else items
        self.feature_kind = f"places, stages {self._stages}, {described_by} items"
        self._spaces: PlaceSpaces | None = None

    def _extract(self, batch: Batch) -> Tensor:
        """What each place looks like. -> (n, places, items)."""
        outputs = place_outputs(self._backbone, batch["pixel_values"], self._stages)
        same = [o if o.shape[2:] == self._grid else nn.functional.interpolate(o, self._grid) for o in outputs]
        x = torch.cat(same, dim=1).flatten(2).mT
        return x if self._projection is None else x @ self._projection.to(x.device)

    def infer(self, batch: Batch) -> Batch:
        """D²/k at every place: `map`, (n, rows, columns)."""
        x = batch["features"]
        self._spaces = self._fitted.to(x.device)
        return {"map": self._spaces.distances(x).reshape(-1, *self._grid)}

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """The farthest place's D²/k is the part's."""
        farthest = outputs["map"].flatten(1).amax(dim=1).tolist()
        return [
            self.calibrated(Prediction(example.id, defect_score=far, distance=far))
            for example, far in zip(examples, farthest, strict=True)
        ]

    def map_of(self, grid: Tensor, size_wh: tuple[int, int]) -> Map:
        """One picture's row of `map`, in the frame of the picture as displayed."""
        region = seen_region(self._backbone.processor, size_wh)
        shows = "distance from good parts"
        return map_of_places(grid.numpy(), size_wh, shows, "D²/k", region=region, score=float(grid.max()))

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """The distance at every place. Raises OptionError."""
        if way not in (None, WAY) or label is not None:
            raise OptionError("this run's map shows the distance from good parts; leave --way and --label out.")
        with torch.inference_mode():
            pixels = self.encode(images)["pixel_values"].to(self._backbone.device)
            grids = self.infer({"features": self._extract({"pixel_values": pixels}).float()})["map"].cpu()
        return [(self.map_of(grid, image.size),) for grid, image in zip(grids, images, strict=True)]

    def fit(self, training: Dataset, progress: Progress) -> tuple[str, ...]:
        """Learn the spaces from the good parts alone. Raises UnitSpaceError."""
        good = training.select(i for i, label in enumerate(training.column("label")) if label in self._task.ok_labels)
        if len(good) < (needed := parts_needed(1, "ledoit-wolf")):
            raise UnitSpaceError(
                f"unit space: {len(good)} good parts ({', '.join(self._task.ok_labels) or 'no class is named so'}); at "
                f"least {needed} are needed. Add good parts, or name their classes with --ok-labels."
            )
        self._spaces = fit_spaces(
            lambda: compute_features(self, good, progress=progress), pooled=self._where == "pooled", ridge=self._ridge
        )
        rows, columns = self._grid
        spaces = "one unit space" if self._where == "pooled" else "a unit space at each"
        return (
            f"{rows} × {columns} places of {len(good)} good parts, {spaces}: {self._spaces.mean.shape[1]} items, mean "
            f"ridge {float(self._spaces.ridge.mean()):.4f}.",
        )

    def save(self, folder: Path) -> None:
        """The spaces' arrays; the base is loaded again by its id."""
        arrays = self._fitted.to_arrays()
        if self._projection is not None:
            arrays["projection"] = self._projection.numpy()
        np.savez(folder / _FILE, **arrays)  # type: ignore[arg-type]

    def restored(self, folder: Path) -> PatchSpaceInspector:
        """This inspector with what `save` wrote."""
        with np.load(folder / _FILE, allow_pickle=False) as arrays:
            saved = dict(arrays)
        if "projection" in saved:  # as it was: another machine's arithmetic would give it other last digits
            self._projection = torch.from_numpy(saved.pop("projection"))
        self._spaces = PlaceSpaces.from_arrays(saved)
        return self

    @property
    def _fitted(self) -> PlaceSpaces:
        if self._spaces is None:
            raise ValueError("the unit spaces are empty; fit them first.")
        return self._spaces


def _projection(channels: int, items: int) -> Tensor:
    """Always the same random orthonormal directions, (channels, items): all channels have a part in every item, where
    a choice of some would lose the others.

    # Kim et al. 2021, Semi-orthogonal embedding for efficient unsupervised anomaly segmentation
    """
    numbers = torch.from_numpy(np.random.default_rng(0).standard_normal((channels, items)))
    orthonormal: Tensor = torch.linalg.qr(numbers).Q
    return orthonormal.float()
