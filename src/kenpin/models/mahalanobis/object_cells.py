"""Which cells of a picture show the part: by the first principal component of the cells of good parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.object_masks import LEAST, otsu_cut
from kenpin.errors import UnitSpaceError
from kenpin.models.contract import Inspector
from kenpin.models.inference import feature_key, features_at_once
from kenpin.models.mahalanobis.cell_spaces import SCALE_FLOOR
from kenpin.models.mahalanobis.tensor_record import TensorRecord
from kenpin.models.networks.recent_features import RECENT
from kenpin.taguchi import Moments

_BORDER_ALIKE = 0.8
"""Share of the cells along the border, over all good parts, that must be on one side of the cut, to be background."""
_MOST_EMPTY = 0.1
"""Share of good parts in which nothing may be found: where there is more, the component tells kinds of parts apart."""
_LEAST_APART = 0.7
"""Share of the component's variance that two sides must explain; of a single normal distribution it is 2/π."""


@dataclass(frozen=True)
class ObjectCells(TensorRecord):
    """The side of a cut through the first principal component on which the part lies.

    A cell is the part's where (x − mean) · axis is above the cut, after gaps and specks narrower than three cells were
    closed and removed. Cells that show the part in all good parts are looked at whatever they show, so that a missing
    piece is. Where no cell is the part's, all are.

    # Damm et al. 2025 (AnomalyDINO), sec. 3.3: masks by the first principal component of the features of patches
    """

    axis: Tensor
    """Of standardised items, divided by their scale: (k,)."""
    cut: Tensor
    """Without dimension."""
    always: Tensor
    """1 where every good part shows the part, else 0: (rows, columns)."""

    def inside(self, x: Tensor) -> Tensor:
        """1 at cells of the part, else 0. x: (n, cells, k) -> (n, cells)."""
        found = torch.maximum(self._on_side(x), self.always).flatten(1)
        return torch.maximum(found, 1 - found.amax(dim=1, keepdim=True))

    def moves_with(self, x: Tensor, rolled: Tensor) -> bool:
        """Whether what it finds goes with the pictures, and not with their borders, which networks see as something of
        their own. x: (n, cells, k); rolled: the same pictures `rolled_by_half`."""
        before, after = self._on_side(x)[:, 0], self._on_side(rolled)[:, 0]
        rows, columns = self.always.shape
        moved = before.roll((rows // 2, columns // 2), dims=(1, 2))
        return bool((after == moved).sum() > (after == before).sum())

    def _on_side(self, x: Tensor) -> Tensor:
        """By the component alone, (n, 1, rows, columns)."""
        above = (((x - self.mean) * self.axis).sum(dim=2) > self.cut).to(x.dtype)
        return _closed_and_opened(above.reshape(-1, 1, *self.always.shape))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`. Raises KeyError, ValueError."""
        found = super().from_arrays(arrays)
        if found.mean.ndim != 1 or found.mean.shape != found.axis.shape or found.cut.ndim or found.always.ndim != 2:
            raise ValueError("the arrays of the object's cells do not fit together")
        return found


def fit_object_cells(pictures: Callable[[], Iterable[Tensor]], grid: tuple[int, int]) -> tuple[ObjectCells, float]:
    """The component of good parts, in two passes over them, and the share of their cells that show the part.

    pictures: at each call yields the same batches, (n, cells, k) float32; grid: rows and columns of the cells. The part
    is on the side on which fewer cells of the border lie. Raises UnitSpaceError where two sides do not stand apart.
    """
    total: Moments | None = None
    for some in pictures():
        found = Moments.of(some.flatten(0, 1).numpy())
        total = found if total is None else total + found
    assert total is not None
    mean, covariance = total.mean, total.scatter / max(1, total.count - 1)
    scale = np.sqrt(covariance.diagonal())
    scale = np.maximum(scale, SCALE_FLOOR * np.sqrt(np.square(scale).mean()))
    if not np.isfinite(scale).all() or not scale.any():
        raise unseparated("the cells of the good parts are alike")
    axis = np.linalg.eigh(covariance / np.outer(scale, scale))[1][:, -1] / scale
    scores = np.concatenate([(some.double().numpy() - mean) @ axis for some in pictures()])
    low, high = np.quantile(scores, (0.001, 0.999))
    if not high > low:
        raise unseparated("the cells of the good parts are alike")
    step = (high - low) / 255
    level, apart = otsu_cut(np.rint((scores.clip(low, high) - low) / step).astype(np.uint8))
    cut = low + (level + 0.5) * step
    above = scores.reshape(-1, *grid) > cut
    border = np.ones(grid, bool)
    border[1:-1, 1:-1] = False
    share = float(above[:, border].mean())
    if apart < _LEAST_APART:
        raise unseparated(f"two sides explain {apart:.0%} of it, and {_LEAST_APART:.0%} are needed")
    if max(share, 1 - share) < _BORDER_ALIKE:
        raise unseparated(f"the border is on both sides of the cut, by {share:.0%}")
    if share > 0.5:
        axis, cut, above = -axis, -cut, ~above
    inside = _closed_and_opened(torch.from_numpy(above[:, None].astype(np.float32)))[:, 0]
    shown = float(inside.mean())
    empty = float(1 - inside.amax(dim=(1, 2)).mean())
    if shown < LEAST or empty > _MOST_EMPTY:
        raise unseparated(f"in {empty:.0%} of them nothing is on the side of the part")
    arrays = (mean, axis, np.array(cut), inside.amin(dim=0).numpy())
    return ObjectCells(*(torch.from_numpy(np.array(of, np.float32, order="C")) for of in arrays)), shown


def cells_of_parts(pictures: Callable[[], Iterable[Tensor]], object_cells: ObjectCells) -> Iterator[Tensor]:
    """The cells of each picture that show the part, (1, m, k)."""
    for some in pictures():
        for x, inside in zip(some, object_cells.inside(some.cpu()) > 0, strict=True):
            yield x[inside.to(x.device)][None]


def rolled_features(inspector: Inspector, pictures: Dataset, grid: tuple[int, int]) -> Tensor:
    """Features of pictures `rolled_by_half`, (n, numbers), on the CPU, for which folds of a training ask again and
    again. Raises ImageError."""
    key, found = f"{feature_key(inspector)} rolled", []
    for example in pictures:
        contents = [pictures.content_of(example)]
        features = RECENT.of(key, contents)
        if features is None:
            rolled = rolled_by_half(read_image(pictures.source_of(example)), grid)
            features = [*features_at_once(inspector, [rolled])]
            RECENT.keep(key, contents, torch.stack(features))
        found += features
    return torch.stack(found)


def rolled_by_half(image: Image.Image, grid: tuple[int, int]) -> Image.Image:
    """A picture rolled by half of its cells, so that what was at its border is in the middle."""
    (rows, columns), (width, height) = grid, image.size
    shift = round(height * (rows // 2) / rows), round(width * (columns // 2) / columns)
    return Image.fromarray(np.roll(np.asarray(image), shift, axis=(0, 1)))


def _closed_and_opened(mask: Tensor) -> Tensor:
    """Gaps narrower than three cells closed, then specks as narrow removed. (n, 1, rows, columns) of 0 and 1 -> the
    same."""
    wide = nn.functional.pad(mask, (2, 2, 2, 2))  # so that no gap between the part and the border is closed
    return _widened(_narrowed(_narrowed(_widened(wide))[:, :, 2:-2, 2:-2]))


def _widened(mask: Tensor) -> Tensor:
    return nn.functional.max_pool2d(mask, 3, 1, 1)


def _narrowed(mask: Tensor) -> Tensor:
    return 1 - _widened(1 - mask)


def unseparated(why: str) -> UnitSpaceError:
    """What is said where the component finds no part."""
    return UnitSpaceError(
        f"option `object` features: the first principal component of good parts does not tell the part from what "
        f"surrounds it ({why}). Take brightness, a region of interest (`roi`), or leave the option out."
    )
