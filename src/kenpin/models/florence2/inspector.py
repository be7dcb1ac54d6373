"""Florence-2 as an inspector: its token rows, its loss and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, cast

import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from kenpin.codecs import florence2 as codec
from kenpin.models.contract import Batch
from kenpin.models.florence2.prompts import IN_BOXES, TASK, sentence_of
from kenpin.models.language.bases import location_ids
from kenpin.models.language.detector import LanguageDetector
from kenpin.models.language.generation import Asked
from kenpin.models.language.grammar import Florence2Grammar, Grammar
from kenpin.models.language.losses import IGNORED


class Florence2Detector(LanguageDetector):
    """Florence-2 with the question for boxes."""

    codec = codec

    def question(self) -> str:
        """The task `<OD>`."""
        return "<OD>"

    @property
    def end(self) -> int:
        """BART's end of a text."""
        return cast(int, self.tokenizer.eos_token_id)

    @property
    def room(self) -> int:
        """The tokens that are generated at most, or that the decoder has positions for."""
        positions: int = self.network.config.text_config.max_position_embeddings
        return min(self._options.max_new_tokens, positions - 2)

    @cached_property
    def locations(self) -> range:
        """Ids of `<loc_0>` to `<loc_999>`."""
        return location_ids(self.tokenizer, [f"<loc_{i}>" for i in range(codec.BINS)], self.source.id)

    def answered_in(self, prompt: str) -> Literal["boxes", "words", "either"]:
        """The form of answers to the prompt's task."""
        task = TASK.match(prompt)
        if task is None:
            return "either"
        return "boxes" if task.group() in IN_BOXES else "words"

    def grammar(self) -> Grammar:
        """Labels before boxes."""
        spelled = {label: self._ids(f"{label}<loc_0>")[:-1] for label in self.labels}
        return Florence2Grammar(spelled, self.locations, self.end)

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures -> `pixel_values`, (n, 3, h, w) float32."""
        pixels = self.source.processor(images=list(images), return_tensors="pt")["pixel_values"]
        return {"pixel_values": cast(Tensor, pixels)}

    def encode_answer_ids(self, answers: Sequence[Sequence[int]]) -> Batch:
        """Answers -> `labels`: bos, answer, eos."""
        bos = self.tokenizer.bos_token_id
        rows = [[bos, *[*answer, self.end][: self.room]] for answer in answers]
        longest = max(map(len, rows))
        return {"labels": torch.tensor([row + [IGNORED] * (longest - len(row)) for row in rows])}

    def logits(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The decoder's logits for each label, which begins from the decoder's start token."""
        labels = batch["labels"]
        text = self.network.config.text_config
        written = labels.masked_fill(labels == IGNORED, text.pad_token_id)[:, :-1]
        begun = torch.cat([written.new_full((len(written), 1), text.decoder_start_token_id), written], dim=1)
        output = module(**self._seen(batch), decoder_input_ids=begun, use_cache=False)
        return output.logits, labels

    def asked(self, batch: Batch) -> Asked:
        """The encoder runs once; the answer begins after the decoder's start token and bos."""
        seen = self._seen(batch)
        if "inputs_embeds" in seen:
            encoder = self.network.get_encoder()
            read = BaseModelOutput(last_hidden_state=encoder(**seen).last_hidden_state)
            seen = {"attention_mask": seen["attention_mask"], "encoder_outputs": read}
        text = self.network.config.text_config
        start = (text.decoder_start_token_id, self.tokenizer.bos_token_id)
        return Asked(seen, self.end, text.pad_token_id, self.locations, start)

    def looks(self, layer: str) -> bool:
        """Whether it is the decoder's cross-attention to picture and question."""
        return layer.endswith(".encoder_attn")

    first_query = 1  # the decoder's start token predicts bos

    def _seen(self, batch: Batch) -> dict[str, Any]:
        """Picture and question, as the encoder takes them."""
        picture = batch.get("features", batch.get("pixel_values"))
        assert picture is not None
        question = [self.tokenizer.bos_token_id, *self._ids(sentence_of(self.prompt)), self.end]
        image_id = self.network.config.image_token_id
        row = torch.tensor([image_id] * self.picture_tokens + question, device=picture.device)
        ids = row.expand(len(picture), -1)
        mask = torch.ones_like(ids)
        if "features" not in batch:
            return {"input_ids": ids, "pixel_values": picture, "attention_mask": mask}
        words = self.network.get_input_embeddings()(ids[:, self.picture_tokens :])
        return {"inputs_embeds": torch.cat([picture.to(words.dtype), words], dim=1), "attention_mask": mask}
