"""The inspector with unit spaces of cells by several networks: one map, in which all of them decide together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.data.targets import of_labels
from kenpin.errors import OptionError, RunError, first_line
from kenpin.models.contract import Batch, Progress, Task
from kenpin.models.deciding import CELLS
from kenpin.models.inference import compute_features, infer_together
from kenpin.models.looking.maps import seen_region
from kenpin.models.mahalanobis.cell_shares import LEAST, CellShares
from kenpin.models.mahalanobis.decoding import CellDecoding
from kenpin.models.mahalanobis.network_shares import NetworkLayouts, NetworkShares, write_network_shares
from kenpin.models.mahalanobis.network_spaces import UsualByNetwork, held_out_by_turns
from kenpin.models.mahalanobis.options import MahalanobisOptions
from kenpin.models.mahalanobis.patch_inspector import WAY, PatchSpaceInspector
from kenpin.models.networks.backbones import Backbone
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.several import SeveralBackbones
from kenpin.plural import counted
from kenpin.records import Example, Map
from kenpin.run.arrays import read_run_arrays
from kenpin.run.seal import REMEDY

_FILE = "networks.npz"
Features = Callable[[Dataset, Progress], Iterator[Tensor]]


class _OfNetwork(PatchSpaceInspector):
    """The unit spaces of one network, on its part of the features of all."""

    def __init__(self, backbone: Backbone, task: Task, options: MahalanobisOptions, features: Features) -> None:
        super().__init__(backbone, task, options)
        self._features = features

    def features_of(self, pictures: Dataset, progress: Progress) -> Iterator[Tensor]:
        """Its part of the features of each picture, (numbers,), in order. Raises ImageError."""
        return self._features(pictures, progress)


class SeveralPatchSpaces(CellDecoding):
    """Unit spaces of the cells of a picture by several networks, each on its own layers and cells: its map is theirs,
    joined on the scale of good parts."""

    batch_size = None

    def __init__(self, backbone: SeveralBackbones, task: Task, options: MahalanobisOptions) -> None:
        super().__init__(task, partial(seen_region, backbone.processor))
        self.base = backbone.without_layers().record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.processor = backbone.encode, backbone.processor
        own = options.model_copy(update={"beside": ()})
        self._members = tuple(
            _OfNetwork(member, task, own, partial(self._features_of, number))
            for number, member in enumerate(backbone.members)
        )
        first = self._members[0]
        self.tiling, self.framing = first.tiling, first.framing
        numbers = [sum(member.layout.numbers) for member in self._members]
        self._parts = [slice(start, end) for start, end in pairwise([0, *accumulate(numbers)])]
        self._grid = max(member.layout.grid for member in self._members)
        self.feature_kind = "\0".join(member.feature_kind for member in self._members)
        self.extract = backbone.on_engine(options.engine, self._extract)
        self._backbone = backbone
        self._usual: UsualByNetwork | None = None

    def infer(self, batch: Batch) -> Batch:
        """The joined number of every cell: `map`, (n, rows, columns), and the `cells` that it comes from."""
        features = batch["features"]
        self._usual = self._fitted.to(features.device)
        joined = self._usual.joined([*self._maps(features)], self._grid)
        return {"map": joined, CELLS: features}

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """The joined number at every cell; with the name of a network as `way` its own distance. Raises OptionError."""
        names = self._backbone.short_names
        if way not in (None, WAY, *names) or label is not None:
            raise OptionError(
                "this run's map shows the distance from good parts; leave --label out, and --way, or give it the name "
                f"of a network: {', '.join(names)}."
            )
        if way in names and (self.tiling is not None or self.framing is not None):
            raise OptionError(
                "networks show maps of their own of whole pictures as they are, and this run looks at tiles or framed "
                "pictures; leave --way out."
            )
        (outputs,) = infer_together([self], images)
        grids = outputs["map"]
        if way in names:
            chosen = names.index(way)
            features = torch.from_numpy(outputs[CELLS][:, self._parts[chosen]])
            with torch.inference_mode():
                grids = self._members[chosen].infer({"features": features})["map"].cpu().numpy()
        return [(self.map_of(grid, image.size),) for grid, image in zip(grids, images, strict=True)]

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Learn the spaces of each network from the good parts alone; by fits without some of them it is found how far
        good parts usually lie. Raises UnitSpaceError, ImageError."""
        good = of_labels(training, self._task.ok_labels)
        self._shares = None
        logarithms = [torch.zeros(0, len(self._members), dtype=torch.float64)]
        for held in held_out_by_turns(len(good)):
            rest = np.setdiff1d(np.arange(len(good)), held)
            of_each = []
            for member in self._members:
                member.fit(good.select(rest.tolist()), lineage, progress)
                of_each.append(torch.cat([*_farthest(member, good.select(held.tolist()), progress)]))
            logarithms.append(torch.stack(of_each, dim=1))
        self._usual = UsualByNetwork.of(torch.cat(logarithms))
        sentences = [sentence for member in self._members for sentence in member.fit(good, lineage, progress)]
        return (
            *dict.fromkeys(sentences),  # what they learned from is said once
            f"{counted(len(self._members), 'network')} look at each picture and decide together, each by how much "
            "farther it finds a cell than the farthest of a good part usually is: "
            f"{', '.join(self._backbone.short_names)}.",
        )

    def save(self, folder: Path) -> None:
        """The arrays of each network's spaces, and what is usual; the networks are loaded again by their ids."""
        for number, member in enumerate(self._members):
            own = _folder(folder, number)
            own.mkdir()
            member.save(own)
        np.savez(folder / _FILE, **self._fitted.to_arrays())  # type: ignore[arg-type]

    def restored(self, folder: Path) -> SeveralPatchSpaces:
        """This inspector with what `save` wrote. Raises RunError."""
        for number, member in enumerate(self._members):
            member.restored(_folder(folder, number))
        saved = read_run_arrays(folder / _FILE)
        try:
            self._usual, self._shares = UsualByNetwork.from_arrays(saved), None
        except KeyError as error:
            raise RunError(f"{folder / _FILE}: holds no scale of networks ({first_line(error)}); {REMEDY}.") from error
        return self

    @property
    def layout(self) -> NetworkLayouts:
        """How the features of a picture lie as items of the networks' cells."""
        shares = tuple(member.shares for member in self._members)
        return NetworkLayouts(self._backbone.short_names, self._grid, shares)

    @property
    def shares(self) -> CellShares | NetworkShares:
        """What tells which items make up a number of the map."""
        if self._shares is None:
            self._shares = NetworkShares.of_arrays(self.layout, self._fitted.to_arrays())
        return self._shares

    def packed(self) -> OnEngine:
        """The maps, and the cells that they come from."""
        return self._backbone.on_engine("torch", self._map, output="map", beside=(CELLS,))

    def write_decision(self, folder: Path) -> None:
        """What tells which items make up a number of the map; the map itself is computed by the networks."""
        spaces = [member.arrays() for member in self._members]
        write_network_shares(folder, self.layout, spaces, self._fitted.to_arrays())

    def _extract(self, pixel_values: Tensor) -> Tensor:
        """Features of all networks, one after another. -> (n, numbers)."""
        seen = self._backbone.each(pixel_values)
        found = [member.cells_of(pixels) for member, (_, pixels) in zip(self._members, seen, strict=True)]
        return torch.cat(found, dim=1)

    def _features_of(self, number: int, pictures: Dataset, progress: Progress) -> Iterator[Tensor]:
        for row in compute_features(self, pictures, progress=progress):
            yield row[self._parts[number]]

    def _maps(self, features: Tensor) -> Iterator[Tensor]:
        for member, part in zip(self._members, self._parts, strict=True):
            yield member.infer({"features": features[:, part]})["map"]

    def _map(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        found = self.infer({"features": self._extract(pixel_values)})
        return found["map"], found[CELLS]

    @property
    def _fitted(self) -> UsualByNetwork:
        if self._usual is None:
            raise ValueError("the unit spaces are empty; fit them first.")
        return self._usual


def _farthest(member: PatchSpaceInspector, parts: Dataset, progress: Progress) -> Iterator[Tensor]:
    """The logarithm of the farthest cell's distance of each part, or tile, in order, float64."""
    for features in member.features_of(member.learned_from(parts, copied=False).pictures, progress):
        found = member.infer({"features": features[None].to(next(member.module.parameters()).device)})
        yield found["map"].amax(dim=(1, 2)).clamp(min=LEAST).log().double().cpu()


def _folder(folder: Path, number: int) -> Path:
    """That of one network in a run's model folder."""
    return folder / f"network{number}"
