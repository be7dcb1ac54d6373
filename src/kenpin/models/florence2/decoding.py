"""What a package of a Florence-2 does with the picture's tokens: an engine writes the answer, and it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from kenpin.codecs import florence2 as codec
from kenpin.errors import MissingExtraError, RunError, first_line
from kenpin.files import read_json
from kenpin.installing import installing
from kenpin.models.contract import Task
from kenpin.models.language.decoding import LanguageDecoding
from kenpin.models.language.grammar import Florence2Grammar
from kenpin.models.language.scores import AnswerReader
from kenpin.models.language.writing import Ending, Ids, Logs, Written, write_answers
from kenpin.models.outputs import Outputs
from kenpin.models.resizing import Resizing
from kenpin.records import Example, Prediction
from kenpin.run.seal import REMEDY
from kenpin.runtime.calls import Calls

WORDS, TOKENIZER = "words.json", "tokenizer.json"
READ, STEP = "read", "step"
"""Folders of the networks that read picture and question, and that write a token."""


class Words(BaseModel):
    """How a model is asked, and with which tokens it answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: tuple[int, ...]
    """Before each answer."""
    end: int
    pad: int
    locations: tuple[int, int]
    """The first id of a location, and the one behind the last."""
    spelled: dict[str, tuple[int, ...]] | None
    """The ids of each label where answers are held to the grammar."""
    marks: dict[int, str]
    """The texts of the ids that stand for themselves."""
    beams: int
    max_new_tokens: int

    @property
    def ending(self) -> Ending:
        """The ids that answers are written with."""
        return Ending(self.end, self.pad, range(*self.locations))


class Florence2Steps:
    """A Florence-2 that has read its pictures, on an engine; see `language.writing.Steps`."""

    def __init__(self, read: Calls, step: Calls, features: NDArray[np.float32], words: Words) -> None:
        self._step, self._start = step, words.start
        self._seen = read(features)
        self._picture = np.arange(len(features))
        """Of each row."""
        self._length = 0
        heads, size = self._seen[0].shape[1], self._seen[0].shape[3]
        most = len(words.start) + words.max_new_tokens
        self._past = np.zeros((most, len(self._seen), len(features), heads, size), np.float32)

    def first(self) -> Logs:
        """After the tokens before each answer."""
        for token in self._start:
            logs = self._written(np.full((len(self._picture), 1), token))
        return logs

    def further(self, parents: Ids, tokens: Ids) -> Logs:
        """See `Steps`."""
        before, self._picture = self._picture, self._picture[parents]
        if len(parents) == len(before) and (parents != np.arange(len(before))).any():
            self._past[: self._length] = self._past[: self._length, :, parents]
        elif len(parents) != len(before):
            self._past = self._past[:, :, parents]
        pictures, first = np.unique(self._picture, return_index=True)
        if len(pictures) < len(self._seen[0]):  # the others are settled
            self._seen = [array[pictures] for array in self._seen]
            self._picture = np.searchsorted(pictures, self._picture)
        return self._written(tokens.reshape(len(first), -1))

    def _written(self, tokens: Ids) -> Logs:
        at = self._length
        logs, new = self._step(tokens, np.array([at]), self._past[:at], *self._seen)
        self._past[at] = new
        self._length += 1
        found: Logs = logs.reshape(tokens.size, -1)
        return found


def answers_of(read: Calls, step: Calls, features: NDArray[np.float32], words: Words) -> Written:
    """Answers for the tokens of pictures, (n, p, width)."""
    grammar = None if words.spelled is None else Florence2Grammar(words.spelled, range(*words.locations), words.end)
    steps = Florence2Steps(read, step, features, words)
    return write_answers(steps, words.ending, grammar=grammar, beams=words.beams, max_new_tokens=words.max_new_tokens)


class PackedFlorence2(LanguageDecoding):
    """A Florence-2 in a package."""

    def __init__(self, task: Task, words: Words, text_of: Callable[[Sequence[int]], str]) -> None:
        self.labels, self._task, self._words, self._text_of = task.labels, task, words, text_of
        self._read: Calls
        self._step: Calls

    def open_networks(self, load: Callable[[str], Calls]) -> None:
        """Load what it answers with. load: the network in a folder of this name beside the decision files."""
        self._read, self._step = load(READ), load(STEP)

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Pictures' tokens -> answers -> predictions."""
        written = answers_of(self._read, self._step, outputs["features"], self._words)
        return super().decode(written._asdict(), examples)

    @cached_property
    def reader(self) -> AnswerReader:
        """See `LanguageDecoding`."""
        return AnswerReader(codec, self._text_of, self._words.marks, self._words.end)


def of_package(folder: Path, task: Task, options: Mapping[str, Any], resizing: Resizing) -> PackedFlorence2:
    """The decoding of a package whose decision files are in this folder. Raises RunError, MissingExtraError."""
    try:
        words = Words.model_validate(read_json(folder / WORDS))
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{folder / WORDS}: {field} is missing or wrong; {REMEDY}.") from error
    return PackedFlorence2(task, words, _tokenizer(folder / TOKENIZER))


def _tokenizer(file: Path) -> Callable[[Sequence[int]], str]:
    """Ids -> their exact text."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError(f"a package that answers in words needs tokenizers: {installing('words')}") from error
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # it raises nothing narrower
        raise RunError(f"{file}: cannot be read as a tokenizer ({first_line(error)}); {REMEDY}.") from error

    def text_of(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False))

    return text_of
