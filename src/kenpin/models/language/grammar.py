"""Grammars of detection answers: automata over token ids that admit sound boxes with the data set's labels.

Every admitted answer decodes without a remainder: boxes are complete and not inverted, labels are the data set's, and
an object begins only where the longest object and the end still fit. A repeated object ends the answer.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from kenpin.errors import LabelError

Tokens = tuple[int, ...]
_NOWHERE = range(0)


class Admitted(NamedTuple):
    """Tokens that may come next: single ids, and a range of location tokens."""

    ids: Tokens
    locations: range = _NOWHERE


class State(NamedTuple):
    """State of an answer that is being written."""

    spelled: Tokens = ()
    """The tokens of the current or last label."""
    corners: Tokens = ()
    """The location tokens of the current or last box."""
    objects: frozenset[tuple[Tokens, Tokens]] = frozenset()
    """Labels and boxes of the objects so far."""
    barred: frozenset[Tokens] = frozenset()
    """Labels that would repeat an object if they went on."""
    ended: bool = False


class Grammar(Protocol):
    """The possible answers, as an automaton. States are immutable, so that beams may share them."""

    start: State

    def allowed(self, state: State, remaining: int) -> Admitted:
        """Tokens that may come next where `remaining` tokens, 1 or more, may still be written; never empty."""

    def advance(self, state: State, token: int) -> State:
        """The state after a token; one that is never admitted there ends the answer."""


class Florence2Grammar:
    """`label<loc>×4` again and again, or several boxes after one label; or nothing at all.

    labels: the token ids of each label as it is written before a location token; locations: ids of the location
    tokens by bin; end: the id that ends an answer. Raises LabelError.
    """

    start = State()

    def __init__(self, labels: Mapping[str, Sequence[int]], locations: range, end: int) -> None:
        spellings = _spellings(labels, locations, end)
        self._locations = locations
        self._spelling = _paths((spelling, Admitted((), locations)) for spelling in spellings)
        self._longest = max(map(len, spellings), default=0) + 4
        self._end = Admitted((end,))
        self._first = Admitted((end, *self._spelling[()].ids))
        self._next = Admitted(self._first.ids, locations)
        self._next_box = Admitted((end,), locations)

    def allowed(self, state: State, remaining: int) -> Admitted:
        """See `Grammar`."""
        corners = len(state.corners)
        if state.ended:
            return self._end
        if state.spelled and not corners:
            return self._spelling[state.spelled]
        if corners in (1, 2, 3):
            return Admitted((), _not_before(state.corners, self._locations))
        if remaining > self._longest:
            return self._next if corners else self._first
        return self._next_box if corners and remaining > 4 else self._end

    def advance(self, state: State, token: int) -> State:
        """See `Grammar`."""
        admitted = self.allowed(state, sys.maxsize)
        complete = len(state.corners) == 4
        if token in admitted.locations:
            corners = (token,) if complete else (*state.corners, token)
            if len(corners) < 4:
                return state._replace(corners=corners)
            written = (state.spelled, corners)
            return state._replace(corners=corners, objects=state.objects | {written}, ended=written in state.objects)
        if token in admitted.ids and token not in self._end.ids:
            return state._replace(spelled=(token,) if complete else (*state.spelled, token), corners=())
        return state._replace(ended=True)


class PaliGemmaGrammar:
    """`<loc>×4 label` with ` ; ` between; or nothing at all. Segmentation codes are not admitted.

    middle, last: the token ids of each label as it is written between two boxes (` label ; `) and before the end
    (` label`); locations: ids of the location tokens by bin; end: the id that ends an answer. Raises LabelError.
    """

    start = State()

    def __init__(
        self,
        middle: Mapping[str, Sequence[int]],
        last: Mapping[str, Sequence[int]],
        locations: range,
        end: int,
    ) -> None:
        self._middle, self._last = (_spellings(labels, locations, end) for labels in (middle, last))
        self._locations = locations
        self._longest_middle = max(map(len, self._middle), default=0)
        self._longest = max(map(len, self._last), default=0) + 4
        self._end = Admitted((end,))
        self._first = Admitted((end,), locations if self._last else _NOWHERE)
        self._next = Admitted((), locations)
        self._spelling = lru_cache(maxsize=1024)(self._spelling_without)

    def allowed(self, state: State, remaining: int) -> Admitted:
        """See `Grammar`."""
        if state.ended:
            return self._end
        if not state.corners:
            return self._first if remaining > self._longest else self._end
        if len(state.corners) < 4:
            return Admitted((), _not_before(state.corners, self._locations))
        # what is left of the label's budget does not change while it is spelled
        roomy = remaining + len(state.spelled) > self._longest_middle + self._longest
        return self._spelling(roomy, state.barred).get(state.spelled, self._end)

    def advance(self, state: State, token: int) -> State:
        """See `Grammar`."""
        admitted = self.allowed(state, sys.maxsize)
        if token in admitted.locations:
            if len(state.corners) == 4:
                return State(corners=(token,), objects=state.objects | {(state.spelled, state.corners)})
            corners = (*state.corners, token)
            barred = frozenset(label for label, box in state.objects if box == corners)
            return state._replace(corners=corners, barred=barred)
        if token in admitted.ids and token not in self._end.ids:
            return state._replace(spelled=(*state.spelled, token))
        return state._replace(ended=True)

    def _spelling_without(self, roomy: bool, barred: frozenset[Tokens]) -> dict[Tokens, Admitted]:
        going_on = [spelling for spelling in self._middle if spelling not in barred] if roomy else []
        return _paths(
            [*((spelling, self._next) for spelling in going_on), *((spelling, self._end) for spelling in self._last)]
        )


def _spellings(labels: Mapping[str, Sequence[int]], locations: range, end: int) -> list[Tokens]:
    """The labels' token ids, each the spelling of one label only."""
    owner: dict[Tokens, str] = {}
    for label, ids in labels.items():
        spelling = tuple(ids)
        if not spelling or any(token in locations or token == end for token in spelling):
            raise LabelError(f"label {label!r} is spelled {spelling}, which no answer can carry. Rename the class.")
        if owner.setdefault(spelling, label) != label:
            raise LabelError(
                f"labels {owner[spelling]!r} and {label!r} are the same tokens to this model. Rename one of them."
            )
    return list(owner)


def _paths(words: Iterable[tuple[Tokens, Admitted]]) -> dict[Tokens, Admitted]:
    """Words, each with what may follow it -> what may follow each beginning of a word; the empty one included."""
    ids: defaultdict[Tokens, dict[int, None]] = defaultdict(dict, {(): {}})
    locations: dict[Tokens, range] = {}
    for word, following in words:
        for length, token in enumerate(word):
            ids[word[:length]][token] = None
        ids[word].update(dict.fromkeys(following.ids))
        if following.locations:
            locations[word] = following.locations
    return {beginning: Admitted(tuple(after), locations.get(beginning, _NOWHERE)) for beginning, after in ids.items()}


def _not_before(corners: Tokens, locations: range) -> range:
    """The second corner of a box lies at or behind the first, on both axes; the first lies anywhere."""
    return locations if len(corners) < 2 else range(corners[len(corners) - 2], locations.stop)
