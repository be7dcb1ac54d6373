"""Embeddings in a plane: components as scikit-learn finds them, kept in the run, and shown with what was judged."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from kenpin.data.loading import load_dataset
from kenpin.errors import MissingExtraError, RunError, ShapeError
from kenpin.metrics.projection import principal_components
from kenpin.predictor import load_predictor
from kenpin.records import Evaluation
from kenpin.report import ReportContent, read_content, render_report, write_report
from kenpin.report.embedding import neighbour_layout, scatter
from kenpin.run.vectors import ProjectedEmbedding, read_embedding, write_embedding
from tests.test_report import LABELS, NASTY, RUN, evaluation
from tests.toy_runs import ToyRun, trained


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def vectors(count: int = 60, dimension: int = 12) -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.normal(size=(count, dimension)) * np.linspace(3, 0.5, dimension) + 5


@pytest.mark.parametrize(("count", "dimension"), [(60, 12), (9, 40)])
def test_components_are_those_of_scikit_learn(count: int, dimension: int) -> None:
    x = vectors(count, dimension)
    found, reference = principal_components(x, most=5), PCA(5).fit(x)
    expected = reference.transform(x)
    signs = np.sign((found.coordinates * expected).sum(axis=0))
    np.testing.assert_allclose(found.coordinates, expected * signs, atol=1e-4)
    np.testing.assert_allclose(found.shares, reference.explained_variance_ratio_, rtol=1e-9)
    assert found.dimension == dimension


def test_which_way_they_point_does_not_hang_on_the_order() -> None:
    x = vectors()
    there, back = principal_components(x), principal_components(x[::-1])
    np.testing.assert_allclose(there.coordinates, back.coordinates[::-1], atol=1e-4)


def test_equal_vectors_have_no_spread_and_unfit_ones_are_refused() -> None:
    assert principal_components(np.ones((4, 3))).shares.tolist() == [0, 0, 0]
    for unfit in (np.ones(3), np.ones((0, 3)), np.array([[1.0, np.nan]])):
        with pytest.raises(ShapeError, match="to be projected"):
            principal_components(unfit)


def _embedding(evaluation: Evaluation, dimension: int = 12) -> ProjectedEmbedding:
    ids = tuple(part.id for part in evaluation.judged)
    return ProjectedEmbedding(ids, principal_components(vectors(len(ids), dimension)))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = _embedding(evaluation())
    write_embedding(tmp_path / "embedding.npz", kept)
    found = read_embedding(tmp_path / "embedding.npz")
    assert found is not None
    assert found.ids == kept.ids
    assert found.projection.dimension == 12
    np.testing.assert_array_equal(found.projection.coordinates, kept.projection.coordinates)
    assert read_embedding(tmp_path / "none.npz") is None
    (tmp_path / "embedding.npz").write_bytes(b"PK damaged")
    with pytest.raises(RunError, match=r"embedding\.npz: it holds no embeddings"):
        read_embedding(tmp_path / "embedding.npz")


def test_marks_stand_where_their_vectors_do_and_tell_what_was_judged() -> None:
    judged = evaluation().judged
    kept = _embedding(evaluation())
    thumbnails = {part.id: b"jpeg" for part in judged[5:]}  # of the first five none was kept
    found = scatter(kept, judged, LABELS, thumbnails, None)
    assert found is not None
    assert [point.title for point in found.points] == [part.id for part in judged[5:]]
    assert found.kept == len(judged)
    places = np.array([point.places[0] for point in found.points])
    assert places.min() >= 2 - 1e-9
    assert places.max() <= 98 + 1e-9
    x = kept.projection.coordinates[5:, :2].astype(float)
    ratio = (places[:, 0] - places[0, 0])[1:] / (x[:, 0] - x[0, 0])[1:]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    np.testing.assert_allclose((places[:, 1] - places[0, 1])[1:] / (x[:, 1] - x[0, 1])[1:], -ratio, rtol=1e-3)
    for point, part in zip(found.points, judged[5:], strict=True):
        styles = point.styles.split()
        assert ("defect" in styles) is part.defective
        assert str(part.verdict).lower() in styles
        assert (styles[0] == found.labels[0][0]) is (part.label == "良品")


def test_the_page_shows_them_escaped_and_without_a_script() -> None:
    content = ReportContent(
        name="run",
        run=RUN,
        evaluations={"test": evaluation()},
        thumbnails={part.id: b"jpeg" for part in evaluation().judged},
        embedding=_embedding(evaluation()),
    )
    page = render_report(content)
    assert page.count('<div class="point ') == 60
    assert "of largest spread, of 12 dimensions, hold" in page
    assert NASTY not in page
    assert "<script" not in page
    assert "Which pictures are alike" not in render_report(replace(content, embedding=None))
    assert "Which pictures are alike" not in render_report(replace(content, thumbnails={}))


def test_two_dimensions_are_shown_as_they_are() -> None:
    kept = _embedding(evaluation(), dimension=2)
    assert neighbour_layout(kept) is None
    found = scatter(kept, evaluation().judged, LABELS, {part.id: b"" for part in evaluation().judged}, None)
    assert found is not None
    assert "shown as they are" in found.layouts[0][1]
    assert scatter(_embedding(evaluation(), 1), evaluation().judged, LABELS, {}, None) is None


def test_without_umap_its_layout_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[umap\]"'):
        neighbour_layout(_embedding(evaluation()))


@pytest.mark.slow
def test_umap_keeps_groups_together() -> None:
    pytest.importorskip("umap", reason="the extra `umap` is not installed")
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 40)
    x = draw.normal(size=(120, 20)) + groups[:, None] * 6
    layout = neighbour_layout(ProjectedEmbedding(tuple(map(str, range(120))), principal_components(x)))
    assert layout is not None
    centres = np.array([layout[groups == group].mean(axis=0) for group in range(3)])
    nearest = np.linalg.norm(layout[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == groups).mean() > 0.95


def test_a_training_keeps_the_vectors_of_what_it_evaluated(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run")
    content = read_content(run)
    assert content.embedding is not None
    assert set(content.embedding.ids) == {part.id for part in content.leading.judged}
    page = write_report(run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<div class="point ', page)) == len(content.leading.judged)
    (run / "embedding.npz").unlink()
    assert "Which pictures are alike" not in write_report(run, tmp_path / "without.html").read_text(encoding="utf-8")


def test_a_network_without_vectors_keeps_none(tmp_path: Path, toy_run: ToyRun) -> None:
    assert not (toy_run("classifier", tmp_path / "run", tuning="full", epochs=1) / "embedding.npz").exists()


def test_a_unit_space_is_plotted_by_its_items_in_units_of_their_spread(parts: Path, tmp_path: Path) -> None:
    run = trained("mahalanobis", tmp_path / "run", parts, base="lite0", layers=(2,))
    with np.load(run / "model" / "unit_space.npz") as arrays:
        items, mean, scale = arrays["items"], arrays["mean"], arrays["scale"]
    found = read_content(run).embedding
    assert found is not None
    assert found.projection.dimension == len(items) < 1_568
    predictor, data = load_predictor(run), load_dataset(parts)
    features = np.concatenate([rows for _, rows in predictor.embed(data)])[:, items]
    expected = principal_components((features - mean) / scale)
    places = {id: row for row, id in enumerate(data.column("id"))}
    order = [places[id] for id in found.ids]
    np.testing.assert_allclose(found.projection.shares, expected.shares, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(
        found.projection.coordinates[:, :2], expected.coordinates[order, :2], rtol=1e-2, atol=1e-2
    )
