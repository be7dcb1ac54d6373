"""Items of all cells of pictures, by torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kenpin.models.mahalanobis.cell_layout import CellLayout


def near_cells(layout: CellLayout, inside: Tensor | None) -> Tensor:
    """Whether two cells were averaged over some of the same ones, (m, m). inside: of all cells those that are meant,
    (cells,), above 0; None: all."""
    rows, columns = layout.grid
    at = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    if inside is not None:
        at = at[inside > 0]
    return (at[:, None] - at).abs().amax(dim=2) < layout.around


def items_of_cells(layout: CellLayout, features: Tensor) -> Tensor:
    """Items of each cell, as the layout says. (n, numbers) -> (n, cells, items)."""
    parts = torch.split(features, list(layout.numbers), dim=1)
    layers = [
        part.view(-1, *shape).movedim(3, 1) for part, shape in zip(parts, layout.shapes, strict=True) if part.numel()
    ]
    x = torch.cat([nn.functional.interpolate(layer, layout.grid) for layer in layers], dim=1)
    around = layout.around
    return nn.functional.avg_pool2d(x, around, 1, around // 2, count_include_pad=False).flatten(2).transpose(1, 2)
