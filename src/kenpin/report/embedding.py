"""The plot of the pictures' embeddings: laid out in a plane, each picture shown under the mouse."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import MissingExtraError
from kenpin.evaluation.mistakes import mistake_of
from kenpin.evaluation.parts import pictures_of
from kenpin.installing import installing
from kenpin.metrics.projection import Projection
from kenpin.records import JudgedExample
from kenpin.report import words
from kenpin.report.document import data_url
from kenpin.report.names import picture_name
from kenpin.run.vectors import ProjectedEmbedding
from kenpin.words import ENGLISH, Texts

_COLOURS = 10
_MARGIN = 0.02  # of the plot, around the outermost points
_FEWEST_NEIGHBOURS = 15
"""UMAP's number of neighbours; it needs more pictures than that."""

Layout = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """A picture in the plot, with its position in each layout, in percent from the left and from the top."""

    places: tuple[tuple[float, float], ...]
    styles: str
    """Colour by class, verdict, and whether it is defective and judged wrongly, as names of the style sheet."""
    title: str
    lines: tuple[str, ...]
    image: str | None
    """A data URL."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Content of the plot's section."""

    points: tuple[Point, ...]
    layouts: tuple[tuple[str, str], ...]
    """Name of each layout, and a sentence about it."""
    labels: tuple[tuple[str, str], ...]
    """Style and name of each class."""
    has_verdicts: bool
    kept: int
    """Number of embeddings in the run, shown or not."""


def neighbour_layout(embedding: ProjectedEmbedding) -> Layout | None:
    """UMAP of the principal components, (n, 2); None where these are two at most or the pictures too few.

    Raises MissingExtraError.
    # McInnes, Healy & Melville 2018, with the authors' settings and a fixed seed.
    """
    coordinates = embedding.projection.coordinates
    if coordinates.shape[1] <= 2 or len(coordinates) <= _FEWEST_NEIGHBOURS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP advises on TensorFlow
        try:
            from umap import UMAP
        except ImportError as error:
            raise MissingExtraError(f"UMAP is not installed: {installing('umap')}") from error
        layout: Layout = UMAP(n_neighbors=_FEWEST_NEIGHBOURS, random_state=0, n_jobs=1).fit_transform(coordinates)
    return layout


def scatter(
    embedding: ProjectedEmbedding,
    judged: Iterable[JudgedExample],
    labels: Sequence[str],
    thumbnails: Mapping[str, bytes],
    neighbours: Layout | None,
    texts: Texts = ENGLISH,
) -> Scatter | None:
    """The plot of judged pictures with an embedding and a thumbnail; None where there are none.

    labels: the sides that parts can be of, in the page's order; neighbours: a layout of the whole embedding.
    """
    parts = {id: part for part in judged if (id := pictures_of(part)[0]) in thumbnails}
    rows = [row for row, id in enumerate(embedding.ids) if id in parts]
    if not rows:
        return None
    layouts = [("PCA", _about_pca(embedding.projection, texts))]
    planes = [_percent(_plane(embedding.projection.coordinates)[rows])]
    if neighbours is not None:
        layouts.append(("UMAP", texts("Neighbours stay together; the distance between groups means little.")))
        planes.append(_percent(neighbours[rows]))
    shown = [parts[embedding.ids[row]] for row in rows]
    sides = {words.side(part) for part in shown}
    colours = {label: f"k{index % _COLOURS}" for index, label in enumerate(label for label in labels if label in sides)}
    return Scatter(
        points=tuple(
            _point(part, colours[words.side(part)], spots, thumbnails[pictures_of(part)[0]], texts)
            for part, *spots in zip(shown, *(plane.tolist() for plane in planes), strict=True)
        ),
        layouts=tuple(layouts),
        labels=tuple((colour, words.named(label, texts)) for label, colour in colours.items()),
        has_verdicts=any(part.verdict is not None for part in shown),
        kept=len(embedding.ids),
    )


def _point(part: JudgedExample, colour: str, spots: Sequence[Sequence[float]], thumbnail: bytes, texts: Texts) -> Point:
    mistake = mistake_of(part)
    styles = [colour, str(part.verdict or "").lower(), "defect" if part.defective else "", "wrong" if mistake else ""]
    return Point(
        places=tuple((left, top) for left, top in spots),
        styles=" ".join(filter(None, styles)),
        title=picture_name(part.id),
        lines=tuple(
            filter(None, (words.truth(part, texts), words.scored(part, texts), texts(mistake) if mistake else None))
        ),
        image=data_url(thumbnail),
    )


def _plane(coordinates: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first two dimensions; a single dimension as a line."""
    widest = coordinates[:, :2]
    return np.pad(widest, ((0, 0), (0, 2 - widest.shape[1])))


def _about_pca(projection: Projection, texts: Texts) -> str:
    if projection.dimension <= 2:
        return texts.count(
            "The embeddings have %(count)s dimension and are shown as they are.",
            "The embeddings have %(count)s dimensions and are shown as they are.",
            projection.dimension,
        )
    return texts.count(
        "The two directions of largest spread, of %(count)s dimension, hold %(share)s of the variance.",
        "The two directions of largest spread, of %(count)s dimensions, hold %(share)s of the variance.",
        projection.dimension,
        share=words.percent(float(projection.shares[:2].sum()), 0),
    )


def _percent(plane: NDArray[np.floating]) -> Layout:
    """Points on a square, in percent from the left and from the top: one scale for both directions."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    span = float((high - low).max()) or 1.0
    inside = 0.5 + (plane - (low + high) / 2) / span * (1 - 2 * _MARGIN)
    turned: Layout = np.column_stack([inside[:, 0], 1 - inside[:, 1]]) * 100
    return turned
