"""Made defects: the mask says which pixels changed, on the object alone, and the same seed makes the same defect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from kenpin.data.images import png_of, read_grey_or_rgb
from kenpin.data.made_defects import KINDS, SIZES, Kind, make_defect
from kenpin.data.object_masks import object_mask, otsu_cut
from kenpin.errors import ShapeError
from kenpin.masks import Mask
from kenpin.records import ImageSource
from tests.pictures import part

KIND = st.sampled_from(KINDS)
SEED = st.integers(0, 2**32 - 1)


@st.composite
def pictures(draw: st.DrawFn) -> Image.Image:
    """Any size and mode: of one colour, of noise, and an object before a background."""
    width, height = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    mode, look = draw(st.sampled_from(["L", "RGB"])), draw(st.sampled_from(["plain", "noise", "object"]))
    rng = np.random.default_rng(draw(SEED))
    values = np.full((height, width), float(draw(st.integers(0, 255))))
    if look != "plain":
        values = rng.normal(draw(st.integers(0, 255)), draw(st.integers(1, 60)), (height, width))
    if look == "object":
        values[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None] += 120
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert(mode)


def _object(picture: Image.Image) -> Mask:
    """The object as defects are made on it; all of a picture that the part fills."""
    found = object_mask(picture, least=0.2, with_holes=False)
    return np.ones((picture.height, picture.width), bool) if found is None else found


@settings(max_examples=150, deadline=None)
@given(pictures(), KIND, SEED)
def test_the_mask_says_which_pixels_changed_and_all_are_of_the_object(
    picture: Image.Image, kind: Kind, seed: int
) -> None:
    before = np.asarray(picture).copy()
    made = make_defect(picture, kind, seed)
    assert (made.picture.size, made.picture.mode) == (picture.size, picture.mode)
    assert (np.asarray(picture) == before).all(), "the picture itself stays what it was"
    differs = np.asarray(made.picture) != before
    assert (made.mask == (differs if differs.ndim == 2 else differs.any(axis=2))).all()
    assert made.mask.any()
    assert not (made.mask & ~_object(picture)).any()


@settings(max_examples=40, deadline=None)
@given(pictures(), pictures(), KIND, SEED)
def test_the_same_seed_makes_the_same_defect(picture: Image.Image, source: Image.Image, kind: Kind, seed: int) -> None:
    first, second = (make_defect(picture, kind, seed, source=source).picture for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_other_seeds_make_others(kind: Kind) -> None:
    picture = part(1, scratched=False)
    assert len({make_defect(picture, kind, seed).mask.tobytes() for seed in range(20)}) > 15


def large(seed: int) -> Image.Image:
    """A grey disc with a bore before black, 600 × 400 pixels, its brightness with a spread of about 12."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (600, 400), 10)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((130, 20, 490, 380), fill=150)
    draw.ellipse((270, 160, 350, 240), fill=10)
    noisy = np.asarray(picture) + rng.normal(0, 3, (400, 600)) + 12 * np.sin(np.arange(600) / 40)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_shares_of_the_shorter_side(kind: Kind) -> None:
    """Of a blob the equal circle's diameter stays below the largest; a line is longer than wide."""
    side = 400
    for seed in range(40):
        mask = make_defect(large(seed), kind, seed).mask
        rows, columns = np.nonzero(mask)
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert extent <= (1.7 * SIZES[kind][1] + 0.03) * side
        if kind == "scratch":
            assert mask.sum() < 0.02 * side * (SIZES[kind][1] * side), "it is thin"
        else:
            assert (4 * mask.sum() / np.pi) ** 0.5 <= 1.35 * SIZES[kind][1] * side


@pytest.mark.parametrize("kind", KINDS)
def test_defects_are_neither_invisible_nor_absurd(kind: Kind) -> None:
    """Where a defect is, brightness differs by about as much as the object's own, and never from black to white."""
    steps = []
    for seed in range(40):
        picture = large(seed)
        made = make_defect(picture, kind, seed)
        change = np.abs(np.asarray(made.picture, float) - np.asarray(picture, float))[made.mask]
        steps.append(float(np.percentile(change, 90)))
    assert np.median(steps) >= 8
    assert max(steps) <= 160
    assert np.mean(np.array(steps) < 4) <= 0.1


def test_a_missing_piece_shows_what_surrounds_the_object() -> None:
    for seed in range(10):
        made = make_defect(large(seed), "missing", seed)
        values = np.asarray(made.picture)[made.mask]
        assert np.percentile(values, 10) < 40, "as dark as the background, and at its edge in between"


def test_a_patch_is_cut_from_the_object_of_its_source() -> None:
    """Red cannot come from a grey picture, nor the source's blue background with it."""
    picture = Image.fromarray(np.full((120, 120, 3), 128, np.uint8))
    source = Image.new("RGB", (160, 160), (0, 0, 255))
    ImageDraw.Draw(source).rectangle((20, 20, 139, 139), fill=(200, 40, 40))
    for seed in range(10):
        made = make_defect(picture, "patch", seed, source=source)
        red, _, blue = np.asarray(made.picture, int)[made.mask].T
        assert (red - blue).max() > 60
        assert (blue - red).max() <= 1


def test_the_object_is_what_does_not_touch_the_border() -> None:
    mask = _object(large(0))
    assert mask[200, 150]
    assert mask[60, 310]
    assert not mask[:5].any()
    assert not mask[200, 310], "the bore shows the background"
    assert abs(mask.sum() / (np.pi * (180**2 - 40**2)) - 1) < 0.05


@pytest.mark.parametrize("picture", [part(0, scratched=False), Image.new("L", (7, 3), 90), Image.new("RGB", (1, 1))])
def test_where_brightness_says_nothing_the_whole_picture_counts(picture: Image.Image) -> None:
    assert _object(picture).all()


def test_a_bore_is_no_object() -> None:
    picture = Image.new("L", (300, 300), 180)
    ImageDraw.Draw(picture).ellipse((110, 110, 190, 190), fill=20)
    assert _object(picture).all()


@given(st.lists(st.integers(0, 255), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1))
def test_otsu_leaves_the_least_variance_within_both_sides(values: list[int]) -> None:
    """Against every other cut, by the variances themselves."""
    grey = np.array(values, np.uint8)[None]
    cut, apart = otsu_cut(grey)

    def within(at: int) -> float:
        sides = [grey[grey <= at], grey[grey > at]]
        return float(sum(side.var() * side.size for side in sides if side.size) / grey.size)

    assert within(cut) <= min(within(at) for at in range(255)) + 1e-9
    assert apart == pytest.approx(1 - within(cut) / grey.var(), abs=1e-9)


def test_the_pixels_survive_a_file() -> None:
    """A copy goes to the predictor as PNG bytes: what no defect touches is what it was."""
    picture = part(3, scratched=False).convert("L")
    made = make_defect(picture, "spot", 5)
    read = read_grey_or_rgb(ImageSource("copy.png", png_of(made.picture, "copy.png")))
    assert ((np.asarray(read) != np.asarray(picture)) == made.mask).all()


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "spot"), ("1", "patch"), ("L", "dent")])
def test_other_modes_and_kinds_are_refused(mode: str, kind: str) -> None:
    with pytest.raises(ShapeError, match=f"mode {mode}" if kind != "dent" else "'dent'"):
        make_defect(Image.new(mode, (20, 20)), kind, 0)  # type: ignore[arg-type]
