"""Still plots of vectors: every point where it belongs, one scale for both directions, and nothing loaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from kenpin.errors import OptionError, OutputExistsError, RunError, ShapeError
from kenpin.report import read_content
from kenpin.report.scatter import Panel, panels_of_runs, scatter_figure, write_scatters
from tests.commands import Run
from tests.pictures import write_parts
from tests.test_report import NASTY
from tests.toy_runs import trained

RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


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


def test_runs_are_drawn_beside_one_another(parts: Path, tmp_path: Path, kenpin: Run) -> None:
    one = trained("embedder", tmp_path / "plane", parts, epochs=2, dimension=2)
    other = trained("classifier", tmp_path / "features", parts)
    assert kenpin("scatter", one, other, "--out", "plane.html")[:2] == (0, "plane.html\n")
    page = Path("plane.html").read_text("utf-8")
    dots = [_dots(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.S)]
    contents = [read_content(run) for run in (one, other)]
    ids = [set(content.embedding.ids) for content in contents if content.embedding is not None]
    assert [len(drawn) for drawn in dots] == [len(ids[0] & ids[1])] * 2
    figure = scatter_figure(panels_of_runs([one, other])[0])
    found = re.search(r"Silhouette (\d\.\d+)\..*class: \d", figure.caption)
    assert found is not None
    measures = panels_of_runs([one])[0]
    assert float(found[1]) == pytest.approx(silhouette_score(measures.vectors, measures.labels), abs=6e-4)
    (other / "embedding.npz").unlink()
    assert kenpin("scatter", one, other, "--out", "again.html")[0] == 2, "a sealed file is missing"
    with pytest.raises(RunError, match="keeps no embeddings"):
        panels_of_runs([one, other])


def test_runs_on_different_pictures_are_not_compared(parts: Path, tmp_path: Path) -> None:
    one = trained("embedder", tmp_path / "one", parts, epochs=1)
    write_parts(tmp_path / "others", count=12)
    for number, path in enumerate(sorted((tmp_path / "others").rglob("*.png"))):
        path.rename(path.with_name(f"other {number}.png"))
    other = trained("embedder", tmp_path / "other", tmp_path / "others", epochs=1)
    with pytest.raises(OptionError, match="different pictures"):
        panels_of_runs([one, other])


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
