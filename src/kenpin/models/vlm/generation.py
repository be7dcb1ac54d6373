"""Generation of words: greedy or sampled, constrained by a schema if one is given, at once or streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from kenpin.models.language.generation import PLAIN
from kenpin.models.networks.seeded import seeded
from kenpin.records import Sampling

Generate = Callable[..., Any]


def settings_of(
    tokenizer: Any,
    end_ids: list[int],
    max_new_tokens: int,
    schema: Mapping[str, Any] | None = None,
    sampling: Sampling | None = None,
) -> dict[str, Any]:
    """Settings of `generate`, which replace the checkpoint's own; answers of a schema are never cut off.

    Raises OptionError, MissingExtraError.
    """
    settings: dict[str, Any] = PLAIN | {
        "max_new_tokens": max_new_tokens,
        "eos_token_id": end_ids,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if sampling is not None:
        # a checkpoint's own cuts would come on top
        cuts = {"temperature": sampling.temperature, "min_p": sampling.min_p, "top_k": 0, "top_p": 1.0}
        settings |= {"do_sample": True, **cuts}
    if schema is not None:
        from kenpin.models.vlm.schema import SchemaProcessor

        processor = SchemaProcessor(tokenizer, schema, ends=end_ids)
        settings |= {"logits_processor": LogitsProcessorList([processor]), "max_new_tokens": processor.max_new_tokens}
    return settings


def generated(generate: Generate, inputs: Mapping[str, Any], settings: Mapping[str, Any], seed: int | None) -> Tensor:
    """Tokens behind each prompt, (n, t), padded behind their end. seed: for sampling."""
    with _drawn(seed):
        output: Tensor = generate(**inputs, **settings)
    return output[:, inputs["input_ids"].shape[1] :]


def streamed(
    generate: Generate, inputs: Mapping[str, Any], settings: Mapping[str, Any], seed: int | None, tokenizer: Any
) -> Iterator[str]:
    """The text of one answer in pieces, as they are generated. Closing the iterator ends the generation."""
    pieces = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    is_left, failures = Event(), list[BaseException]()

    def work() -> None:
        try:
            with torch.inference_mode(), _drawn(seed):
                stopping = StoppingCriteriaList([_Left(is_left)])
                generate(**inputs, **settings, streamer=pieces, stopping_criteria=stopping)
        except BaseException as error:  # noqa: BLE001 it is raised again by the iterator
            failures.append(error)
            pieces.on_finalized_text("", stream_end=True)

    worker = Thread(target=work, daemon=True)
    worker.start()
    try:
        yield from filter(None, pieces)
    finally:
        is_left.set()
        worker.join()
    if failures:
        raise failures[0]


class _Left(StoppingCriteria):  # type: ignore[misc]
    """Stops the generation once the iterator is closed."""

    def __init__(self, is_left: Event) -> None:
        self._is_left = is_left

    def __call__(self, input_ids: Tensor, scores: Any, **settings: Any) -> Tensor:
        return torch.full((len(input_ids),), self._is_left.is_set(), device=input_ids.device)


def _drawn(seed: int | None) -> AbstractContextManager[None]:
    return nullcontext() if seed is None else seeded(seed)
