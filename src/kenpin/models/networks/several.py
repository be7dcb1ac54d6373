"""Several networks as one base: each sees the same picture, and their features stand one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from kenpin.errors import OptionError
from kenpin.models.bases import BaseRecord
from kenpin.models.beside import NetworkBeside
from kenpin.models.networks.backbones import BUILT_IN, Backbone, load_backbone
from kenpin.models.networks.encoding import encoder_of
from kenpin.models.networks.stored_pixels import StoredPixels
from kenpin.run.record import TOGETHER, is_run

LayersOf = Callable[[NetworkBeside], tuple[int, ...] | None]
"""The layers of a network beside a base that are taken where it names none."""


@dataclass
class SeveralBackbones(Backbone):
    """Networks of which the first sees a picture as its processor brings it to size, and each other one what that
    sees, brought to its own size and scale."""

    members: tuple[Backbone, ...] = ()
    """The first is the base."""

    @classmethod
    def of(cls, members: Sequence[Backbone]) -> SeveralBackbones:
        """Raises OptionError where a processor does more than resizing and scaling."""
        for member in members:
            _pixels_of(member)
        commits = [member.commit for member in members]
        return cls(
            id=TOGETHER.join(member.id for member in members),
            network=nn.ModuleList([member.network for member in members]).eval(),  # a new list is set to train
            processor=members[0].processor,
            commit=TOGETHER.join(commit or "none" for commit in commits) if any(commits) else None,
            members=tuple(members),
        )

    def each(self, pixel_values: Tensor) -> Iterator[tuple[Backbone, Tensor]]:
        """Every network with the pixel values that it sees. (n, 3, h, w) of the first -> those of each."""
        first, *others = self.members
        yield first, pixel_values
        for other in others:
            yield other, _brought(pixel_values, _pixels_of(first), _pixels_of(other))

    def features(self, pixel_values: Tensor) -> Tensor:
        """Pooled features of each network. (n, 3, h, w) -> (n, items)."""
        return torch.cat([member.features(pixels) for member, pixels in self.each(pixel_values)], dim=1)

    def grids(self, pixel_values: Tensor) -> list[Tensor]:
        """Features of cells, of each layer of each network. (n, 3, h, w) -> each (n, c, rows, columns)."""
        return [grid for member, pixels in self.each(pixel_values) for grid in member.grids(pixels)]

    def frozen(self) -> SeveralBackbones:
        """A copy for inference alone."""
        return self.of([member.frozen() for member in self.members])

    def without_layers(self) -> SeveralBackbones:
        """The same, whose record is equal whichever layers are looked at."""
        return self.of([member.without_layers() for member in self.members])

    def uncropped(self, wanted: bool) -> SeveralBackbones:
        """Nothing is cut off at the edges, whatever is wanted: all networks see the whole picture."""
        return self

    def on_layers(self, layers: Sequence[int] | None) -> SeveralBackbones:
        """As it is: each network has layers of its own."""
        return self

    @property
    def classifies(self) -> bool:
        """No head is common to several networks."""
        return False

    @cached_property
    def short_names(self) -> tuple[str, ...]:
        """Names of the networks in the names of their layers: the last part of each, with a number where two have the
        same."""
        names = [Path(member.id).name + _tilde(member.mirrored) for member in self.members]
        times, seen = Counter(names), Counter[str]()
        found = []
        for name in names:
            seen[name] += 1
            found.append(name if times[name] == 1 else f"{name}#{seen[name]}")
        return tuple(found)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of pooled features of each network."""
        return tuple(len(member.item_names) for member in self.members)

    @cached_property
    def item_names(self) -> tuple[str, ...]:
        """Names of the pooled features, each that of its network and its own: `lite0:stage6.mean5`."""
        return tuple(
            f"{name}:{item}"
            for name, member in zip(self.short_names, self.members, strict=True)
            for item in member.item_names
        )

    @cached_property
    def record(self) -> BaseRecord:
        """Identity of all, with their probes."""
        records = [member.record for member in self.members]
        return BaseRecord(self.id, self.commit, tuple(number for record in records for number in record.probe))


def several_of(
    base: Backbone, beside: Sequence[NetworkBeside], labels: Sequence[str], seed: int, layers_of: LayersOf
) -> Backbone:
    """The base with these networks beside it; the base as it is where there is none. Raises OptionError."""
    if not beside:
        return base
    members = [base.uncropped(True)]
    for one in beside:
        if one.name not in BUILT_IN and is_run(Path(one.name)):
            raise OptionError(
                f"option `beside`: {one.name} is a run; name its base, or write its network with `kenpin export "
                f"{one.name} FOLDER --to merged`, and name that folder."
            )
        layers = layers_of(one) if one.layers is None else one.layers
        found = load_backbone(one.name, labels, seed, layers=layers, picture_px=one.picture_px).uncropped(True)
        members.append(replace(found, mirrored=one.mirrored))
    return SeveralBackbones.of(members)


def _tilde(mirrored: tuple[int, ...]) -> str:
    return "~" + "".join("hv"[axis] for axis in mirrored) if mirrored else ""


def _pixels_of(member: Backbone) -> StoredPixels:
    """The arithmetic of its pictures. Raises OptionError where they are not bytes of one size."""
    stored = encoder_of(member.processor, member.image_size_wh).stored
    if stored is None or stored.resizing is None:
        raise OptionError(
            f"option `beside`: the picture processor of {member.id} does more than resizing and scaling, so that it "
            "cannot look beside another network; leave it out."
        )
    return stored


def _brought(pixel_values: Tensor, from_: StoredPixels, to: StoredPixels) -> Tensor:
    """Pixel values of one network as those of another, (n, 3, h, w) -> (n, 3, h', w')."""
    mean, deviation, wanted_mean, wanted_deviation = (
        torch.tensor(three, device=pixel_values.device).view(1, 3, 1, 1)
        for three in (from_.mean, from_.deviation, to.mean, to.deviation)
    )
    values = ((pixel_values * deviation + mean) * (to.factor / from_.factor) - wanted_mean) / wanted_deviation
    if from_.size_wh == to.size_wh:
        return values
    (width, height), (wanted_width, wanted_height) = from_.size_wh, to.size_wh
    cubic = to.resizing is not None and to.resizing.resample == Resampling.BICUBIC
    down = _resampling(height, wanted_height, cubic=cubic).to(values)
    across = _resampling(width, wanted_width, cubic=cubic).to(values)
    # last: arithmetic of channels behind a matrix product is fused with it by OpenVINO 2026, along the wrong axis
    return down @ values @ across.T


def _resampling(length: int, wanted: int, *, cubic: bool) -> Tensor:
    """Weights of pixels along a side in those of another length, as a resizing with an antialiasing filter has them.
    -> (wanted, length)."""
    lines = torch.eye(length)[None, None]
    how = "bicubic" if cubic else "bilinear"
    weights = nn.functional.interpolate(lines, (wanted, length), mode=how, antialias=True)[0, 0]
    return torch.from_numpy(weights.numpy())  # a constant of the graph: engines have filters of their own
