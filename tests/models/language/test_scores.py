"""Scores are made of the tokens that say a detection, of all of them and of no others."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.boxes import dequantise
from kenpin.codecs import florence2, paligemma
from kenpin.models.language.scores import HIGHEST, LOWEST, ReadAnswer
from kenpin.records import Detections
from tests.models.language.toys import Toy, make_toy

SIZE_WH = (640, 479)
FLORENCE2, PALIGEMMA = TOYS = make_toy(florence2), make_toy(paligemma)
by_toy = pytest.mark.parametrize("toy", TOYS, ids=["florence2", "paligemma"])
BOX = (10, 20, 30, 40)


def _corners(toy: Toy, bins: tuple[int, ...]) -> str:
    return "".join(map(toy.codec.location, bins))


def _read(toy: Toy, chunks: list[tuple[str, float]]) -> ReadAnswer:
    """An answer in pieces of text, each with the log-mass that every one of its tokens has."""
    tokens, masses = list[int](), list[float]()
    for text, mass in chunks:
        ids = toy.tokens(text)
        tokens += ids
        masses += [mass] * len(ids)
    return toy.reader.read([*tokens, toy.end, toy.pad], [*masses, -9.0, 0.0], SIZE_WH)


def _count(toy: Toy, text: str) -> int:
    return len(toy.tokens(text))


def test_florence2_score() -> None:
    first, second, third = (_corners(FLORENCE2, (b, b, b + 9, b + 9)) for b in (1, 2, 3))
    label, other = "不良", "scratch deep"
    chunks = [(label, -0.1), (first, -0.2), (second, -0.3), (other, -0.4), (third, -0.5)]
    reading = _read(FLORENCE2, chunks)
    of_label, of_other = -0.1 * _count(FLORENCE2, label), -0.4 * _count(FLORENCE2, other)
    assert _count(FLORENCE2, label) > 1
    assert reading.detections.labels == (label, label, other)
    expected = [math.exp(of_label - 0.2), math.exp(of_label - 0.3), math.exp(of_other - 0.5)]
    assert reading.detections.scores == pytest.approx(expected)


def test_paligemma_score() -> None:
    first, second = (_corners(PALIGEMMA, (b, b, b + 9, b + 9)) for b in (1, 2))
    chunks = [(first, -0.1), (" a ; b", -0.2), (" ; ", -0.3), (second, -0.4), (" 不良", -0.5)]
    reading = _read(PALIGEMMA, chunks)
    of_first = -0.1 - 0.2 * _count(PALIGEMMA, " a ; b")
    of_second = -0.3 * _count(PALIGEMMA, " ; ") - 0.4 - 0.5 * _count(PALIGEMMA, " 不良")
    assert reading.detections.labels == ("a ; b", "不良")
    assert reading.detections.scores == pytest.approx([math.exp(of_first), math.exp(of_second)])


@by_toy
@settings(max_examples=200)
@given(label=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_characters_are_those_of_the_tokens(toy: Toy, label: str, seed: int) -> None:
    """Every token of a label lowers its score, and none of another's does, whatever bytes it is split into."""
    if toy.codec.problem_with(label) is not None:
        return
    boxes = [(b[0], b[1], b[2], b[3]) for b in dequantise([BOX, (50, 60, 70, 80)], SIZE_WH, toy.codec.BINS).tolist()]
    text = toy.codec.encode(Detections(tuple(boxes), (label, "scratch")), SIZE_WH)
    tokens = toy.tokens(text)
    scores = toy.reader.read(tokens, [0.0] * len(tokens), SIZE_WH).detections.scores
    assert scores == (HIGHEST, HIGHEST)
    place = random.Random(seed).randrange(len(tokens))
    masses = [-1.0 if i == place else 0.0 for i in range(len(tokens))]
    changed = toy.reader.read(tokens, masses, SIZE_WH).detections.scores
    assert changed is not None
    # the second object begins with its label or, in PaliGemma's answers, with the separator before its box
    second = 4 + _count(toy, label) if toy is FLORENCE2 else 4 + _count(toy, f" {label}")
    assert [score < HIGHEST for score in changed] == [place < second, place >= second]
    box_share = tokens[place] in toy.locations
    assert min(changed) == pytest.approx(math.exp(-0.25 if box_share else -1.0))


@by_toy
def test_scores_lie_between_impossible_and_certain(toy: Toy) -> None:
    corners = _corners(toy, BOX)
    for mass, expected in ((0.01, HIGHEST), (0.0, HIGHEST), (-1e6, LOWEST), (-math.inf, LOWEST)):
        chunks = [("scratch", mass), (corners, mass)] if toy is FLORENCE2 else [(corners, mass), (" scratch", mass)]
        assert _read(toy, chunks).detections.scores == (expected,)
    assert 0 < LOWEST < HIGHEST < 1


@by_toy
def test_no_score_where_a_probability_is_unknown(toy: Toy) -> None:
    tokens = toy.tokens(toy.codec.encode(Detections(((1.0, 2.0, 30.0, 40.0),), ("scratch",)), SIZE_WH))
    found = toy.reader.read(tokens, [math.nan] * len(tokens), SIZE_WH).detections
    assert len(found) == 1
    assert found.scores is None


@by_toy
def test_repeats_are_told_and_dropped(toy: Toy) -> None:
    box, other = (1.0, 2.0, 30.0, 40.0), (1.0, 2.0, 300.0, 40.0)
    text = toy.codec.encode(Detections((box, box, other, box), ("a", "b", "a", "a")), SIZE_WH)
    tokens = toy.tokens(text)
    reading = toy.reader.read(tokens, [-0.001 * place for place in range(len(tokens))], SIZE_WH)
    assert reading.text == text
    assert reading.detections.labels == ("a", "b", "a")
    scores = reading.detections.scores
    assert scores is not None
    assert scores[0] > scores[1] > scores[2], "the first of the repeats is kept"
    (told,) = reading.rejected
    assert told.startswith("a <loc")
    assert told.endswith("(repeated)")


@by_toy
def test_free_text_is_kept(toy: Toy) -> None:
    tokens = [*toy.tokens("it is 不良"), toy.end]
    reading = toy.reader.read(tokens, [-0.1] * len(tokens), SIZE_WH)
    assert reading == ("it is 不良", Detections(scores=()), ("it is 不良",))


@by_toy
def test_the_empty_answer(toy: Toy) -> None:
    reading = toy.reader.read([toy.end, toy.pad, toy.pad], [-0.1, 0.0, 0.0], SIZE_WH)
    assert reading == ("", Detections(scores=()), ())
