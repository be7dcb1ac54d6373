"""Whatever can be encoded decodes to itself, whatever cannot is refused by name, and no text breaks the decoders."""

from __future__ import annotations

import random
import re
from collections import Counter
from types import ModuleType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kenpin.boxes import dequantise
from kenpin.codecs import Decoded, florence2, in_reading_order, paligemma
from kenpin.errors import LabelError, ShapeError
from kenpin.records import Detections
from tests.builders import ODD_LABELS

CODECS = [florence2, paligemma]
SIZE_WH = (640, 479)
PIECES = [
    "<loc_1>",
    "<loc_999>",
    "<loc_1000>",
    "<loc0001>",
    "<loc1023>",
    "<loc1024>",
    "<loc_",
    "<seg000>",
    ";",
    " ",
    "a",
]

by_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.__name__.rpartition(".")[2])
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
# labels that contain each other, with everything that has a meaning between objects
nested = st.lists(
    st.sampled_from(["a", "a b", "不良", "-", ",", " ; ", ";", " ", "(", ")", "7"]), min_size=1, max_size=6
)
labels = words | nested.map("".join) | st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)
bins_xyxy = st.tuples(*[st.integers(0, 999)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def _at(bins: list[tuple[int, int, int, int]], names: list[str], codec: ModuleType) -> Detections:
    boxes = dequantise(bins, SIZE_WH, codec.BINS).tolist()
    return Detections(tuple((b[0], b[1], b[2], b[3]) for b in boxes), tuple(names))


@by_codec
def test_every_bin_survives(codec: ModuleType) -> None:
    last = codec.BINS - 1
    everything = _at(
        [(b, last - b if b > last / 2 else b, last, last) for b in range(codec.BINS)], ["a"] * codec.BINS, codec
    )
    decoded = codec.decode(codec.encode(everything, SIZE_WH), SIZE_WH)
    assert decoded.rejected == ()
    assert decoded.detections == everything


@by_codec
@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_box_of_the_whole_frame_stays_within_the_bins(codec: ModuleType, width: int, height: int) -> None:
    text = codec.encode(Detections(((0.0, 0.0, float(width), float(height)),), ("a",)), (width, height))
    numbers = [int(number) for number in re.findall(r"<loc_?(\d+)>", text)]
    assert sorted(numbers) == [0, 0, codec.BINS - 1, codec.BINS - 1]


@by_codec
def test_order_of_coordinates(codec: ModuleType) -> None:
    text = codec.encode(Detections(((64.0, 0.0, 128.0, 478.9),), ("a",)), SIZE_WH)
    expected = "a<loc_100><loc_0><loc_200><loc_999>", "<loc0000><loc0102><loc1023><loc0204> a"
    assert text == expected[CODECS.index(codec)]


@by_codec
@given(st.lists(st.tuples(bins_xyxy, labels), max_size=5))
def test_any_label_survives_or_is_refused_by_name(
    codec: ModuleType, objects: list[tuple[tuple[int, int, int, int], str]]
) -> None:
    found = _at([b for b, _ in objects], [name for _, name in objects], codec)
    bad = [name for _, name in objects if codec.problem_with(name) is not None]
    if bad:
        with pytest.raises(LabelError) as refusal:
            codec.encode(found, SIZE_WH)
        assert repr(bad[0]) in str(refusal.value)
    else:
        decoded = codec.decode(codec.encode(found, SIZE_WH), SIZE_WH)
        assert decoded.rejected == ()
        assert decoded.detections == found
        _spans_hold_what_was_decoded(decoded, codec.encode(found, SIZE_WH), codec)


@by_codec
@pytest.mark.parametrize("label", ODD_LABELS)
def test_odd_labels_are_not_refused(codec: ModuleType, label: str) -> None:
    assert codec.problem_with(label) is None


@by_codec
@pytest.mark.parametrize(
    "label",
    [
        "",
        " a",
        "a\u3000",
        "a\nb",
        "a\x00",
        *["<loc_1>", "x<loc0001>", "<seg001>", "</s>", "<pad>", "<od>", "</ocr>b", "<sep>", "<unused7>"],
    ],
)
def test_labels_that_no_answer_carries(codec: ModuleType, label: str) -> None:
    assert codec.problem_with(label) is not None


@by_codec
@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*PIECES, "<loc_" + "9" * 5000 + ">"]), max_size=30).map("".join)
)
def test_garbage_never_breaks_the_decoder(codec: ModuleType, text: str) -> None:
    decoded = codec.decode(text, SIZE_WH)
    assert all(codec.problem_with(label) is None for label in decoded.detections.labels)
    if len(decoded.detections):  # what was understood is as good as what was written on purpose
        again = codec.decode(codec.encode(decoded.detections, SIZE_WH), SIZE_WH)
        assert again.detections == decoded.detections


@by_codec
@given(text=st.text(max_size=20))
def test_nothing_is_dropped_silently(codec: ModuleType, text: str) -> None:
    assume(text.strip())
    decoded = codec.decode(text, SIZE_WH)
    assert len(decoded.detections) or decoded.rejected


def test_unsound_boxes_are_rejected_and_sound_ones_kept() -> None:
    decoded = florence2.decode(
        "a<loc_5><loc_5><loc_9><loc_9><loc_9><loc_5><loc_5><loc_9><loc_1000><loc_0><loc_1><loc_1>", (10, 10)
    )
    assert len(decoded.detections) == 1
    assert len(decoded.rejected) == 2
    decoded = paligemma.decode(
        "<loc0005><loc0005><loc0009><loc0009> a ; <loc0009><loc0005><loc0005><loc0009> b", (10, 10)
    )
    assert decoded.detections.labels == ("a",)
    assert len(decoded.rejected) == 1


@by_codec
@pytest.mark.parametrize(
    "text",
    ["a" + f"<loc_{'9' * 5000}>" * 4, "a" + "<loc_１>" * 4, "<loc０１２３>" * 4 + " a", "<loc" + "9" * 5000 + ">"],
    ids=["long", "wide", "wide padded", "long padded"],
)
def test_numbers_that_are_no_bins(codec: ModuleType, text: str) -> None:
    assert codec.decode(text, SIZE_WH).detections == Detections()


def test_a_label_may_look_like_a_separator_or_the_beginning_of_a_token() -> None:
    found = _at([(1, 2, 3, 4), (5, 6, 7, 8), (5, 6, 7, 9)], ["a ; <loc1", "b; <loc", "c;"], paligemma)
    assert paligemma.decode(paligemma.encode(found, SIZE_WH), SIZE_WH).detections == found


def test_control_tokens_never_become_labels() -> None:
    assert florence2.decode("</s>a<loc_1><loc_2><loc_3><loc_4>", SIZE_WH).detections == Detections()
    assert paligemma.decode("<loc0001><loc0002><loc0003><loc0004> a<eos>", SIZE_WH).detections == Detections()


def test_one_label_for_several_boxes() -> None:
    decoded = florence2.decode(
        "a<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>b<loc_1><loc_2><loc_3><loc_4>", (10, 10)
    )
    assert decoded.detections.labels == ("a", "a", "b")


def test_segments_survive() -> None:
    segments = "".join(f"<seg{n:03d}>" for n in range(16))
    found = Detections(((1.0, 2.0, 3.0, 4.0), (0.0, 0.0, 9.0, 9.0)), ("a", "b"), segments=(segments, ""))
    decoded = paligemma.decode(paligemma.encode(found, (10, 10)), (10, 10)).detections
    assert decoded.segments == (segments, "")
    assert decoded.labels == ("a", "b")


@pytest.mark.parametrize("segment", ["<seg000>", "<seg000>" * 15, "<seg128>" * 16])
def test_segments_that_are_none(segment: str) -> None:
    with pytest.raises(ShapeError, match="16 codes"):
        paligemma.encode(Detections(((1.0, 2.0, 3.0, 4.0),), ("a",), segments=(segment,)), (10, 10))
    assert len(paligemma.decode("<loc0001>" * 4 + segment + " a", (10, 10)).rejected) == 1


def test_what_is_sound_among_garbage_is_found() -> None:
    box = "<loc0001><loc0002><loc0003><loc0004>"
    text = f"so {box} a{box} b ; <loc0001> c ; {box} d ; "
    decoded = paligemma.decode(text, SIZE_WH)
    assert decoded.detections.labels == ("a", "b", "d")
    assert decoded.rejected == ("so", "<loc0001> c")
    _spans_hold_what_was_decoded(decoded, text, paligemma)


def test_what_links_an_object_to_the_one_before() -> None:
    found = _at([(1, 2, 3, 4), (5, 6, 7, 8)], ["a ;", "b"], paligemma)
    text = paligemma.encode(found, SIZE_WH)
    assert [text[slice(*spans.link)] for spans in paligemma.decode(text, SIZE_WH).spans] == ["", " ; "]
    text = florence2.encode(found, SIZE_WH)
    assert [text[slice(*spans.link)] for spans in florence2.decode(text, SIZE_WH).spans] == ["", ""]


def _spans_hold_what_was_decoded(decoded: Decoded, text: str, codec: ModuleType) -> None:
    assert len(decoded.spans) == len(decoded.detections)
    for spans, label, box in zip(
        decoded.spans, decoded.detections.labels, decoded.detections.boxes_xyxy_px, strict=True
    ):
        assert text[slice(*spans.label)] == label
        numbers = [int(number) for number in re.findall(r"<loc_?(\d+)>", text[slice(*spans.box)])]
        bins = numbers if codec is florence2 else [numbers[i] for i in (1, 0, 3, 2)]
        assert dequantise([bins], SIZE_WH, codec.BINS)[0].tolist() == list(box)


@by_codec
def test_mutated_answers(codec: ModuleType) -> None:
    chance = random.Random(0)
    names = [*ODD_LABELS, "a", "a b", "a ; b"]
    for _ in range(10_000):
        objects = chance.randint(1, 4)
        corners = [sorted(chance.sample(range(codec.BINS), 4)) for _ in range(objects)]
        found = _at([(a, b, c, d) for a, b, c, d in corners], chance.choices(names, k=objects), codec)
        text = _mutated(codec.encode(found, SIZE_WH), chance)
        decoded = codec.decode(text, SIZE_WH)
        _spans_hold_what_was_decoded(decoded, text, codec)
        understood = {i for spans in decoded.spans for span in (spans.label, spans.box) for i in range(*span)}
        left = Counter(sign for i, sign in enumerate(text) if i not in understood and sign.strip(" \u3000;"))
        assert left <= Counter("".join(decoded.rejected)), "something was dropped silently"


def _mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        stop = min(len(text), start + chance.choice([0, 1, 3, 9, 40]))
        text = text[:start] + chance.choice(["", "", *PIECES, text[start:stop] * 2]) + text[stop:]
    return text


@by_codec
@given(st.lists(st.tuples(bins_xyxy, st.sampled_from("ab")), max_size=6), st.randoms(use_true_random=False))
def test_reading_order(
    codec: ModuleType, objects: list[tuple[tuple[int, int, int, int], str]], chance: random.Random
) -> None:
    boxes = [bins for bins, _ in objects]
    in_order = in_reading_order(_at(boxes, [name for _, name in objects], codec), SIZE_WH, codec.BINS)
    tops_and_lefts = [(box[1], box[0]) for box in in_order.boxes_xyxy_px]
    assert tops_and_lefts == sorted(tops_and_lefts)
    assert in_reading_order(in_order, SIZE_WH, codec.BINS) == in_order
    if len(set(boxes)) == len(boxes):  # then no annotator's order matters
        shuffled = chance.sample(objects, len(objects))
        again = _at([bins for bins, _ in shuffled], [name for _, name in shuffled], codec)
        assert in_reading_order(again, SIZE_WH, codec.BINS) == in_order


def test_reading_order_carries_everything_and_keeps_equals() -> None:
    box, other = (5.0, 5.0, 9.0, 9.0), (5.0, 1.0, 9.0, 9.0)
    found = Detections((box, box, other), ("b", "a", "c"), (0.1, 0.2, 0.3), ("", "s", ""), (True, False, False))
    expected = Detections((other, box, box), ("c", "b", "a"), (0.3, 0.1, 0.2), ("", "", "s"), (False, True, False))
    assert in_reading_order(found, (10, 10), 1000) == expected


def test_reading_order_knows_no_fractions_of_a_bin() -> None:
    lower_left, higher_right = (1.0, 1.004, 2.0, 2.0), (5.0, 1.001, 6.0, 2.0)
    found = Detections((higher_right, lower_left), ("right", "left"))
    assert in_reading_order(found, (10, 10), 1000).labels == ("left", "right")
