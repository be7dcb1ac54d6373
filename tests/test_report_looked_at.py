"""What an inspector looked at: masks in the picture's frame, in the run and in its report, beside layers and items."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from kenpin.data.alignment import Alignment
from kenpin.data.dataset import Dataset
from kenpin.data.framing import Framing
from kenpin.data.images import png_of
from kenpin.errors import RunError
from kenpin.models.looked_at import leaves_out, looked_at
from kenpin.records import Example, ImageSource
from kenpin.report import write_report
from kenpin.run.looked_at import LookedAt, read_looked_at, write_looked_at
from kenpin.training import train

SIZE = (96, 72)


def _judge(framing: Framing | None) -> Any:
    return SimpleNamespace(framing=framing)


def _part(seed: int, *, bad: bool = False) -> Image.Image:
    drawn = Image.new("L", SIZE, 30)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((18, 14, 78, 58), fill=150)
    if bad:
        pen.rectangle((44, 24, 54, 34), fill=250)
    noise = np.random.default_rng(seed).normal(0, 4, SIZE[::-1])
    return Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8))


def _parts() -> Dataset:
    return Dataset.from_examples(
        Example(
            f"{'bad' if bad else 'good'}{seed}",
            ImageSource(f"{bad}{seed}.png", png_of(_part(seed, bad=bad), "")),
            label="scratch" if bad else "ok",
        )
        for bad in (False, True)
        for seed in range(14)
    )


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**20))
def test_masks_survive_the_run(width: int, height: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    kept = {f"傷 {n}": LookedAt(draw.random((height, width + n)) < 0.5, (width * 3 + n, height * 2)) for n in range(3)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "looked_at.npz"
        write_looked_at(path, kept)
        found = read_looked_at(path)
    assert list(found) == list(kept)
    for id, one in kept.items():
        np.testing.assert_array_equal(found[id].mask, one.mask)
        assert found[id].size_wh == one.size_wh


@pytest.mark.parametrize("change", ["bytes", "shapes", "sizes_wh", "masks"])
def test_a_damaged_file_is_refused_by_name(change: str, tmp_path: Path) -> None:
    path = tmp_path / "looked_at.npz"
    write_looked_at(path, {"a": LookedAt(np.ones((9, 9), bool), (18, 18))})
    if change == "bytes":
        path.write_bytes(b"PK damaged")
    else:
        with np.load(path) as saved:
            arrays: dict[str, Any] = dict(saved)
        arrays[change] = {"shapes": np.array([[10**6, 10**6]]), "sizes_wh": np.array([[0, 4]]),
                          "masks": np.zeros(1, np.uint8)}[change]  # fmt: skip
        np.savez(path, **arrays)
    with pytest.raises(RunError, match=r"looked_at\.npz: it holds no masks"):
        read_looked_at(path)
    assert read_looked_at(tmp_path / "none.npz") == read_looked_at(None) == {}


@given(st.integers(0, 90), st.integers(0, 60), st.integers(2, 60), st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_a_region_of_interest_is_what_is_looked_at(x: int, y: int, wide: int, high: int) -> None:
    roi = np.zeros(SIZE[::-1], bool)
    roi[y : y + high, x : x + wide] = True
    roi[y, x] = False  # no rectangle
    if not roi.any():
        return
    found = looked_at(_judge(Framing(roi=roi)), _part(0).convert("RGB"))
    np.testing.assert_array_equal(found, roi)


def test_a_part_that_stands_out_is_what_is_looked_at() -> None:
    judge = _judge(Framing(object="brightness"))
    assert leaves_out(judge)
    found = looked_at(judge, _part(3).convert("RGB"))
    part = np.zeros(SIZE[::-1], bool)
    part[14:59, 18:79] = True
    assert (found & part).sum() > 0.95 * (found | part).sum()
    whole = Image.fromarray(np.full((*SIZE[::-1], 3), 90, np.uint8))
    assert looked_at(judge, whole).all(), "where nothing stands out, all is looked at"
    assert not leaves_out(_judge(None))


def test_of_an_aligned_part_the_mask_lies_where_the_part_does() -> None:
    pytest.importorskip("cv2")
    roi = np.zeros(SIZE[::-1], bool)
    roi[20:50, 30:70] = True
    reference = np.asarray(_part(1))
    moved = Image.fromarray(np.roll(np.asarray(_part(2)), (3, 5), axis=(0, 1))).convert("RGB")
    found = looked_at(_judge(Framing(Alignment(reference), roi)), moved)
    expected = np.roll(roi, (3, 5), axis=(0, 1))
    assert (found & expected).sum() > 0.9 * (found | expected).sum()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of maps by two layers that looks at a region of interest."""
    folder = tmp_path_factory.mktemp("looking")
    roi = Image.new("L", SIZE)
    ImageDraw.Draw(roi).rectangle((20, 16, 76, 56), fill=255)
    roi.save(folder / "roi.png")
    how: dict[str, Any] = {"base": "toy", "layers": (1, 2), "where": "pooled", "roi": str(folder / "roi.png")}
    return train("mahalanobis", out=folder / "run", data="-", dataset=_parts(), **how)


def test_the_report_shows_what_was_looked_at_and_what_the_distance_is_made_of(run: Path, tmp_path: Path) -> None:
    kept = read_looked_at(run / "looked_at.npz")
    assert 10 <= len(kept) <= 14
    for one in kept.values():
        assert one.size_wh == SIZE
        assert one.mask.mean() == pytest.approx(57 * 41 / (96 * 72), abs=0.02)
    for language, title, by_layer in (
        ("en", "What was looked at", r"distance by layer: layer\d\s-?\d+\s%, layer\d"),
        ("ja", "検査した範囲", r"層別の距離の内訳：layer\d"),
        ("zh", "检查的范围", r"距离的各层构成：layer\d"),
    ):
        out: Any = language
        page = write_report(run, tmp_path / f"{language}.html", language=out).read_text("utf-8")
        assert title in page
        section = page.partition(title)[2].partition("</section>")[0]
        assert section.count('<li class="card">') == len(kept)
        assert section.count('href="data:image/png') == len(kept)
        assert re.search(by_layer, page)
        assert re.search(r"layer\d\.\d+\s\d+\s%", page)


def test_of_whole_pictures_there_is_nothing_to_show(tmp_path: Path) -> None:
    run = train("classifier", out=tmp_path / "run", data="-", dataset=_parts(), base="toy", tuning="head")
    assert not (run / "looked_at.npz").exists()
    assert "What was looked at" not in (run / "report.html").read_text("utf-8")
