"""What a fit of unit spaces of cells says of itself."""

from __future__ import annotations

from kenpin.models.mahalanobis.cell_neighbours import CellNeighbours
from kenpin.models.mahalanobis.cell_spaces import CellSpaces
from kenpin.models.mahalanobis.layer_spaces import LayerSpaces
from kenpin.plural import counted

AnySpaces = CellSpaces | CellNeighbours | LayerSpaces


def fit_in_words(fitted: AnySpaces, where: str, grid: tuple[int, int], learned: str) -> str:
    """One sentence. where: the option; learned: the parts, or tiles, in words."""
    rows, columns = grid
    spaces = "a unit space in each" if where == "positions" else "one unit space"
    if isinstance(fitted, LayerSpaces):
        spaces += f" of each of {counted(len(fitted.spaces), 'layer')}"
    if isinstance(fitted, CellNeighbours):
        spaces += f" with the {len(fitted.cells):,} patches that are farthest from one another"
    return (
        f"{rows} × {columns} cells of {learned}, {spaces}: "
        f"{counted(fitted.mean.shape[1], 'item')}, mean ridge {float(fitted.ridge.mean()):.4f}."
    )
