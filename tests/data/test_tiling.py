"""Tiles cover a picture, are cut from its very pixels, and hold what is annotated within them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.data.tiles_to_learn import tiles_to_learn
from kenpin.data.tiling import Tiling, blend, sizes_of, tile_of, tiles_of
from kenpin.errors import DatasetError, ImageError, ShapeError
from kenpin.masks import mask_of, outline_of
from kenpin.records import Detections, Example, ImageSource
from kenpin.targets import Target
from tests.builders import picture_bytes, write_mask, write_picture

tilings = st.builds(
    lambda units, unit, overlap: Tiling(units * unit, overlap, unit),
    st.integers(1, 9),
    st.integers(1, 16),
    st.floats(0, 0.75),
)
sides = st.integers(1, 400)


@given(tilings, sides)
def test_tiles_cover_a_side_and_reach_beyond_it_by_less_than_a_unit(tiling: Tiling, side: int) -> None:
    starts = tiling.starts(side)
    assert starts[0] == 0
    assert all(start % tiling.unit_px == 0 for start in starts)
    assert starts[-1] + tiling.tile_px >= side
    if side >= tiling.tile_px:
        assert starts[-1] + tiling.tile_px - side < tiling.unit_px
    else:
        assert starts == (0,)


@given(tilings, sides)
def test_neighbours_overlap_by_no_less_than_was_asked(tiling: Tiling, side: int) -> None:
    gaps = np.diff(tiling.starts(side))
    # a tile that is one unit wide cannot overlap by whole units
    allowed = max(tiling.unit_px, tiling.tile_px * (1 - tiling.overlap) + 1e-9)
    assert (gaps > 0).all()
    assert (gaps <= allowed).all()


@given(tilings, sides)
def test_every_place_has_weight(tiling: Tiling, side: int) -> None:
    at: NDArray[np.float64] = np.arange(side, dtype=float) + 0.5
    total = np.sum([blend(tiling, at, start, side) for start in tiling.starts(side)], axis=0)
    assert (total > 0).all()


def test_two_tiles_side_by_side_fade_into_one_another() -> None:
    tiling = Tiling(64, 0.25)
    at: NDArray[np.float64] = np.arange(112, dtype=float) + 0.5
    first, second = (blend(tiling, at, start, 112) for start in tiling.starts(112))
    np.testing.assert_allclose(first + second, 1, atol=1e-5)
    assert (first[:48] == 1).all(), "the picture's own edge is no seam"
    assert (second[48:52] < 1e-3).all(), "what lies at the edge of a tile is left to its neighbour"


def test_tiles_without_a_step_are_refused() -> None:
    several: list[dict[str, Any]] = [{"tile_px": 0}, {"tile_px": 8, "overlap": 1.0}, {"tile_px": 8, "unit_px": 9}]
    for wrong in several:
        with pytest.raises(ShapeError, match="cover no picture"):
            Tiling(**wrong)


def _pictures(*sizes: tuple[int, int], mode: str = "RGB") -> Dataset:
    return Dataset.from_examples(
        Example(f"part{n}", ImageSource(f"part{n}.png", picture_bytes(n, size_wh=size, mode=mode)), label="ok")
        for n, size in enumerate(sizes)
    )


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_tile_holds_the_pixels_of_its_picture_and_beyond_it_its_edge(mode: str) -> None:
    pictures, tiling = _pictures((50, 40), (20, 70), mode=mode), Tiling(24, 0.25, 4)
    tiles = tiles_of(pictures, sizes_of(pictures), tiling)
    assert len(set(tiles.column("id"))) == len(tiles)
    for tile in tiles:
        whole = np.asarray(read_image(pictures[tile_of(tile).row].image))
        x, y = tile_of(tile).at_xy
        wide = np.pad(whole, ((0, 24), (0, 24), (0, 0)), mode="edge")
        np.testing.assert_array_equal(np.asarray(read_image(tiles.source_of(tile))), wide[y : y + 24, x : x + 24])
        assert tile.size_wh == (24, 24)


def test_contents_tell_tiles_apart_and_are_the_same_at_every_look() -> None:
    pictures, tiling = _pictures((50, 40), (50, 40)), Tiling(24)
    of_both = tiles_of(pictures, sizes_of(pictures), tiling).contents()
    assert len(set(of_both)) == len(of_both)
    pictures.contents()  # known hashes give the same
    again = tiles_of(pictures, sizes_of(pictures), tiling)
    assert again.hashed() == of_both
    assert [again.read_once(tile).content for tile in again] == of_both
    other = tiles_of(pictures, sizes_of(pictures), Tiling(25)).contents()
    assert not set(other) & set(of_both)


def test_a_tile_never_stands_for_its_picture() -> None:
    pictures = _pictures((50, 40))
    (tile, *_) = tiles_of(pictures, sizes_of(pictures), Tiling(24))
    with pytest.raises(ImageError):
        read_image(tile.image)


def test_tiles_go_to_other_processes() -> None:
    pictures = _pictures((50, 40))
    tiles = tiles_of(pictures, sizes_of(pictures), Tiling(24))
    elsewhere = pickle.loads(pickle.dumps(tiles))
    for tile in tiles:
        assert elsewhere.source_of(tile) == tiles.source_of(tile)


def test_a_picture_that_is_damaged_says_so_for_each_of_its_tiles(tmp_path: Path) -> None:
    file = write_picture(tmp_path / "a.png", 1, size_wh=(50, 40))
    file.write_bytes(file.read_bytes()[:200])
    pictures = Dataset.from_examples([Example("a", ImageSource(str(file)), size_wh=(50, 40))])
    tiles = tiles_of(pictures, [(50, 40)], Tiling(24))
    for tile in tiles:
        with pytest.raises(ImageError, match=r"a\.png"):
            tiles.source_of(tile)


def test_a_defective_picture_gives_defective_and_good_tiles_by_its_boxes() -> None:
    boxes = Detections(((30.0, 8.0, 40.0, 14.0),), ("scratch",))
    bad = Example("bad", ImageSource("b.png", picture_bytes(1, size_wh=(60, 20))), label="scratch", boxes=boxes)
    good = Example("good", ImageSource("g.png", picture_bytes(2, size_wh=(60, 20))), label="ok")
    tiling = Tiling(20, 0)
    tiles = tiles_to_learn(Dataset.from_examples([bad, good]), Target.LABEL, tiling, ("ok",))
    assert [(tile_of(tile).row, tile_of(tile).at_xy[0], tile.label) for tile in tiles] == [
        (0, 0, "ok"), (0, 20, "scratch"), (0, 40, "ok"), (1, 0, "ok"), (1, 20, "ok"), (1, 40, "ok"),
    ]  # fmt: skip
    # nobody says of a tile that shows a sliver whether it is good
    sliver = Example("bad", bad.image, label="scratch", boxes=Detections(((30.0, 8.0, 42.0, 14.0),), ("scratch",)))
    tiles = tiles_to_learn(Dataset.from_examples([sliver]), Target.LABEL, tiling, ("ok",))
    assert [(tile_of(tile).at_xy[0], tile.label) for tile in tiles] == [(0, "ok"), (20, "scratch")]


def test_a_mask_tells_the_same_as_boxes(tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png", 1, size_wh=(60, 20))
    mask = write_mask(tmp_path / "m.png", ((30, 8, 40, 14),), size_wh=(60, 20))
    bad = Example("bad", ImageSource(str(picture)), label="scratch", mask=str(mask))
    tiles = tiles_to_learn(Dataset.from_examples([bad]), Target.LABEL, Tiling(20, 0), ("ok",))
    assert tiles.column("label") == ["ok", "scratch", "ok"]
    other = write_mask(tmp_path / "n.png", ((3, 8, 4, 14),), size_wh=(20, 20))
    with pytest.raises(DatasetError, match=r"n\.png: the mask has 20 × 20"):
        tiles_to_learn(
            Dataset.from_examples([Example("bad", bad.image, label="scratch", mask=str(other))]),
            Target.LABEL,
            Tiling(20, 0),
            ("ok",),
        )


def test_a_defect_that_nobody_marked_cannot_be_learned_from_tiles(parts: Path) -> None:
    pictures = load_dataset(parts)
    with pytest.raises(DatasetError, match=r"nothing marks the defect.*give it boxes or a mask, or train mahalanobis"):
        tiles_to_learn(pictures, Target.LABEL, Tiling(32), ("ok",))
    with pytest.raises(DatasetError, match="no class is that of good parts"):
        tiles_to_learn(pictures, Target.LABEL, Tiling(32), ())
    good = tiles_to_learn(pictures, Target.LABEL, Tiling(32), ("ok",), good_alone=True)
    assert set(good.column("label")) == {"ok"}


@given(st.integers(0, 2**32 - 1))
def test_boxes_and_outlines_of_tiles_lie_where_those_of_the_picture_do(seed: int) -> None:
    draw = np.random.default_rng(seed)
    size_wh, tiling = (90, 70), Tiling(40, 0.25)
    masks = np.zeros((3, 70, 90), bool)
    for mask in masks:
        left, top = draw.integers(0, 80), draw.integers(0, 60)
        mask[top : top + draw.integers(2, 30), left : left + draw.integers(2, 30)] = True
    outlines = tuple(map(outline_of, masks))
    boxes = Detections(
        tuple(one.box_xyxy_px for one in outlines), ("a", "b", "c"), outlines=outlines, crowd=(False, True, False)
    )
    picture = Example("p", ImageSource("p.png", picture_bytes(1, size_wh=size_wh)), boxes=boxes)
    tiles = tiles_to_learn(Dataset.from_examples([picture]), Target.BOXES, tiling, ())
    shown = 0
    for tile in tiles:
        x, y = tile_of(tile).at_xy
        assert tile.boxes is not None
        for box, label, outline in zip(
            tile.boxes.boxes_xyxy_px, tile.boxes.labels, tile.boxes.outlines or (), strict=True
        ):
            mask = masks["abc".index(label)]
            cut = np.zeros((40, 40), bool)
            cut[: min(40, 70 - y), : min(40, 90 - x)] = mask[y : y + 40, x : x + 40]
            assert outline is not None
            np.testing.assert_array_equal(mask_of(outline, (40, 40)), cut)
            np.testing.assert_allclose(box, outline.box_xyxy_px)
            shown += 1
    assert shown >= 3, "each is shown by some tile"
    empty = sum(not tile.boxes for tile in tiles)
    assert empty <= max(1, len(tiles) - empty)


def test_a_picture_of_16_bits_gives_tiles_of_its_displayed_pixels(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (40, 50), np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pictures = Dataset.from_examples([Example("d", ImageSource(str(tmp_path / "deep.png")))])
    (tile, *_) = tiles = tiles_of(pictures, sizes_of(pictures), Tiling(24))
    whole = np.asarray(read_image(pictures[0].image))
    np.testing.assert_array_equal(np.asarray(read_image(tiles.source_of(tile))), whole[:24, :24])
