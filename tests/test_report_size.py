"""The report of 2,000 pictures stays below 15 MB, whatever they show; pictures become smaller rather than fewer."""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data.images import jpeg_thumbnail
from kenpin.data.loading import load_dataset
from kenpin.evaluation import summarise
from kenpin.metrics.projection import principal_components
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource, Prediction, Threshold
from kenpin.report import ReportContent, page, read_content, render_report, write_report
from kenpin.report.heat import heat_of
from kenpin.run.maps import Maps, PictureMap, first_asked_for
from kenpin.run.vectors import ProjectedEmbedding
from kenpin.training import train
from tests.pictures import write_parts

COUNT = 2_000


@cache
def _content(count: int = COUNT, *, noisy: bool = True) -> ReportContent:
    """A run's results on so many pictures of noise in colour, which no JPEG makes small, or of plain ones."""
    draw = np.random.default_rng(0)
    examples, predictions, thumbnails = [], [], {}
    for number in range(count):
        id, label = f"lot 17/camera 2/{number:05}.png", "ok" if number % 2 else "scratch"
        score = float(draw.gamma(2 if label == "ok" else 5))
        examples.append(Example(id, ImageSource(id), label=label))
        predictions.append(Prediction(id, defect_score=score, distance=score))
        pixels = draw.integers(0, 256, (128, 128, 3)) if noisy else np.full((128, 128, 3), number % 256)
        thumbnails[id] = jpeg_thumbnail(Image.fromarray(pixels.astype(np.uint8)))
    cut = Threshold(4.0, None, "By hand")
    found = summarise(examples, predictions, labels=(), ok_labels=("ok",), threshold=cut, split="test")
    mask = np.zeros((128, 128), bool)
    for y, x in draw.integers(0, 120, (12, 2)):
        mask[y : y + 9, x : x + 7] = True
    by_id = {
        id: PictureMap(draw.gamma(2, size=(28, 28)).astype(np.float32), (0.0, 0.0, 1.0, 1.0), (900, 900), "x", mask)
        for id in first_asked_for(found.judged, 60, 18)
    }
    vectors = ProjectedEmbedding(tuple(thumbnails), principal_components(draw.normal(size=(count, 16))))
    maps = Maps(by_id, "D²/k", of_score=True, held_out=True)
    return ReportContent(
        "run", {"family": "mahalanobis"}, {"test": found}, thumbnails=thumbnails, embedding=vectors, maps=maps
    )


@pytest.mark.slow
@pytest.mark.parametrize("noisy", [False, True])
def test_a_report_of_2000_pictures_stays_below_15_mb(noisy: bool) -> None:
    text = render_report(_content(noisy=noisy))
    print(f"{COUNT:,} pictures, {'noise' if noisy else 'plain'}: {len(text.encode()) / 1e6:.1f} MB")
    assert len(text.encode()) < page.MOST_BYTES
    assert text.count('<div class="point ') == COUNT
    assert ("so that this page stays below 15 MB" in text) is noisy


def test_pictures_under_the_mouse_shrink_first(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _content(40)
    whole = render_report(content)
    monkeypatch.setattr(page, "MOST_BYTES", len(whole.encode()) - 1)
    text = render_report(content)
    assert len(text.encode()) < len(whole.encode())
    points = re.findall(r'<div class="tip"><img src="data:image/jpeg;base64,([^"]+)"', text)
    cards = re.findall(r'<div class="laid"><img src="data:image/jpeg;base64,([^"]+)"', text)
    assert {_size(one) for one in points} == {(96, 96)}
    assert {_size(one) for one in cards} == {(128, 128)}
    assert "have at most 96 pixels" in text
    monkeypatch.setattr(page, "MOST_BYTES", 1)
    least = render_report(content)
    assert {_size(one) for one in re.findall(r'data:image/jpeg;base64,([^"]+)"', least)} == {(32, 32), (64, 64)}


def _size(jpeg: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(jpeg))).size


@pytest.mark.slow
def test_a_run_on_2000_test_pictures_reports_in_one_small_file(tmp_path: Path) -> None:
    """Trained and evaluated, scatter and maps included: what a user gets."""
    data = write_parts(tmp_path / "data" / "test", count=COUNT // 2).parent
    write_parts(data / "train", count=40)
    assert len(load_dataset(data).of_split("test")) == COUNT
    run = train("mahalanobis", data=str(data), out=tmp_path / "run", base="toy")
    content = read_content(run)
    assert content.embedding is not None
    assert heat_of(content.maps, [] if content.maps is None else content.maps.by_id) is not None
    out = write_report(run, tmp_path / "report.html")
    print(f"a run on {COUNT:,} test pictures: {out.stat().st_size / 1e6:.1f} MB")
    assert out.stat().st_size < page.MOST_BYTES
    assert load_predictor(run).threshold is not None
