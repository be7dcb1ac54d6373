"""Answers written token after token from log-probabilities, within a grammar or free; whatever computes these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kenpin.models.language.grammar import Admitted, Grammar, State

NEIGHBOURHOOD = 0.01
"""How far from a location, as a share of the frame, other locations count as equal."""
_NEVER = np.float32(-1e9)  # below every score, and unlike -inf still a number
Ids = NDArray[np.int64]
Logs = NDArray[np.float32]


class Steps(Protocol):
    """A language model that has read the prompts of n pictures."""

    def first(self) -> Logs:
        """Log-probabilities of the first token of each answer, (n, vocabulary)."""

    def further(self, parents: Ids, tokens: Ids) -> Logs:
        """Log-probabilities of the next token, (rows, vocabulary), where each row goes on with a token from a row of
        the call before. A picture's rows lie together, and each picture that is still written has as many."""


class Ending(NamedTuple):
    """The ids of a model that answers are written with."""

    end: int
    pad: int
    locations: range


class Written(NamedTuple):
    """Answers without their prompts, each (n, t), padded behind their end; see `generation.Answers`."""

    tokens: Ids
    log_masses: Logs


class Admission:
    """What a grammar admits as the next token of each row, while answers are written."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._states: list[State] = []

    def first(self, rows: int, remaining: int) -> tuple[Ids, NDArray[np.bool_]]:
        """At the beginning of answers of at most `remaining` tokens; see `further`."""
        self._states = [self._grammar.start] * rows
        return self._table(remaining)

    def further(self, parents: Sequence[int], tokens: Sequence[int], remaining: int) -> tuple[Ids, NDArray[np.bool_]]:
        """After each row went on with a token from a row of the call before. -> ids (rows, most), each row filled up
        with one of its own, and where it was."""
        steps = zip(parents, tokens, strict=True)
        self._states = [self._grammar.advance(self._states[parent], token) for parent, token in steps]
        return self._table(remaining)

    def _table(self, remaining: int) -> tuple[Ids, NDArray[np.bool_]]:
        return _table([self._grammar.allowed(state, max(remaining, 1)) for state in self._states])


def _table(admitted: Sequence[Admitted]) -> tuple[Ids, NDArray[np.bool_]]:
    lengths = np.array([len(ids) + len(run) for ids, run in admitted])
    table = np.empty((len(admitted), int(lengths.max())), np.int64)
    for row, (ids, run) in zip(table, admitted, strict=True):
        row[:] = ids[0] if ids else run.start
        row[: len(ids)] = ids
        row[len(ids) : len(ids) + len(run)] = np.arange(run.start, run.stop)
    return table, np.arange(table.shape[1]) >= lengths[:, None]


def reach_of(locations: range) -> int:
    """How many locations on each side of one count as equal to it."""
    return round(NEIGHBOURHOOD * len(locations))


def log_masses(tokens: Ids, around: Logs, locations: range) -> Logs:
    """Log-probability of each token, (…); of a location token that of all locations in its NEIGHBOURHOOD together.

    around: (…, 2 reach + 1), log-probabilities of the ids around each token.
    """
    reach = around.shape[-1] // 2
    near = tokens[..., None] + np.arange(-reach, reach + 1)
    apart = np.where((near >= locations.start) & (near < locations.stop), around, -np.inf)
    most = np.maximum(apart.max(-1), np.finfo(np.float32).min)
    with np.errstate(divide="ignore"):  # of other tokens nothing is left, and their own probability is taken
        masses = most + np.log(np.exp(apart - most[..., None]).sum(-1))
    is_location = (tokens >= locations.start) & (tokens < locations.stop)
    found: Logs = np.where(is_location, masses, around[..., reach]).astype(np.float32)
    return found


def write_answers(steps: Steps, ending: Ending, *, grammar: Grammar | None, beams: int, max_new_tokens: int) -> Written:
    """Write an answer of each picture: with one beam the likeliest token each time, else by beam search on the mean
    log-probability, as `generate` of transformers does with early stopping. A picture is left as soon as its answer is
    settled.

    grammar: of the possible answers; None: any answer.
    """
    logs = steps.first()
    search = _Search(len(logs), beams, max_new_tokens, ending)
    logs, admission = np.repeat(logs, beams, axis=0), None if grammar is None else Admission(grammar)
    admitted = None if admission is None else admission.first(len(logs), max_new_tokens)
    for length in range(max_new_tokens):
        chosen = search.go_on(logs, admitted, length)
        if chosen is None:
            break
        parents, tokens = chosen
        logs = steps.further(parents // beams if length == 0 else parents, tokens)
        if admission is not None:
            admitted = admission.further(parents.tolist(), tokens.tolist(), max_new_tokens - length - 1)
    return search.written()


class _Texts(NamedTuple):
    """Rows of tokens and their log-masses, each (pictures, rows, most tokens), and their scores, (pictures, rows)."""

    tokens: Ids
    masses: Logs
    scores: Logs

    def of(self, rows: Ids) -> _Texts:
        """These rows of each picture. rows: (pictures, k)."""
        tokens = np.take_along_axis(self.tokens, rows[..., None], 1)
        masses = np.take_along_axis(self.masses, rows[..., None], 1)
        return _Texts(tokens, masses, np.take_along_axis(self.scores, rows, 1))


class _Search:
    """Beam search over the pictures whose answers are not settled yet."""

    def __init__(self, pictures: int, beams: int, most: int, ending: Ending) -> None:
        self._beams, self._most, self._ending = beams, most, ending
        self._open = np.arange(pictures)
        shape = (pictures, beams, most)
        empty = _Texts(np.full(shape, ending.pad), np.zeros(shape, np.float32), np.full(shape[:2], _NEVER))
        self._best = empty
        self._is_done = np.zeros((pictures, beams), bool)
        begun = empty.scores.copy()
        begun[:, 0] = 0.0  # all beams of a picture are equal yet, and only one may go on
        self._running = empty._replace(scores=begun)
        self._answers = Written(np.full((pictures, most), ending.pad), np.zeros((pictures, most), np.float32))

    def go_on(self, logs: Logs, admitted: tuple[Ids, NDArray[np.bool_]] | None, length: int) -> tuple[Ids, Ids] | None:
        """Add the token at index `length`. -> rows that go on, and with which tokens; None where all is settled."""
        found, parents = self._candidates(logs, admitted, length)
        is_end = (found.tokens[:, :, length] == self._ending.end) | (length + 1 == self._most)
        self._keep_best(found, is_end, length)
        behind = np.where(is_end, found.scores + _NEVER, found.scores)
        on = _best(behind, self._beams)
        self._running = found.of(on)._replace(scores=np.take_along_axis(behind, on, 1))
        parents = np.take_along_axis(parents, on, 1)
        is_settled = self._is_done.all(1) | is_end.all(1)
        self._settle(is_settled)
        if not len(self._open):
            return None
        return parents[~is_settled].ravel(), self._running.tokens[:, :, length].ravel()

    def _candidates(
        self, logs: Logs, admitted: tuple[Ids, NDArray[np.bool_]] | None, length: int
    ) -> tuple[_Texts, Ids]:
        """The best continuations of each picture, twice as many as beams, best first, and the rows that they go on
        from."""
        pictures, beams = self._running.scores.shape
        values = logs
        if admitted is not None:
            values = np.where(admitted[1], -np.inf, np.take_along_axis(logs, admitted[0], 1)).astype(np.float32)
        most = values.shape[1]
        total = (self._running.scores[..., None] + values.reshape(pictures, beams, most)).reshape(pictures, -1)
        if total.shape[1] < 2 * beams:  # of so few tokens that none is left for some beams
            total = np.pad(total, ((0, 0), (0, 2 * beams - total.shape[1])), constant_values=-np.inf)
        best = _best(total, 2 * beams)
        within = np.minimum(best // most, beams - 1)
        rows = within + beams * np.arange(pictures)[:, None]
        tokens = best % most if admitted is None else admitted[0][rows, best % most]
        found = self._running.of(within)
        found.tokens[:, :, length] = tokens
        found.masses[:, :, length] = self._masses(logs, rows, tokens)
        return found._replace(scores=np.take_along_axis(total, best, 1)), rows

    def _masses(self, logs: Logs, rows: Ids, tokens: Ids) -> Logs:
        reach = reach_of(self._ending.locations)
        near = (tokens[..., None] + np.arange(-reach, reach + 1)).clip(0, logs.shape[1] - 1)
        return log_masses(tokens, logs[rows[..., None], near], self._ending.locations)

    def _keep_best(self, found: _Texts, is_end: NDArray[np.bool_], length: int) -> None:
        """Take over the answers that are complete; the second half of the candidates only stands in for those."""
        is_new = is_end & (np.arange(2 * self._beams) < self._beams)
        worth = found.scores / np.float32(length + 1)
        worth = worth + np.where(self._is_done.all(1, keepdims=True), _NEVER, np.float32(0))
        worth = worth + np.where(is_new, np.float32(0), _NEVER)
        both = zip(self._best, found._replace(scores=worth), strict=True)
        merged = _Texts(*(np.concatenate(parts, axis=1) for parts in both))  # type: ignore[arg-type]
        kept = _best(merged.scores, self._beams)
        self._best = merged.of(kept)
        self._is_done = np.take_along_axis(np.concatenate([self._is_done, is_new], axis=1), kept, 1)

    def _settle(self, is_settled: NDArray[np.bool_]) -> None:
        """Hand over the answers of these pictures, and leave them."""
        done = self._open[is_settled]
        self._answers.tokens[done] = self._best.tokens[is_settled, 0]
        self._answers.log_masses[done] = self._best.masses[is_settled, 0]
        self._open, self._is_done = self._open[~is_settled], self._is_done[~is_settled]
        self._best, self._running = (
            _Texts(*(part[~is_settled] for part in texts))  # type: ignore[arg-type]
            for texts in (self._best, self._running)
        )

    def written(self) -> Written:
        """The answers, cut to the longest."""
        tokens, masses = self._answers
        ends = tokens == self._ending.end
        lengths = np.where(ends.any(1), ends.argmax(1) + 1, self._most)
        behind = np.arange(self._most) >= lengths[:, None]
        longest = int(lengths.max(initial=0))
        padded = np.where(behind, self._ending.pad, tokens)[:, :longest]
        return Written(padded, np.where(behind, np.float32(0), masses)[:, :longest])


def _best(values: Logs, count: int) -> Ids:
    """Columns of the highest values of each row, highest first, the earlier one of equals. -> (rows, count)."""
    columns = np.arange(values.shape[1])[None].repeat(len(values), 0)
    if values.shape[1] > 4 * count:
        columns = np.sort(np.argpartition(-values, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(values, columns, 1), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(columns, order, 1)
