"""The grammars admit the answers of their families, all of them and no others, and never run out of tokens."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.boxes import dequantise
from kenpin.codecs import florence2, paligemma
from kenpin.errors import LabelError
from kenpin.models.language.grammar import Florence2Grammar, Grammar, PaliGemmaGrammar, State
from kenpin.records import Detections
from tests.models.language.toys import LABELS, Toy, make_toy

SIZE_WH = (640, 479)
TOYS = [make_toy(florence2), make_toy(paligemma)]
by_toy = pytest.mark.parametrize("toy", TOYS, ids=["florence2", "paligemma"])


def _walk(toy: Toy, budget: int, chance: random.Random) -> list[int]:
    """Any answer that is admitted, one token as good as another, but often a location that was there before."""
    state, tokens, favourite = toy.grammar.start, list[int](), chance.choice(toy.locations)
    for remaining in range(budget, 0, -1):
        ids, locations = toy.grammar.allowed(state, remaining)
        choices = list(ids) + ([chance.choice(locations)] if locations else [])
        choices += [favourite] * 3 if favourite in locations else []
        token = chance.choice(choices)
        tokens.append(token)
        state = toy.grammar.advance(state, token)
        assert hash(state) is not None
        if token == toy.end:
            assert toy.grammar.allowed(state, 1) == ((toy.end,), range(0))
            return tokens
    pytest.fail(f"no end within {budget} tokens: {toy.text(tokens)!r}")


@by_toy
@settings(max_examples=300)
@given(budget=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_whatever_is_admitted_is_sound_and_whole(toy: Toy, budget: int, seed: int) -> None:
    tokens = _walk(toy, budget, random.Random(seed))
    decoded = toy.codec.decode(toy.text(tokens[:-1]), SIZE_WH)
    found = decoded.detections
    assert decoded.rejected == ()
    assert set(found.labels) <= set(LABELS)
    objects = list(zip(found.labels, found.boxes_xyxy_px, strict=True))
    assert len(set(objects[:-1])) == len(objects[:-1]), "an object was said again and the answer went on"


@by_toy
@settings(max_examples=200)
@given(
    objects=st.lists(st.tuples(st.sampled_from(LABELS), st.tuples(*[st.integers(0, 999)] * 4)), max_size=6, unique=True)
)
def test_every_answer_to_learn_from_is_admitted(toy: Toy, objects: list[tuple[str, tuple[int, int, int, int]]]) -> None:
    bins = [(min(a, c), min(b, d), max(a, c), max(b, d)) for _, (a, b, c, d) in objects]
    boxes = [(b[0], b[1], b[2], b[3]) for b in dequantise(bins, SIZE_WH, toy.codec.BINS).tolist()]
    distinct = dict.fromkeys(zip(boxes, (label for label, _ in objects), strict=True))
    found = Detections(tuple(box for box, _ in distinct), tuple(label for _, label in distinct))
    assert _accepts(toy.grammar, [*toy.tokens(toy.codec.encode(found, SIZE_WH)), toy.end])


def test_one_label_for_several_boxes() -> None:
    toy = TOYS[0]
    boxes = "<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>"
    assert _accepts(toy.grammar, [*toy.tokens(f"scratch{boxes}scratch deep{boxes}"), toy.end])


def _accepts(grammar: Grammar, tokens: list[int], budget: int = 1000) -> bool:
    state = grammar.start
    for place, token in enumerate(tokens):
        ids, locations = grammar.allowed(state, budget - place)
        if token not in ids and token not in locations:
            return False
        state = grammar.advance(state, token)
    return True


# the smallest grammars: locations 0 and 1, labels `a` and `ab` spelled 2 and 2 3, separator 4, end 9
LOCATIONS, END = range(2), 9
SMALL_LABELS = {"a": (2,), "ab": (2, 3)}
BOXES = [box for box in itertools.product(LOCATIONS, repeat=4) if box[2] >= box[0] and box[3] >= box[1]]


def _answers(grammar: Grammar, budget: int) -> set[tuple[int, ...]]:
    """Every answer that the grammar admits."""
    complete: set[tuple[int, ...]] = set()
    open_ones: list[tuple[tuple[int, ...], State]] = [((), grammar.start)]
    while open_ones:
        tokens, state = open_ones.pop()
        ids, locations = grammar.allowed(state, budget - len(tokens))
        for token in (*ids, *locations):
            if token == END:
                complete.add((*tokens, END))
            else:
                open_ones.append(((*tokens, token), grammar.advance(state, token)))
    return complete


def _object_lists(most: int) -> Iterator[tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]:
    """Labels and boxes, none said before except perhaps the last."""
    for count in range(most + 1):
        for objects in itertools.product(itertools.product(SMALL_LABELS.values(), BOXES), repeat=count):
            if len(set(objects[:-1])) == max(count - 1, 0):
                yield objects


@pytest.mark.parametrize("budget", range(1, 15))
def test_florence2_admits_just_this(budget: int) -> None:
    expected = set()
    for objects in _object_lists(3 if budget > 13 else 2):
        same_as_before = [one[0] == before[0] for before, one in itertools.pairwise(objects)]
        for left_out in itertools.product(*[(False, True) if same else (False,) for same in same_as_before]):
            tokens: tuple[int, ...] = ()
            fits = True
            for (label, box), without_label in zip(objects, (False, *left_out), strict=False):
                fits = fits and budget - len(tokens) >= (4 if without_label else 2 + 4) + 1
                tokens += box if without_label else (*label, *box)
            if fits:
                expected.add((*tokens, END))
    assert _answers(Florence2Grammar(SMALL_LABELS, LOCATIONS, END), budget) == expected


@pytest.mark.parametrize("budget", range(1, 17))
def test_paligemma_admits_just_this(budget: int) -> None:
    expected = set()
    for objects in _object_lists(2):
        tokens: tuple[int, ...] = ()
        fits = not objects or budget >= 4 + 2 + 1
        for place, (label, box) in enumerate(objects):
            if place:
                tokens += (4,)
            tokens += box
            fits = fits and (objects[place + 1 :] == () or budget - len(tokens) >= 3 + 4 + 2 + 1)
            tokens += label
        if fits:
            expected.add((*tokens, END))
    middle = {name: (*label, 4) for name, label in SMALL_LABELS.items()}
    assert _answers(PaliGemmaGrammar(middle, SMALL_LABELS, LOCATIONS, END), budget) == expected


@by_toy
def test_without_labels_nothing_can_be_said(toy: Toy) -> None:
    none = make_toy(toy.codec, [])
    assert none.grammar.allowed(none.grammar.start, 100) == ((none.end,), range(0))


@by_toy
def test_a_token_that_is_not_admitted_ends_the_answer(toy: Toy) -> None:
    strange = toy.tokens("z")[0]
    for tokens in ([], toy.tokens("scratch"), [toy.locations[3]] * 2):
        state = toy.grammar.start
        for token in [*tokens, strange]:
            state = toy.grammar.advance(state, token)
        assert toy.grammar.allowed(state, 100) == ((toy.end,), range(0))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a": [2], "b": [2]}, "labels 'a' and 'b' are the same tokens"),
        ({"a": []}, "label 'a' is spelled"),
        ({"a": [2, 1]}, "label 'a' is spelled"),
        ({"a": [9]}, "label 'a' is spelled"),
    ],
)
def test_labels_that_the_model_cannot_tell(labels: dict[str, list[int]], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        Florence2Grammar(labels, LOCATIONS, END)
    with pytest.raises(LabelError, match=message):
        PaliGemmaGrammar({}, labels, LOCATIONS, END)
