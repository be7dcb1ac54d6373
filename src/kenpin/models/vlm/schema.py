"""Answers constrained by a JSON schema token by token, so that each is complete and valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from kenpin.errors import MissingExtraError, OptionError
from kenpin.installing import installing

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_FORM: dict[str, Any] = {
    # no white space but that of json.dumps, and no escapes longer than a character's own bytes: else the length of an
    # answer would have no bound
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "json_allowed_escapes": 'bfnrt"\\',
}
_LONGEST_CHARACTER = 4  # bytes in UTF-8; an allowed escape takes 2
_UNWRITTEN = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")  # characters that these escapes would silently lose


class SchemaProcessor(LogitsProcessor):  # type: ignore[misc]
    """Admits in each row only the tokens that continue some answer of the schema.

    tokenizer: a fast one of transformers. schema: see `longest_answer`. ends: token ids that end an answer; by default
    the tokenizer's. A processor serves one call of `generate`, greedy or sampled, without beams, which must be granted
    `max_new_tokens`: no answer is then cut off. Raises OptionError where a schema bounds no answer, MissingExtraError.
    """

    def __init__(self, tokenizer: Any, schema: Mapping[str, Any], *, ends: Sequence[int] | None = None) -> None:
        self.max_new_tokens = longest_answer(schema)
        """Tokens that the longest answer can take, its end included."""
        self._ends = list(ends or [tokenizer.eos_token_id])
        self._vocabulary = _vocabulary(tokenizer, tuple(self._ends))
        self._start = _matcher(schema, self._vocabulary)
        self._rows: list[LLMatcher | None] = []
        """State of each row's answer; None: it has ended."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of the next token, (rows, vocabulary), with -inf for tokens that continue no answer."""
        if self._rows:
            self._read(input_ids[:, -1].tolist())
        else:
            self._rows = [self._start.deep_copy() for _ in range(len(scores))]
        return scores.masked_fill(~self._admitted(scores.shape[1]).to(scores.device), -torch.inf)

    def _read(self, written: list[int]) -> None:
        for row, token in enumerate(written):
            matcher = self._rows[row]
            if matcher is None:
                continue
            if token in self._ends:
                self._rows[row] = None
            elif not matcher.consume_token(token):
                raise RuntimeError(f"an answer left its schema: {matcher.get_error()}")

    def _admitted(self, vocabulary: int) -> Tensor:
        """(rows, vocabulary) bool; a network's vocabulary may be larger than its tokenizer's."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        # all tokens for a row that has ended: transformers replaces them by padding
        bits = allocate_token_bitmask(len(self._rows), self._vocabulary.vocab_size)
        for row, matcher in enumerate(self._rows):
            if matcher is not None:
                fill_next_token_bitmask(matcher, bits, row)
                if matcher.is_error():
                    raise RuntimeError(f"the schema cannot be followed: {matcher.get_error()}")
        known = np.unpackbits(bits.view(np.uint8), axis=1, count=self._vocabulary.vocab_size, bitorder="little")
        admitted = np.zeros((len(self._rows), vocabulary), bool)
        admitted[:, : known.shape[1]] = known[:, :vocabulary]
        return torch.from_numpy(admitted)


def longest_answer(schema: Mapping[str, Any]) -> int:
    """Tokens that the longest answer of a schema can take, its end included: one for each byte, the most there can be.

    The schema is made of objects without additional properties, arrays with `maxItems`, strings with `maxLength`,
    integers with `minimum` and `maximum`, booleans, null, and `enum` or `const` of words and such numbers. Raises
    OptionError for any other schema, and where nothing bounds the answer.
    """
    return _longest_bytes(schema, "schema") + 1


def _longest_bytes(schema: Any, where: str) -> int:
    if not isinstance(schema, Mapping):
        raise OptionError(f"{where}: {schema!r} is not a JSON schema; give a mapping.")
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None:
        if not choices or any(isinstance(choice, list | dict) for choice in choices):
            raise OptionError(f"{where}: a choice among {choices!r} is not among strings; list strings.")
        return max(_bytes(choice, where) for choice in choices)
    match schema.get("type"):
        case "object":
            return _longest_object(schema, where)
        case "array":
            most = _bound(schema, "maxItems", where)
            return 2 + most * _longest_bytes(schema.get("items"), f"{where}[]") + max(most - 1, 0) * len(", ")
        case "string":
            return 2 + _LONGEST_CHARACTER * _bound(schema, "maxLength", where)
        case "integer":
            return max(_bytes(_bound(schema, name, where), where) for name in ("minimum", "maximum"))
        case "boolean":
            return _bytes(False, where)
        case "null":
            return _bytes(None, where)
    raise OptionError(f"{where}: nothing says how long an answer of type {schema.get('type')!r} may be; use an enum.")


def _longest_object(schema: Mapping[str, Any], where: str) -> int:
    if schema.get("additionalProperties") is not False:
        raise OptionError(f"{where}: an object may have any properties; set `additionalProperties` to false.")
    parts = schema.get("properties", {})
    longest = [
        _bytes(name, where) + len(": ") + _longest_bytes(part, f"{where}.{name}") for name, part in parts.items()
    ]
    return 2 + sum(longest) + max(len(longest) - 1, 0) * len(", ")


def _bound(schema: Mapping[str, Any], name: str, where: str) -> int:
    bound = schema.get(name)
    if not isinstance(bound, int):
        raise OptionError(f"{where}: the answer has no bound there; give `{name}` as a whole number.")
    return bound


def _bytes(value: Any, where: str) -> int:
    if isinstance(value, str) and _UNWRITTEN.search(value):
        raise OptionError(f"{where}: {value!r} holds a control character, which no answer carries; take it out.")
    return len(json.dumps(value, ensure_ascii=False).encode())


def _matcher(schema: Mapping[str, Any], vocabulary: LLTokenizer) -> LLMatcher:
    """A matcher at the beginning of an answer."""
    from llguidance import LLMatcher

    matcher = LLMatcher(vocabulary, LLMatcher.grammar_from_json_schema(dict(schema), overrides=_FORM))
    if matcher.is_error():
        raise OptionError(f"schema: it cannot be made a grammar ({matcher.get_error()}); simplify it.")
    return matcher


@lru_cache(maxsize=2)  # a real tokenizer's takes about a second
def _vocabulary(tokenizer: Any, ends: tuple[int, ...]) -> LLTokenizer:
    try:
        from llguidance.hf import from_tokenizer
    except ImportError as error:
        if error.name != "llguidance":
            raise
        raise MissingExtraError(f"answers by a schema need llguidance: {installing('vlm')}") from error
    return from_tokenizer(tokenizer, eos_token=list(ends))
