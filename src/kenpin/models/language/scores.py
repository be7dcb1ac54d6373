"""From generated tokens to scored detections: each score is made of the probabilities of its tokens.

score = P(link) · P(label) · (P(x1) · P(y1) · P(x2) · P(y2))^¼

- P(label) is the product of the label's tokens: the probability of this name among all names. A mean over the tokens
  would favour long labels, since after the first token the others are nearly certain.
- P(x1) … are the masses of the locations near each corner (`writing.NEIGHBOURHOOD`), because a neighbouring bin is
  as good; one bin's own probability would fall with every bin that is as good. Their geometric mean, not their
  product: the four err together, and a box may be right at an overlap of a half though each corner is off by more.
- P(link) is the probability of the separator before this object (PaliGemma); elsewhere the choice between another
object and the end is part of the object's first token. All are under the model's own distribution, not that of the
grammar: where the model would rather have written other tokens, the score is low although the grammar admitted no
others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from kenpin.codecs import Decoded, DetectionSpans, Span, chosen
from kenpin.records import Detections

LOWEST, HIGHEST = 1e-9, 1 - 1e-7
"""Bounds of scores: float32 may round to 0 or 1, but no answer is impossible or certain."""
_Tokens = tuple[int, ...]


class Codec(Protocol):
    """The decoding half of the modules of `kenpin.codecs`."""

    def decode(self, text: str, size_wh: tuple[int, int]) -> Decoded: ...


class ReadAnswer(NamedTuple):
    """A decoded answer."""

    text: str
    detections: Detections
    """Detections without repeats; `scores` is None where one could not be computed."""
    rejected: tuple[str, ...]
    """Pieces of the answer that could not be parsed or were repeats."""


class AnswerReader:
    """Reads the answers of one model.

    decode: the text of a run of ordinary tokens, exactly, spaces included; marks: the text of the tokens that stand
    for themselves, of locations and all special ones; end: the token that ends an answer.
    """

    def __init__(
        self, codec: Codec, decode: Callable[[Sequence[int]], str], marks: Mapping[int, str], end: int
    ) -> None:
        self._codec, self._marks, self._end = codec, marks, end
        # answers repeat the same labels
        self._decode = lru_cache(maxsize=4096)(decode)

    def read(self, tokens: Sequence[int], log_masses: Sequence[float], size_wh: tuple[int, int]) -> ReadAnswer:
        """One row of `generation.Answers` -> its detections on a picture of this size, in pixels."""
        runs, text, decoded, spans = self._decoded(tokens, size_wh)
        scored = replace(decoded.detections, scores=self._scores(spans, runs, log_masses))
        kept, repeats = _without_repeats(decoded, text)
        return ReadAnswer(text, chosen(scored, kept), (*decoded.rejected, *repeats))

    def tokens_of(self, tokens: Sequence[int], size_wh: tuple[int, int]) -> list[list[int]]:
        """For each detection of `read`, the indices of the tokens of its label and its box."""
        runs, text, decoded, written = self._decoded(tokens, size_wh)
        spans = self._spans(runs)

        def tokens_within(of: DetectionSpans) -> list[int]:
            return [
                token
                for token, (first, past) in enumerate(spans)
                if any(first < end and past > start for start, end in (of.label, of.box))
            ]

        return [tokens_within(written[number]) for number in _without_repeats(decoded, text)[0]]

    def _decoded(
        self, tokens: Sequence[int], size_wh: tuple[int, int]
    ) -> tuple[list[_Tokens], str, Decoded, list[DetectionSpans]]:
        """The answer up to its end: as runs, as text, decoded, and the spans of its detections."""
        row = list(tokens)
        runs = self._runs(row[: row.index(self._end)] if self._end in row else row)
        text = "".join(self._text(run) for run in runs)
        decoded = self._codec.decode(text, size_wh)
        # the space before a label is a token of its own where the label's first word is not in the vocabulary
        spans = [p._replace(label=(len(text[: p.label[0]].rstrip()), p.label[1])) for p in decoded.spans]
        return runs, text, decoded, spans

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
        self, written: Sequence[DetectionSpans], runs: Sequence[_Tokens], log_masses: Sequence[float]
    ) -> tuple[float, ...] | None:
        if not written:
            return ()
        spans = np.array(self._spans(runs))
        masses = np.asarray(log_masses, np.float64)[: len(spans)]

        def log_probability(span: Span) -> float:
            return float(masses[(spans[:, 0] < span[1]) & (spans[:, 1] > span[0])].sum())

        logs = [
            log_probability(link) + log_probability(label) + log_probability(box) / 4 for label, box, link in written
        ]
        if any(map(math.isnan, logs)):
            return None
        return tuple(min(max(math.exp(min(value, 0.0)), LOWEST), HIGHEST) for value in logs)


def _agreement(beginning: str, text: str) -> int:
    """How many characters of a decoded beginning are final: half a character decodes to another one."""
    return next(
        (i for i, (own, other) in enumerate(zip(beginning, text, strict=False)) if own != other), len(beginning)
    )


def _without_repeats(decoded: Decoded, text: str) -> tuple[list[int], list[str]]:
    """Indices of the detections without repeats, and the repeats as they were written."""
    detections = decoded.detections
    first: dict[object, int] = {}
    repeats = []
    for i, labelled_box in enumerate(zip(detections.labels, detections.boxes_xyxy_px, strict=True)):
        if first.setdefault(labelled_box, i) != i:
            repeats.append(f"{detections.labels[i]} {text[slice(*decoded.spans[i].box)]} (repeated)")
    return list(first.values()), repeats
