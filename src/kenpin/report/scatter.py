"""Embeddings in a plane as static charts, side by side: those of several trainings for the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, RunError, ShapeError
from kenpin.metrics.neighbours import knn_accuracy, nearest_others, silhouette
from kenpin.metrics.projection import principal_components
from kenpin.plural import counted
from kenpin.records import JudgedExample
from kenpin.report import words
from kenpin.report.content import read_content
from kenpin.report.document import fill, write_document
from kenpin.report.drawing import Axis, Figure, PointGroup, plain, point_chart
from kenpin.words import ENGLISH, Language, Texts

_COLOURS = 10
_NEIGHBOURS = 5
_ROUNDING = 1e-9  # of the largest number: points that differ by less are equal
_MARGIN = 0.04  # of the plot, around the outermost points
_AT_MOST = 2_000
"""Points that are drawn; a silhouette of more would take long, too."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Embeddings (n, d) of pictures with their labels, and their title."""

    title: str
    vectors: ArrayLike
    labels: Sequence[str]


def scatter_figure(panel: Panel, texts: Texts = ENGLISH) -> Figure:
    """A chart of embeddings with their silhouette: two dimensions unchanged, of more the two of most variance.

    Many pictures are thinned out evenly. Raises ShapeError.
    """
    vectors = np.asarray(panel.vectors, np.float64)
    if vectors.ndim != 2 or len(vectors) != len(panel.labels) or not len(vectors):
        raise ShapeError(
            f"{panel.title}: embeddings of shape {vectors.shape} have {counted(len(panel.labels), 'label')}."
        )
    every = -(-len(vectors) // _AT_MOST)
    vectors, labels = vectors[::every], np.asarray(panel.labels)[::every]
    plane = vectors if vectors.shape[1] == 2 else _plane(vectors)
    x, y = _square_axes(plane)
    names = sorted(set(labels.tolist()))
    groups = [
        PointGroup(words.named(name, texts), f"k{index % _COLOURS}", plane[labels == name].tolist())
        for index, name in enumerate(names)
    ]
    score = silhouette(vectors, labels.tolist())
    if score is None:
        caption = [texts("No silhouette: there is one class.")]
    else:
        caption = [texts("Silhouette %(score)s.", score=f"{score:.3f}".replace("-", "−"))]
    alike = knn_accuracy(labels.tolist(), nearest_others(vectors, _NEIGHBOURS))
    if score is not None and alike is not None:
        caption.append(
            texts(
                "Most of the %(number)s nearest neighbours have the same class: %(share)s.",
                number=_NEIGHBOURS,
                share=words.percent(alike),
            )
        )
    count = texts(
        "%(pictures)s of %(classes)s",
        pictures=texts.count("%(count)s picture", "%(count)s pictures", len(vectors)),
        classes=texts.count("%(count)s class", "%(count)s classes", len(names)),
    )
    described = texts("%(count)s, each class named at its middle", count=count)
    return Figure(
        panel.title,
        point_chart(panel.title, described, groups, x, y),
        texts.in_a_row([*caption, texts("%(sentence)s.", sentence=count[0].upper() + count[1:])]),
        tuple((group.style, group.name) for group in groups),
    )


def panels_of_runs(runs: Sequence[Path]) -> list[Panel]:
    """Each run's embeddings of the evaluated pictures that all runs have, at most 50 principal components.

    Raises RunError, and OptionError where no two pictures are common to all.
    """
    contents = [read_content(run) for run in runs]
    for run, content in zip(runs, contents, strict=True):
        if content.embedding is None:
            raise RunError(
                f"{run}: keeps no embeddings; take a run of embedder or mahalanobis, or a classifier's head."
            )
    kept = [content.embedding for content in contents if content.embedding is not None]
    sides = [_sides(content.leading.judged) for content in contents]
    common = set.intersection(*(set(embedding.ids) & of.keys() for embedding, of in zip(kept, sides, strict=True)))
    if len(common) < 2:
        raise OptionError("these runs were evaluated on different pictures; train them on the same data set.")
    panels = []
    for content, embedding, labels in zip(contents, kept, sides, strict=True):
        rows = sorted((row for row, id in enumerate(embedding.ids) if id in common), key=lambda row: embedding.ids[row])
        vectors = embedding.projection.coordinates[rows]
        panels.append(Panel(content.name, vectors, [labels[embedding.ids[row]] for row in rows]))
    return panels


def _sides(judged: Sequence[JudgedExample]) -> dict[str, str]:
    """The side of each judged picture; of a part by several that of the picture itself."""
    sides = {part.id: words.side(part) for part in judged if not part.views}
    return sides | {view.id: view.label or words.NO_LABEL for part in judged for view in part.views}


def write_scatters(
    panels: Sequence[Panel],
    out: str | Path,
    *,
    name: str | None = None,
    language: Language = "en",
    overwrite: bool = False,
) -> Path:
    """Draw the panels side by side into one self-contained HTML file; returns its path.

    name: the page's title; None: "Embeddings in a plane", in its language.

    Raises ShapeError, and OutputExistsError where `out` exists, unless `overwrite`.
    """
    texts = Texts(language)

    def render() -> str:
        figures = [scatter_figure(panel, texts) for panel in panels]
        return fill("scatter.html.jinja", texts, name=name or texts("Embeddings in a plane"), figures=figures)

    return write_document(render, Path(out), overwrite)


def _plane(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    widest = principal_components(vectors, most=2).coordinates.astype(np.float64)
    return np.pad(widest, ((0, 0), (0, 2 - widest.shape[1])))


def _square_axes(plane: NDArray[np.float64]) -> tuple[Axis, Axis]:
    """Axes of equal scale, so that distances are not distorted."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    widest, largest = float((high - low).max()), float(np.abs(plane).max())
    if widest <= largest * _ROUNDING:
        widest = max(1.0, largest)  # a single point
    half = widest * (0.5 + _MARGIN)
    middle = (low + high) / 2
    bounds = [(float(at - half), float(at + half)) for at in middle]
    x, y = (Axis("", start, end, (), plain) for start, end in bounds)
    return x, y
