"""Florence-2 as an inspector: its token rows, its loss and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from kenpin.codecs import florence2 as codec
from kenpin.errors import OptionError
from kenpin.files import write_json
from kenpin.models.contract import Batch
from kenpin.models.florence2.decoding import TOKENIZER, WORDS, Words
from kenpin.models.florence2.prompts import IN_BOXES, TASK, sentence_of
from kenpin.models.florence2.steps import StepsOnEngine, write_steps
from kenpin.models.language.bases import location_ids
from kenpin.models.language.detector import LanguageDetector
from kenpin.models.language.generation import Asked
from kenpin.models.language.grammar import Florence2Grammar, Grammar
from kenpin.models.language.losses import IGNORED
from kenpin.models.networks.encoding import encoder_of
from kenpin.models.networks.lora import without_adapters
from kenpin.models.networks.on_engine import OnEngine


class Florence2Detector(LanguageDetector):
    """Florence-2 with the question for boxes."""

    codec = codec
    _written_by: StepsOnEngine | None = None

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
        return Florence2Grammar(self._spelled(), self.locations, self.end)

    def _spelled(self) -> dict[str, tuple[int, ...]]:
        return {label: tuple(self._ids(f"{label}<loc_0>")[:-1]) for label in self.labels}

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures -> `pixel_values`, (n, 3, h, w) float32."""
        return encoder_of(self.source.processor, self.image_size_wh)(images)

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

    # ---- on an engine ----

    def settle(self) -> None:
        """What was learned changes no more: engines may compute it, and write the answers."""
        super().settle()
        if self._options.tuning != "qlora" and not self.is_half:
            self._written_by = StepsOnEngine(self.network, self._question, self.words)

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Self:
        """The same model with another question, free to answer anything."""
        asked = super().prompted(prompt, max_new_tokens)
        asked._written_by = None  # it reads its own question alone
        return asked

    def infer(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of the answers, (n, t), and the log-mass of each."""
        frozen = self.extract or self.whole
        if self._written_by is not None and "features" in batch and frozen is not None and frozen.is_on:
            written = self._written_by.answers_of(frozen.key, batch["features"])
            if written is not None:
                return {name: torch.from_numpy(values) for name, values in written._asdict().items()}
        return super().infer(batch)

    @cached_property
    def words(self) -> Words:
        """How it is asked, and with which tokens it answers."""
        return Words(
            start=(self.network.config.text_config.decoder_start_token_id, self.tokenizer.bos_token_id),
            end=self.end,
            pad=self.network.config.text_config.pad_token_id,
            locations=(self.locations.start, self.locations.stop),
            spelled=self._spelled() if self._options.constrained else None,
            marks=self.marks,
            beams=self._options.beams,
            max_new_tokens=self._options.max_new_tokens,
        )

    def packed(self) -> OnEngine:
        """The picture's tokens. Raises OptionError."""
        if self._options.tuning == "qlora":
            raise OptionError(
                f"base {self.source.id}: is held in 4 bits, which no package holds; train with tuning lora."
            )
        self.module = self.network = without_adapters(self.module.float())
        self.is_half = False
        return self.looking("torch")

    def write_decision(self, folder: Path) -> None:
        """How it is asked, and its tokenizer."""
        write_json(folder / WORDS, self.words.model_dump(mode="json"))
        self.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))

    def write_networks(self, folder: Path, engine: str, *, half: bool) -> None:
        """What reads the question and writes the answer. Raises whatever the converters raise."""
        write_steps(engine, self.network, self._question, self.picture_tokens, folder, half=half)

    # ---- what it looks at ----

    def looks(self, layer: str) -> bool:
        """Whether it is the decoder's cross-attention to picture and question."""
        return layer.endswith(".encoder_attn")

    first_query = 1  # the decoder's start token predicts bos

    def _seen(self, batch: Batch) -> dict[str, Any]:
        """Picture and question, as the encoder takes them."""
        picture = batch.get("features", batch.get("pixel_values"))
        assert picture is not None
        image_id = self.network.config.image_token_id
        row = torch.tensor([image_id] * self.picture_tokens + self._question, device=picture.device)
        ids = row.expand(len(picture), -1)
        mask = torch.ones_like(ids)
        if "features" not in batch:
            return {"input_ids": ids, "pixel_values": picture, "attention_mask": mask}
        words = self.network.get_input_embeddings()(ids[:, self.picture_tokens :])
        return {"inputs_embeds": torch.cat([picture.to(words.dtype), words], dim=1), "attention_mask": mask}

    @property
    def _question(self) -> list[int]:
        return [self.tokenizer.bos_token_id, *self._ids(sentence_of(self.prompt)), self.end]
