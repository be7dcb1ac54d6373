"""Framed pictures: aligned, cut to what is looked at, and everything that is found goes back where it lies."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kenpin.data.alignment import Affine, Alignment, NotAlignedError, inverse
from kenpin.data.dataset import Dataset
from kenpin.data.framed_set import framed_set
from kenpin.data.framing import REFERENCE, ROI, Framed, Framing, OtherProportionsError, read_framing
from kenpin.data.images import png_of, read_image
from kenpin.data.object_masks import object_mask, otsu_cut
from kenpin.errors import ImageError, OptionError
from kenpin.masks import Mask
from kenpin.records import Detections, Example, ImageSource
from tests.builders import picture_bytes, write_mask

SIZE = (320, 240)
CORNERS = np.array([(60, 45), (260, 45), (260, 195), (60, 195)], float)


def _part(seed: int) -> Image.Image:
    drawn = Image.new("L", SIZE, 40)
    pen = ImageDraw.Draw(drawn)
    pen.rounded_rectangle((60, 45, 260, 195), 15, fill=170)
    pen.ellipse((90, 70, 130, 110), fill=60)
    pen.ellipse((200, 140, 235, 175), fill=90)
    pen.rectangle((165, 65, 235, 85), fill=120)
    noise = np.random.default_rng(seed).normal(0, 6, SIZE[::-1])
    return Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8))


def _where(angle_degrees: float, right: float, down: float) -> Affine:
    """From the reference to a picture in which the part is turned about the middle, and shifted."""
    cos, sin = np.cos(np.radians(angle_degrees)), np.sin(np.radians(angle_degrees))
    turn, middle = np.array([[cos, -sin], [sin, cos]]), np.array(SIZE) / 2
    return np.column_stack([turn, middle - turn @ middle + (right, down)])


@given(
    st.integers(20, 300), st.integers(20, 300), st.floats(0.3, 4), st.booleans(), st.sampled_from([-1, 0, 1]),
    st.floats(1.15, 3),
)  # fmt: skip
def test_a_region_is_laid_over_pictures_of_its_proportions_alone(
    width: int, height: int, times: float, is_floored: bool, beside: int, other: float
) -> None:
    """Of whole pixels on both sides, however they were rounded."""
    framing = Framing(roi=np.ones((height, width), bool))

    def scaled(side: float) -> int:
        return max(1, int(side) if is_floored else round(side))

    like = scaled(width * times), scaled(height * times)
    framing.of(Image.new("L", like))
    framing.of(Image.new("L", (width + beside, height)))
    for size_wh in ((scaled(width * other) + 2, height), (width, scaled(height * other) + 2)):
        with pytest.raises(
            OtherProportionsError, match=f"it has {size_wh[0]} × {size_wh[1]} pixels.*{width} × {height}"
        ):
            framing.of(Image.new("L", size_wh))


def _moved(image: Image.Image, where: Affine) -> Image.Image:
    back = inverse(where).ravel().tolist()
    return image.transform(image.size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC, fillcolor=40)


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    """Over a part that lies in the middle."""
    return Alignment(np.asarray(_part(0)))


turns, across, along = st.floats(-5, 5), st.floats(-32, 32), st.floats(-24, 24)


@given(turns, across, along, st.integers(1, 1_000))
def test_turns_of_5_degrees_and_shifts_of_a_tenth_are_found_to_a_part_of_a_pixel(
    alignment: Alignment, angle: float, right: float, down: float, seed: int
) -> None:
    where = _where(angle, right, down)
    found = alignment.find(_moved(_part(seed), where))
    apart = (CORNERS @ found[:, :2].T + found[:, 2]) - (CORNERS @ where[:, :2].T + where[:, 2])
    assert np.abs(apart).max() < 0.25


def test_brightness_does_not_move_a_part(alignment: Alignment) -> None:
    where = _where(3, 10, -8)
    darker = _moved(_part(1), where).point(lambda value: 0.5 * value + 20)
    np.testing.assert_allclose(alignment.find(darker), where, atol=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_no_such_part_is_refused(alignment: Alignment, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, SIZE[::-1], np.uint8)
    with pytest.raises(NotAlignedError, match=r"too little like|cannot be brought over"):
        alignment.find(Image.fromarray(noise))
    with pytest.raises(NotAlignedError, match=r"it has 100 × 50 pixels and the reference of the alignment 320 × 240"):
        alignment.find(Image.new("L", (100, 50)))


def test_an_aligned_picture_is_the_reference_again(alignment: Alignment) -> None:
    where = _where(-4, 20, 15)
    framed = Framing(alignment).of(_moved(_part(0), where))
    assert framed.image.size == SIZE
    apart = np.abs(np.asarray(framed.image, float) - np.asarray(_part(0), float))[45:195, 60:260]
    assert apart.mean() < 6, "but for the noise, which two interpolations smooth"


# ---- regions of interest and objects ----


def _roi(size_wh: tuple[int, int] = SIZE) -> Mask:
    """A region of interest with a hole."""
    mask = np.zeros(size_wh[::-1], bool)
    mask[50:190, 70:250] = True
    mask[100:120, 100:140] = False
    return mask


def test_a_region_of_interest_cuts_and_paints() -> None:
    picture = _part(1)
    framed = Framing(roi=_roi()).of(picture)
    pixels, whole = np.asarray(framed.image), np.asarray(picture)[50:190, 70:250]
    inside = _roi()[50:190, 70:250]
    np.testing.assert_array_equal(pixels[inside], whole[inside])
    assert len(np.unique(pixels[~inside])) == 1
    assert abs(float(pixels[~inside].mean()) - whole[inside].mean()) <= 0.5, "as bright as what is looked at"
    np.testing.assert_array_equal(framed.inside, inside)


def test_a_region_of_interest_holds_for_pictures_of_another_size() -> None:
    framing = Framing(roi=_roi())
    assert framing.size_of(SIZE) == (180, 140)
    assert framing.size_of((640, 480)) == (360, 280)
    assert framing.of(_part(1).resize((640, 480))).image.size == (360, 280)
    assert framing.region_of(SIZE) == framing.region_of((640, 480))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_any_region_of_interest_frames_any_picture(seed: int, width: int, height: int) -> None:
    draw = np.random.default_rng(seed)
    roi = draw.random((draw.integers(1, 30), draw.integers(1, 30))) > 0.7
    roi[draw.integers(len(roi)), draw.integers(roi.shape[1])] = True
    framing = Framing(roi=roi)
    picture = Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8))
    try:
        framed = framing.of(picture)
    except OtherProportionsError:
        rows, columns = roi.shape
        # no size in whole pixels, one off at most, has the mask's proportions
        assert abs(width * rows - height * columns) > max(width + height, rows + columns)
        return
    assert framed.image.size == framing.size_of(picture.size)
    x1, y1, x2, y2 = framing.box_px(picture.size)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height


@pytest.mark.parametrize(("part", "around"), [(170, 40), (40, 170)])
def test_an_object_is_told_from_what_surrounds_it_whichever_is_brighter(part: int, around: int) -> None:
    drawn = Image.new("L", SIZE, around)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((80, 50, 240, 200), fill=part)
    truth = np.asarray(drawn) == part
    pen.ellipse((140, 100, 180, 140), fill=around)  # a hole belongs to the part
    pen.rectangle((5, 5, 12, 12), fill=part)  # dirt does not
    noise = np.random.default_rng(0).normal(0, 5, SIZE[::-1])
    found = object_mask(Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8)))
    assert found is not None
    assert (found & truth).sum() / (found | truth).sum() > 0.97
    painted = np.asarray(Framing(object="brightness").of(drawn).image)
    assert len(np.unique(painted[0])) == 1


def test_a_picture_without_surroundings_is_looked_at_as_a_whole() -> None:
    assert object_mask(Image.new("L", (40, 30), 128)) is None
    framed = Framing(object="brightness").of(Image.new("L", (40, 30), 128))
    assert framed.inside is None


@given(st.integers(1, 254), st.integers(1, 200), st.integers(1, 200))
def test_the_cut_lies_between_two_kinds_of_grey(low: int, dark: int, light: int) -> None:
    high = min(255, low + 40)
    values = np.array([low] * dark + [high] * light, np.uint8)
    assert low <= otsu_cut(values)[0] < high


# ---- back into the picture ----


@given(turns, across, along, st.integers(0, 2**32 - 1))
def test_a_map_keeps_its_highest_number_and_shows_it_where_it_lies_in_the_picture(
    angle: float, right: float, down: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    grid = draw.random((12, 16), np.float32)
    row, column = draw.integers(4, 8), draw.integers(5, 11)
    grid[row, column] = 9
    where = _where(angle, right, down)
    framing = Framing(Alignment(np.asarray(_part(0))))
    found = framing.map_in_picture(grid, Framed(Image.new("L", SIZE), where), SIZE)
    assert found.shape == (12, 16)
    assert found.max() == 9
    at = np.array(np.unravel_index(found.argmax(), found.shape)[::-1]) * 20 + 10
    truth = where[:, :2] @ (np.array((column, row)) * 20 + 10) + where[:, 2]
    assert np.abs(at - truth).max() <= 10 + 1e-6, "within its cell"


def test_cells_outside_of_what_is_looked_at_are_nothing() -> None:
    framing = Framing(roi=_roi())
    framed = framing.of(_part(1))
    grid = np.ones((14, 18), np.float32)  # cells of 10 pixels
    found = framing.map_in_picture(grid, framed, SIZE)
    assert found.shape == grid.shape
    assert (found[5:7, 3:7] == 0).all(), "the hole"
    assert found.sum() == grid.size - 8
    np.testing.assert_allclose(framing.region_of(SIZE), (70 / 320, 50 / 240, 250 / 320, 190 / 240))


@given(turns, across, along)
def test_boxes_go_into_the_frame_and_back_around_themselves(angle: float, right: float, down: float) -> None:
    framing = Framing(Alignment(np.asarray(_part(0))))
    framed = Framed(Image.new("L", SIZE), _where(angle, right, down))
    box = (140.0, 100.0, 170.0, 125.0)
    (there,) = framing.boxes_in_frame([box], framed)
    (back,) = framing.boxes_in_picture([there], framed, SIZE)
    assert back[0] <= box[0] + 1e-6 <= box[2] <= back[2] + 1e-6
    assert back[1] <= box[1] + 1e-6 <= box[3] <= back[3] + 1e-6
    assert np.abs(np.subtract(back, box)).max() < 6, "around it, and not far from it"


# ---- data sets ----


def _pictures() -> Dataset:
    parts = [_moved(_part(n), _where(*moved)) for n, moved in enumerate([(3, 12, -9), (-2, -20, 4)])]
    boxes = Detections(((140.0, 100.0, 170.0, 125.0), (0.0, 0.0, 3.0, 3.0)), ("a", "b"))
    return Dataset.from_examples(
        Example(f"p{n}", ImageSource(f"p{n}.png", png_of(one, "p")), label="ok", boxes=boxes)
        for n, one in enumerate(parts)
    )


def test_a_framed_data_set_gives_framed_pictures_with_contents_of_their_own(alignment: Alignment) -> None:
    pictures, framing = _pictures(), Framing(alignment, _roi())
    framed, opener = framed_set(pictures, framing)
    for one, whole in zip(framed, pictures, strict=True):
        expected = framing.of(read_image(whole.image).convert("L"))
        seen = read_image(framed.source_of(one))
        np.testing.assert_array_equal(np.asarray(seen.convert("L")), np.asarray(expected.image))
        assert (one.label, one.size_wh) == (whole.label, (180, 140))
        np.testing.assert_allclose(opener.framed(one).to_picture, expected.to_picture)
    other, _ = framed_set(pictures, Framing(roi=_roi()))
    assert len({*framed.contents(), *other.contents(), *pictures.contents()}) == 6
    known, _ = framed_set(pictures, framing)  # whose hashes are known by now
    assert known.hashed() == framed.contents() == [framed.read_once(one).content for one in framed]
    elsewhere = pickle.loads(pickle.dumps(framed))
    assert [elsewhere.source_of(one) for one in framed] == [framed.source_of(one) for one in framed]


def test_marks_move_with_the_part_and_those_outside_are_left(alignment: Alignment, tmp_path: Path) -> None:
    pictures, framing = _pictures(), Framing(alignment, _roi())
    framed, opener = framed_set(pictures, framing, annotated=True)
    for one, whole in zip(framed, pictures, strict=True):
        assert one.boxes is not None
        assert whole.boxes is not None
        assert one.boxes.labels == ("a",)
        (expected,) = framing.boxes_in_frame(whole.boxes.boxes_xyxy_px[:1], opener.framed(one))
        assert one.boxes.boxes_xyxy_px == (expected,)
    mask = write_mask(tmp_path / "m.png", ((140, 100, 170, 125), (0, 0, 3, 3)), size_wh=SIZE)
    masked = Dataset.from_examples([Example("m", pictures[0].image, label="scratch", mask=str(mask))])
    (one,), opener = framed_set(masked, framing, annotated=True)
    assert one.boxes is not None
    (box,) = one.boxes.boxes_xyxy_px
    (expected,) = framing.boxes_in_frame([(140.0, 100.0, 170.0, 125.0)], opener.framed(one))
    assert np.abs(np.subtract(box, expected)).max() <= 1.5
    assert one.boxes.labels == ("scratch",)


def test_a_picture_that_cannot_be_aligned_is_an_error_of_that_picture(alignment: Alignment) -> None:
    noise = Example("n", ImageSource("noise.png", picture_bytes(1, size_wh=SIZE)))
    framed, _ = framed_set(Dataset.from_examples([noise]), Framing(alignment))
    with pytest.raises(ImageError, match=r"noise\.png: it .* Leave it out, or align to a picture that it is like"):
        framed.source_of(framed[0])


def test_what_was_named_is_kept_and_read_again(alignment: Alignment, tmp_path: Path) -> None:
    framing = Framing(alignment, _roi(), "brightness")
    framing.write(tmp_path)
    again = read_framing(tmp_path / REFERENCE, tmp_path / ROI, "brightness")
    assert again is not None
    assert again.key == framing.key
    others = [Framing(alignment), Framing(roi=_roi()), Framing(object="brightness"), Framing(roi=~_roi())]
    assert len({framing.key, *(other.key for other in others)}) == 5
    assert read_framing(None, None, "none") is None
    black: NDArray[np.uint8] = np.zeros((4, 4), np.uint8)
    Image.fromarray(black).save(tmp_path / "black.png")
    with pytest.raises(OptionError, match="is black all over; paint white what is to be looked at"):
        read_framing(None, tmp_path / "black.png", "none")
