"""Pictures that were taken otherwise than the rest: each is found alone, and none where the product looks so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from kenpin.data.doctor import examine

Distortion = Callable[[Image.Image], Image.Image]


def part(seed: int) -> Image.Image:
    """A grey part with texture, a little different each time."""
    rng = np.random.default_rng(seed)
    base = rng.normal(120 + rng.uniform(-8, 8), 18, (90, 120))
    base[30:60, 40:80] += 60
    return Image.fromarray(base.clip(0, 255).astype(np.uint8)).convert("RGB")


def _tinted(picture: Image.Image) -> Image.Image:
    red, green, blue = picture.split()
    return Image.merge("RGB", (red.point(lambda v: min(255, v + 60)), green, blue.point(lambda v: v // 2)))


DISTORTIONS: dict[str, Distortion] = {
    "image-dark": lambda picture: picture.point(lambda v: v // 6),
    "image-bright": lambda picture: picture.point(lambda v: 220 + v // 8),
    "image-flat": lambda picture: Image.new("RGB", picture.size, (120, 120, 120)),
    "image-blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "image-odd-shape": lambda picture: picture.crop((0, 0, 60, 90)),
    "image-odd-colour": _tinted,
}


def _folder(folder: Path, distortion: Distortion | None, odd: range, count: int = 40) -> Path:
    folder.joinpath("ok").mkdir(parents=True)
    for number in range(count):
        picture = part(number)
        if distortion is not None and number in odd:
            picture = distortion(picture)
        picture.save(folder / "ok" / f"{number:02d}.png")
    return folder


def _quality(folder: Path) -> dict[str, tuple[str, ...]]:
    codes = {*DISTORTIONS}
    return {finding.code: finding.pictures for finding in examine(folder).findings if finding.code in codes}


@pytest.mark.parametrize("code", DISTORTIONS)
def test_an_odd_picture_is_found_and_no_other(tmp_path: Path, code: str) -> None:
    assert _quality(_folder(tmp_path / "data", DISTORTIONS[code], range(7, 8))) == {code: ("ok/07.png",)}


@pytest.mark.parametrize("code", DISTORTIONS)
def test_what_many_pictures_are_is_how_the_product_looks(tmp_path: Path, code: str) -> None:
    assert code not in _quality(_folder(tmp_path / "data", DISTORTIONS[code], range(20)))


def test_sound_pictures_are_left_alone(tmp_path: Path) -> None:
    assert not _quality(_folder(tmp_path / "data", None, range(0)))
    assert not _quality(_folder(tmp_path / "few", DISTORTIONS["image-dark"], range(1), count=4))
