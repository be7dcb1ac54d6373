"""Still plots of vectors: every point where it belongs, one scale for both directions, and nothing loaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kenpin.errors import OutputExistsError, ShapeError
from kenpin.report.scatter import Panel, scatter_figure, write_scatters
from tests.test_report import NASTY

RNG = np.random.default_rng(0)


def _dots(svg: str) -> np.ndarray:
    return np.array(re.findall(r'<circle class="dot k\d" cx="([\d.]+)" cy="([\d.]+)"', svg), float)


def test_points_lie_to_one_another_as_the_vectors_do() -> None:
    vectors = RNG.normal(size=(40, 2)) * [5, 1]
    dots = _dots(str(scatter_figure(Panel("plot", vectors, ["a"] * 40)).svg))
    assert len(dots) == 40
    drawn, true = (np.linalg.norm(rows[:, None] - rows[None], axis=2) for rows in (dots, vectors))
    scale = drawn[true > 0].mean() / true[true > 0].mean()
    assert np.abs(drawn - scale * true).max() < 0.3, "one scale for both directions"
    assert (np.sign(np.diff(dots[:, 1])) == -np.sign(np.diff(vectors[:, 1]))).mean() > 0.9, "up is up"


def test_many_dimensions_are_shown_by_the_widest_two() -> None:
    vectors = RNG.normal(size=(60, 9)) * [9, 6, 1, 1, 1, 1, 1, 1, 1]
    dots = _dots(str(scatter_figure(Panel("plot", vectors, ["a", "b"] * 30)).svg))
    of_a = np.concatenate([vectors[::2, :2], vectors[1::2, :2]])
    assert abs(np.corrcoef(dots[:, 0], of_a[:, 0])[0, 1]) > 0.97
    assert scatter_figure(Panel("line", vectors[:, :1], ["a"] * 60)).svg


def test_the_silhouette_is_that_of_all_dimensions() -> None:
    apart = np.concatenate([RNG.normal(0, 0.1, (20, 3)), RNG.normal(9, 0.1, (20, 3))])
    figure = scatter_figure(Panel("plot", apart, ["a"] * 20 + ["b"] * 20))
    assert re.search(r"Silhouette 0\.9[89]", figure.caption)
    assert "No silhouette" in scatter_figure(Panel("plot", apart, ["a"] * 40)).caption


def test_many_points_are_thinned_and_counted() -> None:
    figure = scatter_figure(Panel("plot", RNG.normal(size=(5_000, 2)), ["a"] * 5_000))
    assert len(_dots(str(figure.svg))) == 1_667
    assert "1,667 pictures" in figure.caption


def test_the_page_is_complete_and_escapes_labels(tmp_path: Path) -> None:
    panels = [Panel(title, RNG.normal(size=(30, 2)), [NASTY, "不良", "ok"] * 10) for title in ("softmax", "triplet")]
    page = write_scatters(panels, tmp_path / "plot.html", name="Vectors").read_text("utf-8")
    assert page.count("<svg") == 2
    assert "不良" in page
    assert NASTY not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    with pytest.raises(OutputExistsError):
        write_scatters(panels, tmp_path / "plot.html", name="Vectors")
    with pytest.raises(ShapeError):
        scatter_figure(Panel("plot", RNG.normal(size=(3, 2)), ["a"]))
