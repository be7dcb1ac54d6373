"""Sources of a unit space's items: stages of a backbone, the embeddings of a finished run, or a table's columns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.config import VIEW
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.models.bases import BaseRecord
from kenpin.models.beside import NetworkBeside
from kenpin.models.contract import Batch, Inspector, Progress
from kenpin.models.inference import compute_features
from kenpin.models.mahalanobis.options import LITE0_LAYERS, MahalanobisOptions
from kenpin.models.networks.backbones import BUILT_IN, load_backbone
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.probe import probe_picture
from kenpin.models.networks.several import several_of
from kenpin.models.outputs import vectors_of
from kenpin.models.restoring import SEAL, name_of_seal, restore_run
from kenpin.models.tables import TABLE, refuse_images
from kenpin.run.record import is_run

_SPREAD_OF_FEATURES, _SPREAD_OF_NUMBERS = 1e-6, 1e-12
"""Spread of an item, as a share of its size, below which it is rounding, in float32 and in float64."""


@dataclass(frozen=True)
class ItemSource:
    """Pictures, or rows of a table, in; features out, some of which are items."""

    base: BaseRecord
    image_size_wh: tuple[int, int]
    """Width and height in pixels; 0 by 0 for a table."""
    module: nn.Module
    encode: Callable[[Sequence[Image]], Batch]
    extract: Callable[[Batch], Tensor] | None
    names: tuple[str, ...]
    """Names of all features."""
    candidates: NDArray[np.int64]
    """Indices of the features that may be items."""
    processor: Any = None
    """The image processor of `encode`, where it is one of transformers."""

    @property
    def table_items(self) -> tuple[str, ...]:
        """Names of the columns; empty for pictures."""
        return self.names if self.base.id == TABLE else ()

    @property
    def least_spread(self) -> float:
        """Spread of an item, as a share of its size, below which it counts as constant."""
        return _SPREAD_OF_NUMBERS if self.table_items else _SPREAD_OF_FEATURES

    def rows(self, inspector: Inspector, examples: Dataset, progress: Progress) -> NDArray[Any]:
        """The candidates of each example, (n, candidates): in memory for a table, else memory-mapped from a nameless
        file. Raises ImageError, DatasetError."""
        if self.table_items:
            return examples.numbers(self.names)
        with tempfile.TemporaryFile(prefix="kenpin-items-") as file:
            shape = (len(examples), len(self.candidates))
            rows = np.memmap(file, np.float32, "w+", shape=shape)
        for row, features in zip(rows, compute_features(inspector, examples, progress=progress), strict=True):
            row[:] = features.numpy()[self.candidates]
        return rows


def item_source(options: MahalanobisOptions, labels: Sequence[str], table: tuple[str, ...]) -> ItemSource:
    """The source of the options, or of a table with these columns. Raises OptionError, RunError."""
    of_networks = ("beside", "layers", "picture_px")
    idle = options.first_set((*of_networks, "augmented_copies", "px_per_mm", *VIEW) if table else of_networks)
    if table:
        if idle is not None or options.base != "lite0":
            raise OptionError(f"option `{idle or 'base'}` does nothing with a table of numbers; leave it out.")
        return of_table(table)
    if options.base not in BUILT_IN and is_run(Path(options.base)):
        if idle is not None:
            raise OptionError(f"option `{idle}` does nothing with base {options.base}, a run; leave it out.")
        return _of_run(Path(options.base).absolute(), options.engine)
    return _of_base(options, labels)


def same_source(base: BaseRecord, options: MahalanobisOptions, labels: Sequence[str]) -> ItemSource:
    """The source of a saved unit space of pictures. Raises RunError where it is gone."""
    if base.commit is not None and base.commit.startswith(SEAL):
        return _of_run(Path(base.id), options.engine)
    return _of_base(options, labels)


def of_table(names: tuple[str, ...]) -> ItemSource:
    """Columns of a table: the numbers themselves are the items."""

    def encode(images: Sequence[Image]) -> Batch:
        refuse_images()

    return ItemSource(BaseRecord(TABLE, None, ()), (0, 0), nn.Identity(), encode, None, names, np.arange(len(names)))


def _of_base(options: MahalanobisOptions, labels: Sequence[str]) -> ItemSource:
    """Features of a network. Raises OptionError."""
    is_lite0, alone = options.base == "lite0", not options.beside
    layers = options.lite0_layers if is_lite0 else options.layers
    base = load_backbone(
        options.base,
        labels,
        options.seed,
        layers=None if is_lite0 and alone else layers,  # its features are those of all stages, whatever is taken
        picture_px=options.picture_px,
    )

    def layers_of(one: NetworkBeside) -> tuple[int, ...] | None:
        return LITE0_LAYERS if one.name == "lite0" else None

    backbone = several_of(base, options.networks_beside, labels, options.seed, layers_of).uncropped(options.has_view)
    names = backbone.item_names
    candidates = np.arange(len(names))
    if is_lite0 and alone:
        wanted = {f"stage{stage}" for stage in backbone.on_layers(options.lite0_layers).layers or ()}
        candidates = np.flatnonzero([name.split(".")[0] in wanted for name in names])
    return ItemSource(
        backbone.record,
        backbone.image_size_wh,
        backbone.network,
        backbone.encode,
        backbone.on_engine(options.engine),
        names,
        candidates,
        backbone.processor,
    )


def _of_run(run: Path, engine: str) -> ItemSource:
    """Embeddings of a finished run, else the features of its frozen base. Raises RunError, OptionError."""
    inspector, record = restore_run(run, engine)

    def vectors(pixel_values: Tensor) -> Tensor:
        batch = {"pixel_values": pixel_values}
        if inspector.extract is not None:
            batch = {"features": inspector.extract(batch)}
        return vectors_of(inspector.infer(batch))

    module, processor = inspector.module.eval(), getattr(inspector, "processor", None)
    with torch.inference_mode():
        answer = vectors(inspector.encode([probe_picture(inspector.image_size_wh)])["pixel_values"])[0].float()
    indices = np.linspace(0, len(answer) - 1, 16).astype(int)
    probe = tuple(round(float(answer[index]), 5) for index in indices)
    return ItemSource(
        BaseRecord(str(run), name_of_seal(record), probe),
        inspector.image_size_wh,
        module,
        inspector.encode,
        OnEngine(
            vectors, module, inspector.encode, processor=processor, size_wh=inspector.image_size_wh, engine=engine
        ),
        tuple(f"vector.{index}" for index in range(len(answer))),
        np.arange(len(answer)),
        processor,
    )
