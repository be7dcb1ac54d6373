"""Drawn boxes lie where they should, labels of any script are readable and in the frame, fonts are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kenpin.drawing import _fonts, caption, draw_detections, draw_prediction, font_note, with_banner
from kenpin.drawing._lettering import Lettering
from kenpin.errors import MissingExtraError
from kenpin.masks import outline_of
from kenpin.outlines import Outline
from kenpin.records import Box, Detections, Judgement, Prediction, Verdict

GREY = (90, 90, 90)
AMBER, SKY = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)
"""Colours of the first and the second class."""
MIXED = "Riss 傷 불량 عيب"


def plain(size_wh: tuple[int, int] = (640, 480)) -> Image.Image:
    return Image.new("RGB", size_wh, GREY)


def one(box: Box, label: str = "x", score: float | None = None) -> Detections:
    return Detections((box,), (label,), None if score is None else (score,))


def pixels_of(picture: Image.Image, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """(h, w): where the picture has this colour."""
    same: NDArray[np.bool_] = (np.asarray(picture) == colour).all(2)
    return same


def label_width(picture: Image.Image) -> int:
    """Width of the widest unbroken line of amber: a label's upper or lower margin, where it is whole."""
    return max(sum(1 for _ in run) for row in pixels_of(picture, AMBER) for filled, run in groupby(row) if filled)


def label_height(picture: Image.Image) -> int:
    """Height of the highest unbroken column of amber: a label's side margin, where it is whole."""
    return label_width(picture.transpose(Image.Transpose.TRANSPOSE))


def test_lines_lie_on_the_box_and_nowhere_else() -> None:
    drawn = draw_detections(plain(), one((100, 200, 300, 400)), labels=["x"])
    amber = pixels_of(drawn, AMBER)
    assert amber[200:400, 100].all()
    assert amber[200:400, 300].all()
    assert amber[400, 100:300].all()
    untouched = pixels_of(drawn, GREY)
    assert untouched[210:390, 110:290].all()
    assert untouched[:, 310:].all()
    assert untouched[410:].all()


def test_an_outline_is_drawn_in_place_of_its_box() -> None:
    square = Outline(((100, 200, 300, 200, 300, 400, 100, 400),))
    diamond = Outline(((200, 200, 300, 300, 200, 400, 100, 300),))
    mask = np.zeros((480, 640), bool)
    mask[200:400, 100:300] = True
    for outline, is_square in ((square, True), (outline_of(mask), True), (diamond, False)):
        drawn = draw_detections(plain(), replace(one((100, 200, 300, 400)), outlines=(outline,)), labels=["x"])
        amber = pixels_of(drawn, AMBER)
        assert amber[230:280, 98:103].any(axis=1).all() == is_square, "the left side of the box"
        assert amber[345:355, 148:152].any() != is_square, "a side of the diamond"
        assert not amber[:, :90].any()
    other_size = replace(one((100, 200, 300, 400)), outlines=(outline_of(mask[:100]),))
    drawn = draw_detections(plain(), other_size, labels=["x"])
    assert pixels_of(drawn, AMBER)[230:280, 98:103].any(axis=1).all(), "of a mask that does not fit, the box is drawn"


@pytest.mark.parametrize(("size_wh", "factor"), [((40, 30), 12), ((480, 200), 1), ((4000, 3000), 1)])
def test_small_pictures_are_enlarged_with_their_boxes(size_wh: tuple[int, int], factor: int) -> None:
    width, height = size_wh
    drawn = draw_detections(plain(size_wh), one((width / 4, height / 2, width * 0.75, height)), labels=["x"])
    assert drawn.size == (width * factor, height * factor)
    amber = pixels_of(drawn, AMBER)
    left, right = (round(width * factor * share) for share in (0.25, 0.75))
    assert amber[round(0.75 * drawn.height), [left, right]].all()
    assert not amber[round(0.75 * drawn.height), left + 20 : right - 20].any()


def test_enlarged_pixels_stay_squares() -> None:
    picture = plain((40, 40))
    picture.putpixel((20, 20), (255, 255, 255))
    white = pixels_of(draw_detections(picture, Detections()), (255, 255, 255))
    assert white[240:252, 240:252].all()
    assert white.sum() == 12 * 12


def test_a_picture_is_shrunk_where_asked() -> None:
    assert draw_detections(plain((4000, 3000)), Detections(), longest_px=800).size == (800, 600)
    assert draw_detections(plain((600, 500)), Detections(), longest_px=800).size == (600, 500)
    assert draw_detections(plain((40, 40)), Detections(), longest_px=200).size == (200, 200)


def test_a_box_that_fills_the_picture_is_seen_on_all_four_sides() -> None:
    amber = pixels_of(draw_detections(plain(), one((0, 0, 640, 480)), labels=["x"]), AMBER)
    for side in (amber[:4], amber[-4:], amber[:, :4].T, amber[:, -4:].T):
        assert (side[:, 60:-60].sum(0) >= 2).all()


@settings(max_examples=40)
@given(
    size_wh=st.tuples(st.integers(200, 700), st.integers(100, 700)),
    corner=st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)),
)
@example(size_wh=(640, 480), corner=(1.0, 1.0))
@example(size_wh=(640, 480), corner=(0.99, 0.0))
def test_a_label_is_always_whole(size_wh: tuple[int, int], corner: tuple[float, float]) -> None:
    x, y = corner[0] * size_wh[0], corner[1] * size_wh[1]
    label = "solder-bridge 傷"
    elsewhere = draw_detections(plain(size_wh), one((x, y, x, y), label, 0.5), labels=[label])
    x, y = size_wh[0] / 3, size_wh[1] / 2
    amid = draw_detections(plain(size_wh), one((x, y, x, y), label, 0.5), labels=[label])
    # a line of the box may lengthen a margin of the label
    assert label_width(elsewhere) == pytest.approx(label_width(amid), abs=4)
    assert label_height(elsewhere) == pytest.approx(label_height(amid), abs=4)


def test_a_label_too_long_for_the_picture_keeps_its_ends_and_its_score() -> None:
    label = "12 bridge between pin 3 and " + 20 * "the pin after that and " + "pin 4"
    drawn = draw_detections(plain(), one((600, 100, 630, 130), label, 0.5), labels=[label])
    assert 560 <= label_width(drawn) <= 640
    for text, score in ((label.replace("12", "21"), 0.5), (label, 0.9)):  # as long as what was drawn
        assert drawn != draw_detections(plain(), one((600, 100, 630, 130), text, score), labels=[text])
    line = Lettering([label], 15).fitted(label, " 0.50", 300)
    assert line.startswith("12 bridge")
    assert line.endswith("pin 4 0.50")


@settings(max_examples=60)
@given(text=st.text(max_size=60), widest=st.integers(60, 400))
def test_fitted_text_fits_in_one_line(text: str, widest: int) -> None:
    font = Lettering([text], 15)
    line = font.fitted(text, " 0.50", widest)
    assert font.getlength(line) <= widest
    assert line.endswith(" 0.50")
    assert len(line.splitlines()) == 1
    # as much of it as fits, and no less
    assert "…" in line or len(line) == len(text) + 5


def test_a_score_is_shown_where_there_is_one() -> None:
    with_score = draw_detections(plain(), one((100, 200, 110, 220), "x", 0.87), labels=["x"])
    without = draw_detections(plain(), one((100, 200, 110, 220), "x"), labels=["x"])
    font = Lettering(["x 0.87"], 15)
    assert label_width(with_score) - label_width(without) == pytest.approx(font.getlength(" 0.87"), abs=2)


def test_each_class_has_its_colour_whatever_else_is_in_the_picture() -> None:
    boxes: tuple[Box, ...] = ((50, 50, 150, 150), (300, 300, 400, 400))
    labels = ["傷", "scratch-dent"]
    both = draw_detections(plain(), Detections(boxes, ("scratch-dent", "傷")), labels=labels)
    alone = draw_detections(plain(), Detections(boxes[1:], ("傷",)), labels=labels)
    for drawn in (both, alone):
        assert pixels_of(drawn, AMBER)[400, 300:400].all()
    assert pixels_of(both, SKY)[150, 50:150].all()
    unlisted = draw_detections(plain(), one((50, 50, 150, 150), "other"))
    assert unlisted == draw_detections(plain(), one((50, 50, 150, 150), "other"), labels=labels)


def test_labels_of_boxes_at_one_place_do_not_cover_each_other() -> None:
    box: Box = (200, 200, 400, 400)
    drawn = draw_detections(plain(), Detections((box, box), ("a label", "a label")), labels=["a label"])
    alone = draw_detections(plain(), one(box, "a label"), labels=["a label"])
    assert pixels_of(drawn, AMBER).sum() > 1.2 * pixels_of(alone, AMBER).sum()


@pytest.mark.parametrize("text", ["scratch", "傷", "ひび割れ", "불량", "عيب", "трещина"])
def test_scripts_are_written_with_letters_of_their_own(text: str) -> None:
    if (note := font_note([text])) is not None:
        pytest.skip(note)
    font = Lettering([text], 40)
    missing = "\u0378" * len(text)  # a code point that is no character
    letters, rectangles = (bytes(font.getmask(written)) for written in (text, missing))
    assert any(letters)
    assert letters != rectangles


def test_scripts_mix_in_a_line_in_the_order_they_are_written() -> None:
    if (note := font_note([MIXED])) is not None:
        pytest.skip(note)
    font = Lettering([MIXED], 30)
    assert font.getlength(MIXED) == pytest.approx(sum(font.getlength(word) for word in MIXED.split(" ")), rel=0.3)
    # the line begins with its first word and not, as a line of Arabic would, with its last
    width = int(font.getlength("عيب"))
    whole, first = (ink(font, text) for text in ("عيب\u200e 0.50", "عيب"))
    assert (whole[:, : width - 2] == first[:, : width - 2]).all()


def ink(font: Lettering, text: str) -> NDArray[np.uint8]:
    mask = font.getmask(text)
    return np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[1], mask.size[0])


def test_every_line_of_a_font_is_equally_high() -> None:
    font = Lettering(["acne", "Åg", "傷"], 20)
    assert len({font.getbbox(text)[3] for text in ("a", "Åg", "傷", "acne")}) == 1


def made_font(characters: str, *, width: int = 600) -> TTFont:
    """A font of rectangles for these characters; an advance of `width` thousandths of its size tells it from others."""
    builder = FontBuilder(1000, isTTF=True)
    names = {ord(letter): f"u{ord(letter):04X}" for letter in characters}
    order = [".notdef", *names.values()]
    pen = TTGlyphPen(None)
    for i, point in enumerate([(50, 0), (50, 700), (width - 50, 700), (width - 50, 0)]):
        (pen.lineTo if i else pen.moveTo)(point)
    pen.closePath()
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(order, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(order, (width, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Made", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    return builder.font


LATIN = "".join(map(chr, range(0x20, 0x7F))) + "…"


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the only one with fonts."""
    caches = (_fonts._font_files, _fonts._faces_in, _fonts._face, _fonts._faces_for)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(_fonts, "_font_folders", lambda: [tmp_path])
    yield tmp_path
    for cached in caches:
        cached.cache_clear()


def test_the_face_of_a_collection_that_has_the_characters_is_taken(fonts: Path) -> None:
    collection = TTCollection()
    collection.fonts = [made_font(LATIN), made_font(LATIN + "傷", width=900)]
    collection.save(fonts / "made.ttc")
    assert [face.index for face in _fonts.faces_for(map(ord, "a傷"))] == [1]
    assert Lettering(["傷"], 100).getlength("傷") == pytest.approx(90)
    assert font_note(["a傷"]) is None


def test_several_fonts_share_a_label_that_none_has_whole(fonts: Path) -> None:
    made_font(LATIN, width=500).save(fonts / "NotoSans-Regular.ttf")
    made_font("ابت", width=700).save(fonts / "arabic.ttf")
    made_font("傷", width=900).save(fonts / "han.ttf")
    font = Lettering(["ab傷ا"], 100)
    assert font.getlength("ab傷ا") == pytest.approx(50 + 50 + 90 + 70)
    assert font_note(["ab傷ا"]) is None


def test_one_font_with_all_characters_is_preferred_to_two(fonts: Path) -> None:
    made_font(LATIN).save(fonts / "NotoSans-Regular.ttf")
    made_font(LATIN + "傷").save(fonts / "whole.ttf")
    assert [Path(face.path or "").name for face in _fonts.faces_for(map(ord, "a傷"))] == ["whole.ttf"]


def test_likely_and_plain_fonts_come_first(fonts: Path) -> None:
    for name in ("a-Bold", "b", "NotoSansCJK-Regular", "DejaVuSans"):
        made_font(LATIN).save(fonts / f"{name}.ttf")
    assert [Path(path).stem for path in _fonts._font_files()] == ["NotoSansCJK-Regular", "DejaVuSans", "b", "a-Bold"]


def test_damaged_fonts_and_fonts_without_outlines_are_passed_over(fonts: Path) -> None:
    (fonts / "a.ttf").write_bytes(b"no font")
    (fonts / "b.ttc").write_bytes(b"")
    coloured = made_font(LATIN + "傷")
    del coloured["glyf"], coloured["loca"]
    coloured.save(fonts / "c.ttf")
    whole = made_font(LATIN + "傷")
    whole.save(fonts / "LastResort.ttf")
    whole.save(fonts / "z.ttf")
    (fonts / "d.ttf").write_bytes((fonts / "z.ttf").read_bytes()[:700])
    assert [Path(face.path or "").name for face in _fonts.faces_for([ord("傷")])] == ["z.ttf"]


def test_what_no_font_has_is_named_with_the_package_that_helps(fonts: Path) -> None:
    made_font(LATIN).save(fonts / "latin.ttf")
    note = font_note(["scratch", "傷", "ひび割れ"])
    assert note is not None
    assert "ひ (U+3072), び (U+3073), れ (U+308C) and 2 more" in note
    assert note.endswith("apt-get install fonts-noto-cjk")
    assert (font_note(["दोष"]) or "").endswith("apt-get install fonts-noto-core")
    # drawn all the same
    assert label_width(draw_detections(plain(), one((100, 100, 200, 200), "傷"), labels=["傷"])) > 0


def test_without_any_font_the_built_in_one_writes_what_it_can(fonts: Path) -> None:
    assert font_note(["scratch"]) is None
    assert font_note(["傷"]) is not None
    assert Lettering(["scratch"], 20).getlength("scratch") > 20
    assert with_banner(plain(), "PASS  scratch", Verdict.PASS).height > 480


def test_joiners_and_variation_selectors_need_no_glyph(fonts: Path) -> None:
    made_font("傷").save(fonts / "han.ttf")
    assert font_note(["傷\ufe00", "傷\u200d傷", "\u2068傷\u2069"]) is None


def test_a_prediction_is_drawn_with_its_boxes_above_its_banner(tmp_path: Path) -> None:
    plain().save(tmp_path / "part.png")
    found = Prediction("part.png", defect_score=0.9, detections=one((100, 200, 300, 400), "傷", 0.9))
    judged = Judgement("part.png", Verdict.FAIL, 0.9)
    drawn = draw_prediction(tmp_path / "part.png", found, judged, tmp_path / "out", 7, labels=["傷"])
    assert drawn == tmp_path / "out" / "0007-part.png"
    with Image.open(drawn) as opened:
        picture = opened.convert("RGB")
    assert pixels_of(picture, AMBER)[400, 100:300].all()
    assert pixels_of(picture, (0xB3, 0x26, 0x1E))[480:].mean() > 0.5


def test_the_caption_tells_what_was_not_found_and_not_understood() -> None:
    judged = Judgement("a", Verdict.PASS, 0.0)
    assert caption(Prediction("a", defect_score=0.0, detections=Detections()), judged) == (
        "PASS  score 0.00  nothing found"
    )
    assert caption(Prediction("a", rejected=("<loc_3>", "?")), None) == "2 not readable"


def test_a_long_caption_stays_in_the_banner() -> None:
    banner = np.asarray(with_banner(plain(), "FAIL  " + 30 * "半田不良 ", Verdict.FAIL))[480:]
    assert (banner[:, -8:] == (0xB3, 0x26, 0x1E)).all()


def test_boxes_need_an_extra_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[detection\]"'):
        draw_detections(plain(), one((1, 1, 9, 9)))
    assert draw_detections(plain(), Detections()) == plain()


@pytest.mark.parametrize("size_wh", [(1, 1), (2000, 1), (1, 2000)])
def test_pictures_of_any_shape_are_drawn(size_wh: tuple[int, int]) -> None:
    draw_detections(plain(size_wh), one((0, 0, *size_wh), "傷", 1.0))
