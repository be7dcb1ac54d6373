"""From generated tokens to scored detections: each score made of the probabilities of the tokens that say it.

score = P(link) · P(label) · (P(x1) · P(y1) · P(x2) · P(y2))^¼

- P(label) is the product of the label's tokens: the probability of this name among all names. A mean over the tokens
  would flatter long labels, since after the first token the others are nearly certain.
- P(x1) … are the masses of the locations near each corner (`generation.NEIGHBOURHOOD`), because a neighbouring bin is
  the same place; one bin's own probability would fall with every bin that is as good. Their geometric mean, not their
  product: the four err together, and a box may be right at an overlap of a half though each corner is off by more.
- P(link) is the probability of going on to this object at all where a separator says so (PaliGemma); elsewhere the
  choice between another object and the end is in the object's first token already.
All are under the model's own distribution, not that of the grammar: where the model would rather have written something
else, the score is low although the grammar left nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from kenpin.codecs import Decoded, Place, Span, chosen
from kenpin.records import Detections

LOWEST, HIGHEST = 1e-9, 1 - 1e-7
"""Scores lie within: nothing is impossible or certain, whatever float32 says."""
_Tokens = tuple[int, ...]


class Codec(Protocol):
    """What both modules of `kenpin.codecs` offer."""

    def decode(self, text: str, size_wh: tuple[int, int]) -> Decoded: ...


class Reading(NamedTuple):
    """An answer as it was read."""

    text: str
    detections: Detections
    """With scores, or None where one could not be had; an object said twice is there once."""
    rejected: tuple[str, ...]
    """What was not understood or was said before."""


class AnswerReader:
    """Reads the answers of one model.

    decode: the text of a run of ordinary tokens, exactly, spaces included; marks: the text of the tokens that stand
    for themselves, of locations and all special ones; end: the token that ends an answer.
    """

    def __init__(
        self, codec: Codec, decode: Callable[[Sequence[int]], str], marks: Mapping[int, str], end: int
    ) -> None:
        self._codec, self._marks, self._end = codec, marks, end
        # answers say the same labels again and again
        self._decode = lru_cache(maxsize=4096)(decode)

    def read(self, tokens: Sequence[int], log_masses: Sequence[float], size_wh: tuple[int, int]) -> Reading:
        """One row of `generation.Answers` -> its detections on a picture of this size, in pixels."""
        runs, text, decoded, places = self._decoded(tokens, size_wh)
        scored = replace(decoded.detections, scores=self._scores(places, runs, log_masses))
        kept, repeats = _without_repeats(decoded, text)
        return Reading(text, chosen(scored, kept), (*decoded.rejected, *repeats))

    def tokens_of(self, tokens: Sequence[int], size_wh: tuple[int, int]) -> list[list[int]]:
        """Of each detection that `read` gives, the places of the tokens that say its label and its box."""
        runs, text, decoded, places = self._decoded(tokens, size_wh)
        spans = self._spans(runs)

        def saying(place: Place) -> list[int]:
            return [
                token
                for token, (first, past) in enumerate(spans)
                if any(first < end and past > start for start, end in (place.label, place.box))
            ]

        return [saying(places[number]) for number in _without_repeats(decoded, text)[0]]

    def _decoded(
        self, tokens: Sequence[int], size_wh: tuple[int, int]
    ) -> tuple[list[_Tokens], str, Decoded, list[Place]]:
        """The answer up to its end as runs and as text, what it says, and where."""
        row = list(tokens)
        runs = self._runs(row[: row.index(self._end)] if self._end in row else row)
        text = "".join(self._text(run) for run in runs)
        decoded = self._codec.decode(text, size_wh)
        # the space before a label is a token of its own where the label's first word is not in the vocabulary
        places = [p._replace(label=(len(text[: p.label[0]].rstrip()), p.label[1])) for p in decoded.places]
        return runs, text, decoded, places

    def _runs(self, answer: Sequence[int]) -> list[_Tokens]:
        """Ordinary tokens together, since one character may be split over several; each mark alone."""
        runs: list[_Tokens] = []
        for is_mark, run in groupby(answer, self._marks.__contains__):
            together = tuple(run)
            runs.extend([(mark,) for mark in together] if is_mark else [together])
        return runs

    def _text(self, run: _Tokens) -> str:
        return self._marks[run[0]] if run[0] in self._marks else self._decode(run)

    def _spans(self, runs: Sequence[_Tokens]) -> list[Span]:
        """The characters of each token; a token that holds part of a character counts for the whole one."""
        spans: list[Span] = []
        start = 0
        for run in runs:
            text = self._text(run)
            ends = [_agreement(self._text(run[:length]), text) for length in range(1, len(run))]
            for first, last in zip([0, *ends], [*ends, len(text)], strict=True):
                spans.append((start + first, start + max(last, min(first + 1, len(text)))))
            start += len(text)
        return spans

    def _scores(
        self, places: Sequence[Place], runs: Sequence[_Tokens], log_masses: Sequence[float]
    ) -> tuple[float, ...] | None:
        if not places:
            return ()
        spans = np.array(self._spans(runs))
        masses = np.asarray(log_masses, np.float64)[: len(spans)]

        def log_probability(span: Span) -> float:
            return float(masses[(spans[:, 0] < span[1]) & (spans[:, 1] > span[0])].sum())

        logs = [
            log_probability(link) + log_probability(label) + log_probability(box) / 4 for label, box, link in places
        ]
        if any(map(math.isnan, logs)):
            return None
        return tuple(min(max(math.exp(min(value, 0.0)), LOWEST), HIGHEST) for value in logs)


def _agreement(beginning: str, text: str) -> int:
    """How many characters of a decoded beginning are final: half a character decodes to another one."""
    return next(
        (i for i, (one, other) in enumerate(zip(beginning, text, strict=False)) if one != other), len(beginning)
    )


def _without_repeats(decoded: Decoded, text: str) -> tuple[list[int], list[str]]:
    """Places of the detections that were not said before, and the others as they were written."""
    found = decoded.detections
    first: dict[object, int] = {}
    repeats = []
    for i, said in enumerate(zip(found.labels, found.boxes_xyxy_px, strict=True)):
        if first.setdefault(said, i) != i:
            repeats.append(f"{found.labels[i]} {text[slice(*decoded.places[i].box)]} (repeated)")
    return list(first.values()), repeats
