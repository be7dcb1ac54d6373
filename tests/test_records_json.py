"""Records to JSON and back: the same again, and what does not fit is told with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import RunError, ShapeError
from kenpin.records_json import from_json, to_json


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Leaf:
    name: str
    share: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None and self.share > 1e300:
            raise ShapeError(f"the share is {self.share}.")


@dataclass(frozen=True)
class Tree:
    """All that records are made of."""

    count: int
    size: float
    is_new: bool
    colour: Colour
    kind: Literal["oak", "elm"]
    corners: tuple[tuple[float, float], ...]
    pair: tuple[str, int]
    leaves: tuple[Leaf, ...]
    shares: Mapping[str, float]
    whatever: Any
    next: Tree | None = None


_TEXT = st.text(max_size=5)
_NUMBER = st.floats(allow_nan=False, max_value=1e299)
_LEAVES = st.builds(Leaf, _TEXT, st.none() | _NUMBER)
_FIELDS = {
    "count": st.integers(),
    "size": _NUMBER,
    "is_new": st.booleans(),
    "colour": st.sampled_from(Colour),
    "kind": st.sampled_from(["oak", "elm"]),
    "corners": st.lists(st.tuples(_NUMBER, _NUMBER), max_size=3).map(tuple),
    "pair": st.tuples(_TEXT, st.integers()),
    "leaves": st.lists(_LEAVES, max_size=3).map(tuple),
    "shares": st.dictionaries(_TEXT, _NUMBER, max_size=3),
    "whatever": st.none() | st.booleans() | _TEXT | st.lists(st.integers()),
}
_TREES = st.recursive(st.builds(Tree, **_FIELDS), lambda trees: st.builds(Tree, **_FIELDS, next=trees), max_leaves=4)


@given(_TREES)
def test_a_record_comes_back_from_its_json(tree: Tree) -> None:
    assert from_json(Tree, json.loads(json.dumps(to_json(tree), allow_nan=False)), "tree.json") == tree


def _values() -> dict[str, Any]:
    leaf = {"name": "a", "share": 0.5}
    return {
        "count": 1,
        "size": 2,
        "is_new": True,
        "colour": "red",
        "kind": "oak",
        "corners": [[0.0, 1.0], [2.0, 3.0]],
        "pair": ["x", 1],
        "leaves": [leaf, {"name": "b"}],
        "shares": {"one": 1.0, "two": 2.0},
        "whatever": [1, None],
        "next": None,
    }


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        (["count"], True, ".count: True is not <class 'int'>."),
        (["count"], 1.5, ".count: 1.5 is not <class 'int'>."),
        (["is_new"], 1, ".is_new: 1 is not <class 'bool'>."),
        (["size"], "much", ".size: 'much' is not <class 'float'>."),
        (["size"], True, ".size: True is not <class 'float'>."),
        (["size"], "inf", ".size: inf is not a finite number."),
        (["colour"], "green", f".colour: 'green' is not {Colour}."),
        (["colour"], ["red"], f".colour: ['red'] is not {Colour}."),
        (["kind"], "ash", ".kind: 'ash' is not typing.Literal['oak', 'elm']."),
        (["corners", 1, 0], None, ".corners[1][0]: None is not <class 'float'>."),
        (["corners", 1], [1.0], ".corners[1]: [1.0] is not tuple[float, float]."),
        (["corners"], {}, ".corners: {} is not tuple[tuple[float, float], ...]."),
        (["pair", 1], "1", ".pair[1]: '1' is not <class 'int'>."),
        (["leaves", 1, "name"], 7, ".leaves[1].name: 7 is not <class 'str'>."),
        (["leaves", 0], "leaf", ".leaves[0]: 'leaf' is not of type Leaf."),
        (["leaves", 0, "shape"], 7, ".leaves[0]: the fields ['shape'] are missing or unknown."),
        (["leaves", 1, "share"], 1e301, ".leaves[1]: the share is 1e+301."),
        (["shares", "two"], None, ".shares.two: None is not <class 'float'>."),
        (["shares"], [], ".shares: [] is not collections.abc.Mapping[str, float]."),
        (["next"], {}, ".next: the fields ["),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(path: list[Any], wrong: object, said: str) -> None:
    values = _values()
    assert from_json(Tree, values, "tree.json").size == 2.0
    inner: Any = values
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = wrong
    with pytest.raises(RunError) as refused:
        from_json(Tree, values, "tree.json", finite=True)
    assert f"{refused.value}".startswith(f"tree.json{said}")
    assert f"{refused.value}".endswith("Restore the file, or evaluate again.")


def test_numbers_that_json_lacks_are_words() -> None:
    for number in (math.inf, -math.inf, math.nan):
        word = to_json(number)
        assert isinstance(word, str)
        assert repr(from_json(float, word, "a number")) == repr(number)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes has no JSON form"):
        to_json({"data": b"x"})
