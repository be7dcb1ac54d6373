"""Chats as questions and answers on one picture; shared by JSON lines and Hugging Face tables.

A message has a `role` (system, user, assistant) and a `content`: a text, or a list of parts, `{"type": "text", "text":
…}` or `{"type": "image", …}`. In a plain text `<image>` only marks where the picture stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MARK = "<image>"


def exchanges(messages: Any) -> list[tuple[str | None, str | None]] | None:
    """Question and answer of each answer in a chat, in order; None where it is no chat.

    The messages before an answer (instructions, earlier turns) are the lines of its question. A chat without an answer
    is one question without an answer.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        return None
    texts: list[str] = []
    pairs: list[tuple[str | None, str | None]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            return None
        text = _text(message.get("content"))
        if text is None or message.get("role") not in ("system", "user", "assistant"):
            return None
        if message["role"] == "assistant":
            pairs.append(("\n".join(texts) or None, text))
        if text:
            texts.append(text)
    return pairs or [("\n".join(texts) or None, None)]


def pictures_in(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The pictures that parts of messages name, in order; a part may leave the name to a column."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] in ("image", "image_url"):
                values = (part.get(key) for key in ("image", "image_url", "path", "url"))
                named = next((value for value in values if value), None)
                if isinstance(named, Mapping):
                    named = named.get("url") or named.get("path")
                if isinstance(named, str):
                    yield named


def chat(question: str | None, answer: str | None, picture: str) -> list[dict[str, Any]]:
    """The messages of one question on a picture, and of its answer where there is one."""
    asked: list[dict[str, str]] = [{"type": "image", "image": picture}]
    if question is not None:
        asked.append({"type": "text", "text": question})
    messages: list[dict[str, Any]] = [{"role": "user", "content": asked}]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages


def _text(content: Any) -> str | None:
    """The words of a message; None where its content is neither a text nor a list of parts."""
    if isinstance(content, str):
        return content.replace(_MARK, "").strip() if _MARK in content else content
    if not isinstance(content, Sequence) or not all(isinstance(part, Mapping) and "type" in part for part in content):
        return None
    texts = [part.get("text") for part in content if part["type"] == "text"]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None
