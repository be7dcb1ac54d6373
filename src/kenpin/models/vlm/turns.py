"""Turns of a chat as the base's own template writes them: a picture and a question, then the answer and its end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

_MARK = "\u2402"


class Turns:
    """The chat template of one processor."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer

    def prompt(self, question: str) -> str:
        """A picture and a question, up to where the answer begins."""
        return self._written([_asked(question)], answered=False)

    def answer_ids(self, answer: str) -> list[int]:
        """Tokens of an answer behind its prompt, its end included."""
        opening, _ = self._frame
        return self._ids(opening + answer) + self.end_ids

    @cached_property
    def end_ids(self) -> list[int]:
        """Tokens that end an answer: those that the template writes behind one, up to the first special token."""
        behind = self._ids(self._frame[1])
        special = next((index for index, id in enumerate(behind) if id in self._tokenizer.all_special_ids), None)
        return [self._tokenizer.eos_token_id] if special is None else behind[: special + 1]

    def text_of(self, ids: Sequence[int]) -> str:
        """Generated tokens as text."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return cast(str, text).strip()

    def mark_in(self, text: str) -> str | None:
        """The first special token in a text, which the model would read as such; None where there is none."""
        return next((mark for mark in self._marks if mark in text), None)

    @cached_property
    def _marks(self) -> list[str]:
        return sorted({*self._tokenizer.all_special_tokens, self._processor.image_token})

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """The template's text between a prompt and its answer, and behind the answer."""
        asked = self.prompt("?")
        answer = {"role": "assistant", "content": [{"type": "text", "text": _MARK}]}
        before, mark, behind = self._written([_asked("?"), answer], answered=True).partition(_MARK)
        return (before[len(asked) :], behind) if mark and before.startswith(asked) else ("", "")

    def _written(self, messages: list[dict[str, Any]], *, answered: bool) -> str:
        return cast(str, self._processor.apply_chat_template(messages, add_generation_prompt=not answered))

    def _ids(self, text: str) -> list[int]:
        return cast(list[int], self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _asked(question: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
