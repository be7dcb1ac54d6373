"""PaliGemma as an inspector: its token rows, its loss and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from kenpin.codecs import paligemma as codec
from kenpin.models.contract import Batch
from kenpin.models.language.bases import (
    location_ids,
)
from kenpin.models.language.detector import LanguageDetector
from kenpin.models.language.generation import Asked
from kenpin.models.language.grammar import Grammar, PaliGemmaGrammar
from kenpin.models.language.losses import IGNORED
from kenpin.models.paligemma.options import PaliGemmaOptions
from kenpin.models.paligemma.prefix_lm import PAD, prompt_inputs, teacher_forced_logits
from kenpin.models.paligemma.reference import TextRow, encode_text, preprocess_image

SEGMENTS = [f"<seg{i:03d}>" for i in range(128)]
_ASKS_FOR_BOXES = ("detect ", "segment ")


class PaliGemmaDetector(LanguageDetector):
    """PaliGemma with the question for boxes."""

    codec = codec

    def question(self) -> str:
        """`detect a ; b` with all classes."""
        return codec.prefix(self.labels)

    @property
    def end(self) -> int:
        """Gemma's end of a text."""
        return cast(int, self.tokenizer.eos_token_id)

    @property
    def room(self) -> int:
        """The tokens that are generated at most, or that `max_length` leaves beside the question."""
        question = len(self._ids(self.question())) + 2
        return min(self._options.max_new_tokens, cast(PaliGemmaOptions, self._options).max_length - question)

    @cached_property
    def locations(self) -> range:
        """Ids of `<loc0000>` to `<loc1023>`."""
        return location_ids(self.tokenizer, [codec.location(i) for i in range(codec.BINS)], self.source.id)

    def answered_in(self, prompt: str) -> Literal["boxes", "words", "either"]:
        """Boxes where the prompt asks to detect or segment."""
        return "boxes" if prompt.startswith(_ASKS_FOR_BOXES) else "either"

    def grammar(self) -> Grammar:
        """Boxes before labels. Each label is spelled as between two boxes, and as before the end."""
        box = codec.location(0)
        middle = {label: self._ids(f"{box} {label}{codec.SEPARATOR}{box}")[1:-1] for label in self.labels}
        last = {label: self._ids(f"{box} {label}")[1:] for label in self.labels}
        return PaliGemmaGrammar(middle, last, self.locations, self.end)

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures -> `pixel_values`, (n, 3, h, w) float32, exactly as the reference resizes them."""
        side_px, _ = self.image_size_wh
        return {"pixel_values": torch.stack([preprocess_image(np.asarray(image), side_px) for image in images])}

    def encode_answer_ids(self, answers: Sequence[Sequence[int]]) -> Batch:
        """Answers -> rows of question and answer, with `labels` on the answer."""
        question = self._ids(self.prompt)
        options = cast(PaliGemmaOptions, self._options)
        length = min(options.max_length, len(question) + 3 + max(map(len, answers)))
        rows = [encode_text(question, answer, length, ends_empty=True, **self._specials) for answer in answers]
        columns = TextRow(*(torch.stack(column) for column in zip(*rows, strict=True)))
        return {
            "tokens": columns.tokens,
            "mask_ar": columns.mask_ar,
            "mask_input": columns.mask_input,
            "labels": columns.tokens.masked_fill(columns.mask_loss == 0, IGNORED),
        }

    def logits(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of the answers' tokens, with two-way attention on the picture and the question before them."""
        tokens, labels = batch["tokens"], batch["labels"]
        learned = (labels != IGNORED).any(0).nonzero()[:, 0]
        logits = teacher_forced_logits(
            module,
            tokens,
            batch["mask_ar"],
            batch["mask_input"],
            columns=learned,
            **self._picture_slots,
            **self._seen(batch),
        )
        return logits, labels[:, learned]

    def asked(self, batch: Batch) -> Asked:
        """Picture and question as one prompt."""
        picture = batch.get("features", batch.get("pixel_values"))
        assert picture is not None
        prompt = [self._specials["bos"], *self._ids(self.prompt), self._specials["newline"]]
        inputs = prompt_inputs([prompt] * len(picture), **self._picture_slots, device=picture.device)
        return Asked(inputs | self._seen(batch), self.end, PAD, self.locations)

    def looks(self, layer: str) -> bool:
        """The language model's attention, whose first tokens are the picture's."""
        return "language_model" in layer and layer.endswith(".self_attn")

    @property
    def first_query(self) -> int:
        """The newline behind the question."""
        return self.picture_tokens + len(self._ids(self.prompt)) + 1

    @property
    def _picture_slots(self) -> dict[str, int]:
        return {"image_id": self.network.config.image_token_id, "picture_tokens": self.picture_tokens}

    def _seen(self, batch: Batch) -> dict[str, Any]:
        if "features" in batch:
            return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=batch["features"])}}
        return {"pixel_values": batch["pixel_values"]}

    @cached_property
    def _specials(self) -> dict[str, int]:
        (newline,) = self._ids("\n")
        return {"newline": newline, "bos": self.tokenizer.bos_token_id, "eos": self.end}
