"""The inspector with unit spaces of cells: a map of D²/k over the picture, its maximum the score."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.framed_set import framed_set
from kenpin.data.images import displayed_size
from kenpin.data.lineage import Lineage
from kenpin.data.targets import of_labels
from kenpin.data.tiles_to_learn import tiles_to_learn
from kenpin.data.tiling import tile_of
from kenpin.errors import OptionError, RunError, UnitSpaceError, first_line
from kenpin.files import write_json
from kenpin.heat import Region
from kenpin.models.contract import Batch, Progress, Task
from kenpin.models.copies import apiece, copies_by
from kenpin.models.deciding import CELLS
from kenpin.models.devices import device_of, on_device
from kenpin.models.framed import framing_by
from kenpin.models.inference import compute_features, infer_together
from kenpin.models.looking.maps import seen_region
from kenpin.models.mahalanobis.cell_items import items_of_cells, near_cells
from kenpin.models.mahalanobis.cell_layout import CellLayout, chosen_channels
from kenpin.models.mahalanobis.cell_neighbours import CellNeighbours, fit_neighbours
from kenpin.models.mahalanobis.cell_shares import CellShares, write_shares
from kenpin.models.mahalanobis.cell_spaces import CellSpaces, fit_spaces, samples_of, spaces_of_moments
from kenpin.models.mahalanobis.decoding import CellDecoding
from kenpin.models.mahalanobis.defect_head import DefectHead, fit_head
from kenpin.models.mahalanobis.fit_in_words import AnySpaces, fit_in_words
from kenpin.models.mahalanobis.layer_spaces import LayerSpaces, fit_layers
from kenpin.models.mahalanobis.marked_cells import MarkedBy, cells_of_defect, marked_by
from kenpin.models.mahalanobis.object_cells import (
    ObjectCells,
    cells_of_parts,
    fit_object_cells,
    rolled_features,
    unseparated,
)
from kenpin.models.mahalanobis.options import CELLS_TOGETHER, MahalanobisOptions, keeps_moments
from kenpin.models.mahalanobis.selection import check_count
from kenpin.models.networks.backbones import Backbone
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.tiles import LearnedFrom, for_learning, tiling_by
from kenpin.plural import counted
from kenpin.records import Example, Map
from kenpin.run.arrays import read_run_arrays
from kenpin.run.seal import REMEDY
from kenpin.taguchi import PairMoments
from kenpin.targets import Target

_TOGETHER = 32  # pictures a matrix product: enough to fill it, and few enough for the memory
_FILE, _HEAD, _OBJECT = "place_spaces.npz", "head_", "object_"
TAUGHT = "learned_defects.json"
"""File of a run's model folder: the defective parts that a head has learned from, and what marks their defects."""
WAY = "distance"
_ROLLED = 8
"""Good parts, at most, by which it is checked that an object is found in the picture and not by its border."""


class PatchSpaceInspector(CellDecoding):
    """Unit spaces of the cells of a picture, on the stages of a frozen backbone: a space for each cell, for parts that
    always lie alike, or one for the patches of all cells, for parts that move, in which their distance is that from
    the mean or from the nearest patch of a good part."""

    batch_size = None

    def __init__(self, backbone: Backbone, task: Task, options: MahalanobisOptions) -> None:
        super().__init__(task, partial(seen_region, backbone.processor), weighed=options.learn_defects)
        self.base = backbone.without_layers().record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.processor = backbone.encode, backbone.processor
        self.extract = backbone.on_engine(options.engine, self.cells_of)
        self._backbone, self._where, self._options = backbone, options.where, options
        width, height = self.image_size_wh
        with torch.inference_mode():
            outputs = backbone.grids(torch.zeros(1, 3, height, width, device=backbone.device))
        self._sizes: list[tuple[int, int, int]] = [(*output.shape[1:],) for output in outputs]
        self._layers = backbone.layer_names([output.shape[3] for output in outputs])
        coarsest = min(rows for _, rows, _ in self._sizes)
        self.tiling = tiling_by(options, (options.tile_px or 0) / coarsest)
        self.framing = framing_by(options.model_copy(update={"object": "none"}) if options.finds_object else options)
        self.copies = copies_by(options, task.labels, task.ok_labels)
        channels = sum(count for count, *_ in self._sizes)
        items = min(options.place_items, channels)
        self._take(chosen_channels(channels, items) if self._where == "positions" else np.arange(channels))
        self._spaces: AnySpaces | None = None
        self._shares: CellShares | None = None
        self._head: DefectHead | None = None
        self._object: ObjectCells | None = None
        self._taught: tuple[dict[str, str], ...] = ()

    def _take(self, channels: NDArray[np.int64]) -> None:
        """Describe cells by these channels, in rising order, of all that the stages have."""
        self._channels = channels
        digest = hashlib.blake2b(channels.tobytes(), digest_size=8).hexdigest()
        self.feature_kind = f"places, stages {self._backbone.layers}, channels {digest}"
        ends = np.cumsum([count for count, *_ in self._sizes])
        of_stages = np.split(channels, np.searchsorted(channels, ends[:-1]))
        starts = [0, *ends[:-1]]
        self._of_stages = [torch.from_numpy(own - start) for own, start in zip(of_stages, starts, strict=True)]
        chosen = [own.tolist() for own in self._of_stages]
        self.layout = CellLayout.of_channels(self._layers, self._sizes, chosen)
        self._grid = self.layout.grid

    def cells_of(self, pixel_values: Tensor) -> Tensor:
        """The chosen channels at the cells of each stage. (n, 3, h, w) -> (n, numbers)."""
        outputs = self._backbone.grids(pixel_values)
        chosen = (o.index_select(1, c.to(o.device)) for o, c in zip(outputs, self._of_stages, strict=True))
        return torch.cat([grid.movedim(1, 3).flatten(1) for grid in chosen], dim=1)

    def _items(self, features: Tensor) -> Tensor:
        """Items of each cell. (n, numbers) -> (n, cells, items)."""
        return items_of_cells(self.layout, features)

    def infer(self, batch: Batch) -> Batch:
        """D²/k at every cell, weighed by the head where there is one, and 0 where the part is not: `map`, (n, rows,
        columns), and the `cells` that it comes from."""
        x = self._items(batch["features"])
        self._spaces = self._fitted.to(x.device)
        away = self._spaces.distances(x)
        if self._head is not None:
            self._head = self._head.to(x.device)
            away = self._head.weighed(x, away)
        if self._object is not None:
            self._object = self._object.to(x.device)
            away = away * self._object.inside(x)
        return {"map": away.reshape(-1, *self._grid), CELLS: batch["features"]}

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """The distance at every cell. Raises OptionError."""
        if way not in (None, WAY) or label is not None:
            raise OptionError("this run's map shows the distance from good parts; leave --way and --label out.")
        (outputs,) = infer_together([self], images)
        return [(self.map_of(grid, image.size),) for grid, image in zip(outputs["map"], images, strict=True)]

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Learn the spaces from the good parts alone, and from the others a head where the options ask for one; nothing
        is set aside. Raises UnitSpaceError, DatasetError, ImageError."""
        learned = self.learned_from(training)
        good = learned.pictures
        if self._where not in CELLS_TOGETHER:
            check_count(learned.originals, "ledoit-wolf")
        whole = pictures = partial(self._pictures, good, progress)
        options = self._options
        self._shares, self._object, shown = None, None, 1.0
        if options.finds_object:
            self._object, shown = fit_object_cells(pictures, self._grid)
            self._check_object(self._object, good)
            if self._where in CELLS_TOGETHER:
                pictures = partial(cells_of_parts, pictures, self._object)
        if self._where == "neighbours":
            near = None
            if learned.originals == 1:
                inside = None if self._object is None else self._object.inside(next(whole()).cpu())[0]
                near = near_cells(self.layout, inside)
            self._spaces = fit_neighbours(
                pictures,
                len(good),
                kept=options.kept_cells,
                ridge=options.ridge,
                seed=options.seed,
                device=device_of(self),
                near=near,
                parts=learned.owners,
            )
        elif options.join_layers == "apart":
            items = [len(channels) for channels in self._of_stages]
            self._spaces = fit_layers(pictures, len(good), items, ridge=options.ridge)
        else:
            each = apiece(self.copies)
            self._spaces = fit_spaces(pictures, pooled=self._is_pooled, ridge=options.ridge, apiece=each)
        self._head, self._taught = None, ()
        sentences = self._in_words(len(good))
        if self._object is not None:
            sentences += (
                f"By the first principal component of their items {shown:.0%} of the cells of good parts show the "
                "part; what surrounds it is not looked at.",
            )
        ok_labels = self._task.ok_labels
        bad = training.select(row for row, label in enumerate(training.column("label")) if label not in ok_labels)
        if options.learn_defects and len(bad):  # there is none while good parts alone are trimmed
            sentences += (self._learn_defects(bad, pictures, len(good)),)
        return sentences

    def _learn_defects(self, bad: Dataset, pictures: Callable[[], Iterator[Tensor]], good: int) -> str:
        """Learn the head from defective parts, and say so. pictures: items of the good ones, whose number is `good`.
        Raises UnitSpaceError, DatasetError, ImageError."""
        ok_labels, spaces = self._task.ok_labels, self._fitted
        parts = seen = bad if self.framing is None else framed_set(bad, self.framing, annotated=True)[0]
        if self.tiling is not None:
            tiles = tiles_to_learn(parts, Target.LABEL, self.tiling, ok_labels)
            seen = tiles.select(row for row, label in enumerate(tiles.column("label")) if label not in ok_labels)
        # of kept cells themselves, neighbours lie at no distance
        plain = spaces.space if isinstance(spaces, CellNeighbours) else spaces
        cells, learned = [], dict[int, MarkedBy]()
        for row, (example, features) in enumerate(zip(seen, self.features_of(seen, lambda *_: None), strict=True)):
            x = self._items(features[None])
            away = plain.distances(x.to(plain.mean.device)).cpu()
            if self._object is not None:
                away = away * self._object.inside(x.cpu())
            away = away.reshape(self._grid)
            size_wh = example.size_wh or displayed_size(example.image)
            part, region = replace(example, size_wh=size_wh), self._seen_region(size_wh)
            if self.tiling is not None:
                row, at_xy = tile_of(example).row, tile_of(example).at_xy
                whole = parts[row]
                size_wh = whole.size_wh or displayed_size(whole.image)
                part, region = replace(whole, size_wh=size_wh), self.tiling.region_in(at_xy, region, size_wh)
            chosen = cells_of_defect(part, away, region)
            if len(chosen):
                cells.append(x[0].cpu()[chosen])
                learned[row] = marked_by(part)
        if not cells:
            raise UnitSpaceError(
                f"option `learn_defects`: what is marked in {counted(len(bad), 'defective picture')} lies beyond what "
                "is looked at; mark what the network sees, or leave the option out."
            )
        contents = bad.contents()
        self._taught = tuple(
            {"id": bad[row].id, "label": bad[row].label or "", "content": contents[row], "marked_by": str(marks)}
            for row, marks in sorted(learned.items())
        )
        self._head = fit_head(
            pictures,
            good,
            cells,
            lambda x: plain.distances(x.to(plain.mean.device)),
            seed=self._options.seed,
        ).to(device_of(self))
        of_each = [list(learned.values()).count(marks) for marks in MarkedBy]
        return (
            f"A head has learned from {sum(map(len, cells)):,} cells of {counted(len(learned), 'defective part')}, "
            f"{of_each[0]} with a mask, {of_each[1]} with boxes and {of_each[2]} with neither, by the farthest cells. "
            f"It weighs the distance; `{TAUGHT}` names the parts."
        )

    @property
    def cannot_update(self) -> str | None:
        """Neighbours are no moments, to which others could be added; nor are distances of parts that were held out, nor
        a head that stands on the spaces."""
        if self._options.learn_defects:
            return "learn_defects weighs the distance by a head, which would have to learn again; train again."
        if self._options.finds_object:
            return "object features finds the part by a component of all its good parts; train again on all parts."
        if self._options.join_layers == "apart":
            return "join_layers apart scales its layers by parts that were held out in turn; train again on all parts."
        if self._where != "neighbours":
            return None
        return "where neighbours keeps patches of its good parts and not their moments; train again on all parts."

    def limit_of_law(self) -> None:
        """None: the farthest of many cells follows no known law."""

    @property
    def keeps_moments(self) -> bool:
        """Whether a run is to keep the moments of its good parts."""
        return keeps_moments(self._options, len(self._channels), 1 if self._is_pooled else math.prod(self._grid))

    def moments_of(self, training: Dataset, progress: Progress) -> PairMoments:
        """Moments of the items of the good parts' cells, of each cell or of all together."""
        pictures = self._pictures(self.learned_from(training).pictures, progress)
        total = PairMoments.none(1 if self._is_pooled else math.prod(self._grid), len(self._channels))
        for x in samples_of(pictures, pooled=self._is_pooled):
            total = total + PairMoments.of_cells(x.numpy())
        return total

    def fit_moments(self, moments: PairMoments) -> tuple[str, ...]:
        """Learn the spaces from moments of `moments_of`. Raises UnitSpaceError, RunError."""
        cells = 1 if self._is_pooled else math.prod(self._grid)
        if moments.mean.shape != (cells, len(self._channels)):
            raise RunError(f"the moments are those of other items than the run's; {REMEDY}.")
        self._spaces, self._shares = spaces_of_moments(moments, self._options.ridge, apiece(self.copies)), None
        return self._in_words(moments.count // (math.prod(self._grid) if self._is_pooled else 1))

    def features_of(self, pictures: Dataset, progress: Progress) -> Iterator[Tensor]:
        """Features of each picture, (numbers,), in order. Raises ImageError."""
        return compute_features(self, pictures, progress=progress)

    def learned_from(self, training: Dataset, *, copied: bool = True) -> LearnedFrom:
        """The good parts as they are looked at, or the tiles of these; copied: with their copies."""
        ok_labels, good = self._task.ok_labels, of_labels(training, self._task.ok_labels)
        return for_learning(self, good, Target.LABEL, ok_labels, good_alone=True, copied=copied)

    def _pictures(self, good: Dataset, progress: Progress) -> Iterator[Tensor]:
        """Items of the cells of each picture, some pictures together, (n, cells, k)."""
        features = self.features_of(good, progress)
        while some := list(islice(features, _TOGETHER)):
            yield self._items(torch.stack(some))

    def _check_object(self, found: ObjectCells, good: Dataset) -> None:
        """Refuse a side of the component that stays where it is when pictures are rolled. Raises UnitSpaceError."""
        some = good.select(range(min(_ROLLED, len(good))))
        before, after = torch.stack([*compute_features(self, some)]), rolled_features(self, some, self._grid)
        if not found.moves_with(self._items(before), self._items(after)):
            raise unseparated("its sides are the borders of the pictures and their middle")

    @property
    def _is_pooled(self) -> bool:
        return self._where == "pooled"

    def _in_words(self, pictures: int) -> tuple[str, ...]:
        """What a fit on so many pictures or tiles, with their copies, says of itself."""
        held = counted(pictures // apiece(self.copies), "good picture" if self.tiling is None else "tile")
        sentence = fit_in_words(self._fitted, self._where, self._grid, held)
        return (sentence,) if self.copies is None else (sentence, self.copies.in_words())

    def save(self, folder: Path) -> None:
        """The arrays of the spaces and of the head, and which parts that has learned from; the base is loaded again by
        its id."""
        arrays = self.arrays()
        if self._head is not None:
            arrays |= {f"{_HEAD}{name}": values for name, values in self._head.to_arrays().items()}
            write_json(folder / TAUGHT, {"defective_parts": list(self._taught)})
        if self._object is not None:
            arrays |= {f"{_OBJECT}{name}": values for name, values in self._object.to_arrays().items()}
        np.savez(folder / _FILE, channels=self._channels, **arrays)  # type: ignore[arg-type]

    def restored(self, folder: Path) -> PatchSpaceInspector:
        """This inspector with what `save` wrote. Raises RunError."""
        saved = read_run_arrays(folder / _FILE)
        if "channels" not in saved:
            raise RunError(f"{folder / _FILE}: an earlier version made other features of cells; train again.")
        self._take(saved.pop("channels"))  # the saved ones: another NumPy might sample others
        of_head, of_object = (
            {name.removeprefix(prefix): saved.pop(name) for name in list(saved) if name.startswith(prefix)}
            for prefix in (_HEAD, _OBJECT)
        )
        try:
            self._object = ObjectCells.from_arrays(of_object) if self._options.finds_object else None
            self._head = DefectHead.from_arrays(of_head) if of_head else None
            kind = CellNeighbours if "cells" in saved else LayerSpaces if "centre" in saved else CellSpaces
            self._spaces, self._shares = kind.from_arrays(saved), None
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{folder / _FILE}: holds no unit spaces ({first_line(error)}); {REMEDY}.") from error
        return self

    @property
    def shares(self) -> CellShares:
        """What tells which items make up a number of the map."""
        if self._shares is None:
            self._shares = CellShares.of_arrays(self.layout, self.arrays())
        return self._shares

    @property
    def finds_object(self) -> bool:
        """Whether it tells the part from what surrounds it by its cells."""
        return self._object is not None

    def cells_of_object(self, image: Image) -> tuple[NDArray[np.float32], Region]:
        """1 at cells that show the part, else 0, (rows, columns), and what of the picture they cover."""
        assert self._object is not None, "finds_object says so"
        with torch.inference_mode():
            features = self.extract(on_device(self, self.encode([image]))).cpu()
            inside = self._object.to(features.device).inside(self._items(features))
        return inside.reshape(self._grid).numpy(), self._seen_region(image.size)

    def packed(self) -> OnEngine:
        """The maps, and the cells that they come from."""
        return self._backbone.on_engine("torch", self._map, output="map", beside=(CELLS,))

    def write_decision(self, folder: Path) -> None:
        """What tells which items make up a number of the map; the map itself is computed by the network."""
        write_shares(folder, self.layout, self.arrays())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the spaces."""
        return self._fitted.to_arrays()

    def _map(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        found = self.infer({"features": self.cells_of(pixel_values)})
        return found["map"], found[CELLS]

    @property
    def _fitted(self) -> AnySpaces:
        if self._spaces is None:
            raise ValueError("the unit spaces are empty; fit them first.")
        return self._spaces
