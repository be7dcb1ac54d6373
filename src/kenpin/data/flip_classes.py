"""Which classes a mirrored picture would swap: left and right, up and down, Xplus and Xminus."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Axis = Literal["x", "y"]
"""x: mirrored left to right, a horizontal flip; y: mirrored top to bottom, a vertical flip."""

_TURNS = "clockwise counterclockwise clockwise anticlockwise cw ccw 時計回り 反時計回り"
_WORDS: dict[Axis, str] = {
    "x": "left right l r lh rh links rechts gauche droite izquierda derecha sinistra destra west east 左 右 " + _TURNS,
    "y": "up down upper lower top bottom above below upward downward upwards downwards oben unten haut bas "
    "arriba abajo sopra sotto north south 上 下 " + _TURNS,
}
_LONGEST = 1_000
_SIGNS = {"+": "+", "plus": "+", "pos": "+", "positive": "+", "プラス": "+"}
_SIGNS |= {"-": "-", "minus": "-", "neg": "-", "negative": "-", "マイナス": "-"}
_SIGNED_AXIS = re.compile(rf"([xy])({'|'.join(s for s in _SIGNS if s.isalpha())})")
_AXIS_SIGNED = re.compile(rf"({'|'.join(s for s in _SIGNS if s.isalpha())})([xy])")
# a hyphen is a minus at either end of a name; elsewhere it joins words
_TOKEN = re.compile(r"反?時計回り|[左右上下]|[^\W\d_左右上下]+|\d+|\+|^-|-$")


def flip_swapped_pairs(classes: Sequence[str]) -> list[tuple[str, str, Axis]]:
    """Pairs of classes that a flip along an axis turns into each other, once for each axis, in the classes' order.

    Names of more than a thousand letters are left out.
    """
    pairs: list[tuple[str, str, Axis]] = []
    names = [name for name in dict.fromkeys(classes) if len(name) <= _LONGEST]
    tokens = [tuple(_tokens(name)) for name in names]
    axes: tuple[Axis, ...] = ("x", "y")
    for axis in axes:
        opposites = _opposites(axis)
        # only names that agree in all but such words are compared: there may be thousands of classes
        alike: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
        for index, words in enumerate(tokens):
            alike.setdefault(_without_sides(words, axis), {}).setdefault(words, []).append(index)
        for index, words in enumerate(tokens):
            others = alike[_without_sides(words, axis)]
            found = (
                other
                for second, numbers in others.items()
                if len(others) > 1 and _are_mirrored(words, second, axis, opposites)
                for other in numbers
            )
            pairs.extend((names[index], names[other], axis) for other in sorted(found) if other > index)
    return pairs


def _without_sides(words: tuple[str, ...], axis: Axis) -> tuple[str, ...]:
    """The words, one word in the place of all those that a flip can turn into each other."""
    same = _one_for_all(axis)
    return tuple(
        "±" if word in ("+", "-") and position and words[position - 1] == axis else same.get(word, word)
        for position, word in enumerate(words)
    )


@cache
def _one_for_all(axis: Axis) -> dict[str, str]:
    """For each word with an opposite, the first word that is connected with it by opposites."""
    first_of: dict[str, str] = {}
    for word, other in sorted(_opposites(axis)):
        kept, lost = first_of.setdefault(word, word), first_of.setdefault(other, other)
        first_of = {one: kept if first == lost else first for one, first in first_of.items()}
    return first_of


def _are_mirrored(
    first: Sequence[str], second: Sequence[str], axis: Axis, opposites: frozenset[tuple[str, str]]
) -> bool:
    """Whether the names differ, and only by opposite words."""
    if len(first) != len(second) or first == second:
        return False
    for position, (word, other) in enumerate(zip(first, second, strict=True)):
        is_sign = {word, other} == {"+", "-"} and tuple(first[position - 1 : position]) == (axis,)
        if word != other and not is_sign and (word, other) not in opposites:
            return False
    return True


@cache
def _opposites(axis: Axis) -> frozenset[tuple[str, str]]:
    words = _WORDS[axis].split()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    return frozenset(pairs) | frozenset((second, first) for first, second in pairs)


def _tokens(name: str) -> list[str]:
    """The name's words in lower case, an axis before its sign: "Edge_Xplus" and "edge +x" -> ["edge", "x", "+"]."""
    text = unicodedata.normalize("NFKC", name).replace("\N{MINUS SIGN}", "-").strip()
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).casefold()
    text = re.sub(r"counter[\W_]+clockwise", "counterclockwise", re.sub(r"anti[\W_]+clockwise", "anticlockwise", text))
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if match := _SIGNED_AXIS.fullmatch(token):
            tokens += [match[1], _SIGNS[match[2]]]
        elif match := _AXIS_SIGNED.fullmatch(token):
            tokens += [match[2], _SIGNS[match[1]]]
        elif token in ("x", "y") and tokens[-1:] in (["+"], ["-"]):
            tokens[-1:] = [token, tokens[-1]]
        else:
            tokens.append(_SIGNS.get(token, token))
    return tokens
