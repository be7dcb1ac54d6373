"""Mahalanobis: the MT method's unit space of good parts on a backbone's features; D²/k tells how far a part is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError, UnitSpaceError
from kenpin.models._backbone import Backbone, load_backbone
from kenpin.models._family import BaseRecord, Batch, Inspector, Progress, Task, check_base
from kenpin.models._inference import compute_features
from kenpin.records import Example, Prediction
from kenpin.taguchi import UnitSpace, parts_needed

_STRONGEST = 10  # items whose contributions a prediction carries; all of them would be 1,568 numbers a picture


class MahalanobisOptions(TrainOptions):
    """Options of `kenpin train mahalanobis`."""

    base: str = Field("lite0", description="Pretrained weights: lite0, toy, a hub id, or a folder of save_pretrained.")
    stages: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(
        (6,), description="Stages of lite0, 0 to 6, whose features are items; other bases have their last alone."
    )
    ridge: Annotated[float, Field(ge=0, lt=1)] | Literal["ledoit-wolf"] = Field(
        "ledoit-wolf",
        description="Share of the identity in the correlation matrix: a number, or ledoit-wolf to estimate it.",
    )


class UnitSpaceInspector:
    """A unit space on the frozen features of a backbone."""

    batch_size = None

    def __init__(
        self,
        backbone: Backbone,
        task: Task,
        options: MahalanobisOptions,
        space: UnitSpace | None = None,
        items: NDArray[np.int64] | None = None,
    ) -> None:
        self.labels: tuple[str, ...] = ()  # it scores parts and names nothing, so any class can be evaluated
        self.base = backbone.record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.extract = backbone.encode, backbone.extract
        self._backbone, self._task, self._options = backbone, task, options
        self._space, self._items = space, items

    def infer(self, batch: Batch) -> Batch:
        """The features as they are: the unit space is no network."""
        return batch

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """Features -> D²/k and the strongest items' shares of it."""
        if self._space is None or self._items is None:
            raise ValueError("the unit space is empty; fit it first.")
        shares = self._space.contributions(outputs["features"].numpy()[:, self._items])
        strongest = np.argsort(-shares, axis=1)[:, :_STRONGEST]
        names = [self._backbone.item_names[item] for item in self._items]
        return [
            Prediction(
                id=example.id,
                defect_score=distance,
                distance=distance,
                contributions={names[item]: float(row[item]) for item in best},
            )
            for example, row, best, distance in zip(examples, shares, strongest, shares.sum(1).tolist(), strict=True)
        ]

    def fit(self, training: Dataset, progress: Progress) -> tuple[str, ...]:
        """Learn the unit space from the good parts alone. Raises UnitSpaceError, OptionError."""
        good = training.select(i for i, label in enumerate(training.column("label")) if label in self._task.ok_labels)
        if not len(good):
            raise UnitSpaceError(
                f"unit space: none of the {len(training)} training pictures is of a good class "
                f"({', '.join(self._task.ok_labels) or 'none named'}); name the good classes with --ok-labels."
            )
        if len(good) < (needed := parts_needed(1, self._options.ridge)):
            raise UnitSpaceError(
                f"unit space: {len(good)} good parts; at least {needed} are needed. Add good parts, or train a "
                "classifier."
            )
        features = torch.stack(list(compute_features(self, good, progress=progress))).numpy()
        wanted = _wanted_items(self._backbone, self._options.stages)
        # a channel that is silent on every good part has no scale to measure a distance in
        varying = features[:, wanted].std(axis=0) > 1e-6 * np.abs(features[:, wanted]).mean(axis=0).clip(1e-6)
        if not varying.any():
            raise UnitSpaceError(
                f"unit space: the {len(good)} good parts are all the same picture to base {self.base.id}. Add others."
            )
        self._items = wanted[varying]
        self._space = UnitSpace(self._options.ridge).fit(features[:, self._items])
        dropped = len(wanted) - len(self._items)
        return (
            f"The unit space holds {self._space.parts_} good parts and {len(self._items)} items, ridge "
            f"{self._space.ridge_:.4f}." + (f" {dropped} items that never vary were left out." if dropped else ""),
        )

    def save(self, folder: Path) -> None:
        """The space's arrays and the items it uses; the base is loaded again by its id."""
        if self._space is None or self._items is None:
            raise ValueError("the unit space is empty; fit it first.")
        arrays: dict[str, Any] = {"items": self._items} | self._space.to_arrays()
        np.savez(folder / "unit_space.npz", **arrays)


class MahalanobisFamily:
    """Inspectors that know good parts alone."""

    Options = MahalanobisOptions
    target = "label"

    def create(self, options: MahalanobisOptions, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        backbone = load_backbone(options.base, task.labels, options.seed)
        _wanted_items(backbone, options.stages)
        return UnitSpaceInspector(backbone, task, options)

    def restore(self, folder: Path, base: BaseRecord, options: MahalanobisOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        backbone = load_backbone(options.base, task.labels, options.seed)
        check_base(base, backbone.record)
        with np.load(folder / "unit_space.npz", allow_pickle=False) as arrays:
            saved: dict[str, NDArray[Any]] = dict(arrays)
        items = saved.pop("items")
        return UnitSpaceInspector(backbone, task, options, UnitSpace.from_arrays(saved), items)


def _wanted_items(backbone: Backbone, stages: tuple[int, ...]) -> NDArray[np.int64]:
    """Places of the features that are items. Raises OptionError where stages are asked of a base without any."""
    names = backbone.item_names
    if not names[0].startswith("stage"):
        if stages != MahalanobisOptions.model_fields["stages"].default:
            raise OptionError(f"option `stages` does nothing with base {backbone.id}; leave it out or take lite0.")
        return np.arange(len(names))
    return np.flatnonzero([name.split(".")[0] in {f"stage{stage}" for stage in stages} for name in names])


FAMILY = MahalanobisFamily()
