"""Generation of answers, free or within a grammar, with the probability that the model itself gave to every token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from kenpin.models.language.grammar import Grammar
from kenpin.models.language.writing import Admission, log_masses, reach_of

# switches off a checkpoint's own generation settings, so that only the grammar and the model's probabilities count
# (Florence-2's forbid to repeat three tokens, which boxes do)
PLAIN: dict[str, Any] = {
    "do_sample": False,
    "num_return_sequences": 1,
    "use_cache": True,
    "min_length": 0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    **dict.fromkeys(
        [
            "bad_words_ids",
            "begin_suppress_tokens",
            "exponential_decay_length_penalty",
            "forced_bos_token_id",
            "forced_eos_token_id",
            "min_new_tokens",
            "sequence_bias",
            "suppress_tokens",
        ]
    ),
}


@dataclass(frozen=True)
class Asked:
    """Prompts for generation, and the ids of the model's special tokens."""

    inputs: Mapping[str, Any]
    """Inputs of `model.generate`, on its device. A decoder-only model's prompts are padded on the left and carry the
    masks that it needs; of an encoder-decoder model the encoder's output may be given as `encoder_outputs`."""
    end: int
    pad: int
    location_ids: range
    start: Sequence[int] = ()
    """Tokens before the answers of an encoder-decoder model (Florence-2: decoder start, bos)."""


class Answers(NamedTuple):
    """Generated answers without their prompts, each (n, t), padded behind their end."""

    tokens: Tensor
    """int64: up to and with the end token, which only an answer cut off by `max_new_tokens` lacks; then padding."""
    log_probabilities: Tensor
    """float32: log-probability of each token under the model's own distribution; 0 on padding."""
    log_masses: Tensor
    """float32: log-probability of each token; for a location token, of all locations in its NEIGHBOURHOOD together."""


def generate_answers(model: Any, asked: Asked, *, grammar: Grammar | None, beams: int, max_new_tokens: int) -> Answers:
    """Answer every prompt: greedily with one beam, else by beam search on the mean log-probability.

    grammar: of the possible answers; None: any answer.
    """
    watcher = _Watcher(grammar, beams, max_new_tokens, asked.end, asked.location_ids)
    given, start = dict(asked.inputs), asked.start
    if start:
        rows = len(next(values for values in given.values() if isinstance(values, Tensor)))
        given["decoder_input_ids"] = torch.tensor([start] * rows, device=model.device)
    output = model.generate(
        **given,
        **PLAIN,
        **({"decoder_start_token_id": start[0]} if start else {}),
        num_beams=beams,
        # as in Florence-2's own settings: without it beams append unlikely objects up to the limit
        early_stopping=beams > 1,
        max_new_tokens=max_new_tokens,
        eos_token_id=asked.end,
        pad_token_id=asked.pad,
        logits_processor=LogitsProcessorList([watcher]),
        return_dict_in_generate=True,
    )
    return watcher.answers(output.sequences, output.get("beam_indices"), asked.pad)


class _Watcher(LogitsProcessor):  # type: ignore[misc]
    """Sees each step's scores: notes the log-probabilities of the last tokens, and admits only the grammar's tokens.

    Only one step's scores are kept: a token's log-probability is looked up when the next step shows the token. Beams
    are reordered between the steps, so the row that a row continues is found by comparing their tokens.
    """

    def __init__(self, grammar: Grammar | None, beams: int, max_new_tokens: int, end: int, locations: range) -> None:
        self._admission = None if grammar is None else Admission(grammar)
        self._beams, self._limit, self._end = beams, max_new_tokens, end
        self._locations, self._reach = locations, reach_of(locations)
        self._prompt_length = 0
        self._written = torch.empty(0)
        self._log_probabilities = torch.empty(0)
        # by step, of each row: log-probabilities of the ids around the last token's (rows, 2 reach + 1), and of ending
        self._around: list[Tensor] = []
        self._ending: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of the next token, (rows, vocabulary), with -inf for what the grammar does not allow."""
        if not self._ending:
            self._prompt_length = input_ids.shape[1]
        written = input_ids[:, self._prompt_length :]
        parents = self._parents(written)
        if self._ending:
            self._around.append(self._look_around(parents, written[:, -1]))
        self._written = written
        # beam search hands over log-probabilities, greedy search plain logits
        self._log_probabilities = scores.log_softmax(1) if self._beams == 1 else scores
        self._ending.append(self._log_probabilities[:, self._end].clone())
        return scores if self._admission is None else self._only_admitted(self._admission, parents, written, scores)

    def answers(self, sequences: Tensor, beam_indices: Tensor | None, pad: int) -> Answers:
        """The returned hypotheses with the noted log-probabilities of their tokens."""
        tokens = sequences[:, self._prompt_length :]
        count, length = tokens.shape
        positions = torch.arange(length, device=tokens.device)
        ends = tokens == self._end
        ended = ends.any(1)
        behind = positions > torch.where(ended, ends.int().argmax(1), length)[:, None]
        # the row that wrote each token; its log-probability is noted in the row that continues it
        rows = torch.arange(count, device=tokens.device)[:, None].expand(count, length)
        if beam_indices is not None:
            rows = beam_indices[:, :length].long().clamp(min=0)
        around = torch.zeros(count, length, 2 * self._reach + 1, device=tokens.device)
        if length > 1:
            around[:, :-1] = torch.stack(self._around[: length - 1])[positions[:-1], rows[:, 1:]]
        # no step follows the last token of an answer that was cut off, but its scores are still in memory
        around[~ended, -1] = self._look_around(rows[~ended, -1], tokens[~ended, -1])
        ending = torch.stack(self._ending[:length])[positions, rows]
        worth = torch.where(ends, ending, around[..., self._reach])
        masses = torch.where(ends, ending, self._masses(tokens, around))
        return Answers(tokens.masked_fill(behind, pad), worth.masked_fill(behind, 0.0), masses.masked_fill(behind, 0.0))

    def _parents(self, written: Tensor) -> Tensor:
        """The rows of the step before that these continue; a beam stays with its picture. -> (rows,)."""
        rows, length = written.shape
        own = torch.arange(rows, device=written.device)
        if self._beams == 1 or length == 0:
            return own
        pictures = rows // self._beams
        now = written[:, :-1].reshape(pictures, self._beams, 1, length - 1)
        before = self._written.reshape(pictures, 1, self._beams, length - 1)
        # of two rows with the same text either will do
        within = (now == before).all(-1).int().argmax(-1).view(-1)
        return own - own % self._beams + within

    def _look_around(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """The last log-probabilities of tokens and of the ids beside them. -> (n, 2 reach + 1)."""
        reach = torch.arange(-self._reach, self._reach + 1, device=tokens.device)
        near = (tokens[:, None] + reach).clamp(0, self._log_probabilities.shape[1] - 1)
        return self._log_probabilities[rows[:, None], near]

    def _masses(self, tokens: Tensor, around: Tensor) -> Tensor:
        masses = log_masses(tokens.cpu().numpy(), around.cpu().numpy(), self._locations)
        return torch.from_numpy(masses).to(tokens.device)

    def _only_admitted(self, admission: Admission, parents: Tensor, written: Tensor, scores: Tensor) -> Tensor:
        rows, length = written.shape
        if length == 0:
            table, _ = admission.first(rows, self._limit)
        else:
            before, last = torch.stack([parents, written[:, -1]]).tolist()
            table, _ = admission.further(before, last, self._limit - length)
        admitted = torch.from_numpy(table).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, admitted, scores.gather(1, admitted))
