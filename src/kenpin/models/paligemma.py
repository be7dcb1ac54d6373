"""PaliGemma: a language model that reads picture and question as one prefix and answers with boxes, labels or words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from PIL.Image import Image
from pydantic import Field
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from kenpin.codecs import paligemma as codec
from kenpin.config import TOY, OptionGroup
from kenpin.errors import OptionError
from kenpin.models._family import BaseRecord, Batch, Inspector, Task
from kenpin.models._language.bases import (
    LanguageBase,
    from_pretrained,
    location_ids,
    read_tokenizer,
    untrained_options,
)
from kenpin.models._language.detector import LanguageDetector, as_it_comes, base_of_run, restored
from kenpin.models._language.grammar import Grammar, PaliGemmaGrammar
from kenpin.models._language.losses import IGNORED
from kenpin.models._language.options import LanguageOptions
from kenpin.models._language.toy import toy_tokenizer
from kenpin.models._learning_rates import cosine_with_warmup
from kenpin.models._paligemma_npz import model_from_npz, npz_from_model
from kenpin.models._paligemma_prefix_lm import PAD, prompt_inputs, teacher_forced_logits
from kenpin.models._paligemma_reference import TextRow, encode_text, per_example_loss, preprocess_image
from kenpin.models._seeded import seeded
from kenpin.run_folder import is_run

__all__ = ["FAMILY", "PaliGemmaOptions", "cosine_with_warmup", "model_from_npz", "npz_from_model", "per_example_loss"]

_SEGMENTS = [f"<seg{i:03d}>" for i in range(128)]
_ASKS_FOR_BOXES = ("detect ", "segment ")
_CAPTION = "caption en"
"""What a base is asked that nobody asks anything: every published one was taught to answer it."""


class PaliGemmaOptions(LanguageOptions):
    """Options of `kenpin train paligemma`."""

    group: ClassVar[OptionGroup] = "model"

    toy: ClassVar[dict[str, Any]] = {
        "tuning": "full",
        "epochs": 100.0,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "evaluate_every": 200,
        "keep": "last",
        "patience": None,
    }

    base: str = Field(
        "google/paligemma-3b-pt-224",
        description="Pretrained weights: a hub id, a folder of save_pretrained, or of a run to go on from, or a "
        f"published .npz file; {TOY}.",
    )
    tokenizer: str | None = Field(
        None, description="Hub id, folder or tokenizer.json of the tokenizer, where the base is an .npz file."
    )
    lora_targets: tuple[str, ...] = Field(
        ("*language_model*.q_proj", "*language_model*.k_proj", "*language_model*.v_proj", "*language_model*.o_proj"),
        description="Endings of the names of the layers to adapt, or patterns with *.",
    )
    max_length: int = Field(512, ge=8, description="Tokens of question and answer; a longer answer is cut off.")


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
        """As many as are generated, and `max_length` leaves beside the question."""
        question = len(self._ids(self.question())) + 2
        return min(self._options.max_new_tokens, cast(PaliGemmaOptions, self._options).max_length - question)

    @cached_property
    def locations(self) -> range:
        """Ids of `<loc0000>` to `<loc1023>`."""
        return location_ids(self.tokenizer, [codec.location(i) for i in range(codec.BINS)], self.source.id)

    def answered_in(self, prompt: str) -> Literal["boxes", "words", "either"]:
        """In boxes where something is to be detected or segmented."""
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
        """Answers -> rows of question and answer, `labels` where the answer stands."""
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
        """Logits where an answer of the batch stands, the picture and the question before it seen both ways."""
        tokens, labels = batch["tokens"], batch["labels"]
        learned = (labels != IGNORED).any(0).nonzero()[:, 0]
        logits = teacher_forced_logits(
            module, tokens, batch["mask_ar"], batch["mask_input"], columns=learned, **self._places, **self._seen(batch)
        )
        return logits, labels[:, learned]

    def generation_inputs(self, batch: Batch) -> dict[str, Any]:
        """Picture and question as one prompt."""
        picture = batch.get("features", batch.get("pixel_values"))
        assert picture is not None
        prompt = [self._specials["bos"], *self._ids(self.prompt), self._specials["newline"]]
        inputs = prompt_inputs([prompt] * len(picture), **self._places, device=picture.device)
        return {"inputs": inputs | self._seen(batch), "end": self.end, "pad": PAD, "location_ids": self.locations}

    def looks(self, layer: str) -> bool:
        """The language model's attention, whose first tokens are the picture's."""
        return "language_model" in layer and layer.endswith(".self_attn")

    @property
    def first_query(self) -> int:
        """The newline behind the question."""
        return self.picture_tokens + len(self._ids(self.prompt)) + 1

    @property
    def _places(self) -> dict[str, int]:
        return {"image_id": self.network.config.image_token_id, "picture_tokens": self.picture_tokens}

    def _seen(self, batch: Batch) -> dict[str, Any]:
        if "features" in batch:
            return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=batch["features"])}}
        return {"pixel_values": batch["pixel_values"]}

    @cached_property
    def _specials(self) -> dict[str, int]:
        (newline,) = self._ids("\n")
        return {"newline": newline, "bos": self.tokenizer.bos_token_id, "eos": self.end}


class PaliGemmaFamily:
    """Inspectors that say in PaliGemma's words what is where."""

    Options = PaliGemmaOptions
    target = "boxes"
    good_alone = False

    def create(self, options: PaliGemmaOptions, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        return PaliGemmaDetector(_load(options, task), task, options)

    def restore(self, folder: Path, base: BaseRecord, options: PaliGemmaOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        return restored(PaliGemmaDetector(_load(options, task), task, options), folder, base)

    def closeness(self, config: Any) -> int:
        """Made for PaliGemma."""
        return 2 if getattr(config, "model_type", None) == "paligemma" else 0

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The base as it comes, asked for a caption. Raises OptionError, MissingExtraError."""
        options = untrained_options(PaliGemmaOptions, base, dtype)
        return as_it_comes(PaliGemmaDetector, _load(options, Task((), ())), options, prompt or _CAPTION)


def _load(options: PaliGemmaOptions, task: Task) -> LanguageBase:
    if options.base == "toy":
        return _toy(task, options.seed)
    if is_run(Path(options.base)):
        return base_of_run(options, "paligemma")
    if options.base.endswith(".npz"):
        if options.tokenizer is None:
            raise OptionError(f"base {options.base}: an .npz file holds no tokenizer; name one with --tokenizer.")
        return LanguageBase(options.base, model_from_npz(options.base), read_tokenizer(options.tokenizer))
    from transformers import PaliGemmaForConditionalGeneration

    return from_pretrained(PaliGemmaForConditionalGeneration, options, pictures=False)


def _toy(task: Task, seed: int) -> LanguageBase:
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    tokenizer = toy_tokenizer(
        [codec.prefix(task.labels), *(f" {label}{codec.SEPARATOR}" for label in task.labels)],
        specials=["<pad>", "<eos>", "<bos>", "<unk>"],
        marks=[*map(codec.location, range(codec.BINS)), *_SEGMENTS],
        pad="<pad>",
        bos="<bos>",
        eos="<eos>",
    )
    vocabulary = len(tokenizer)
    config = PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "image_size": 112,
            "patch_size": 14,
            "num_hidden_layers": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "gemma",
            "vocab_size": vocabulary,
            "num_hidden_layers": 2,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 24,
            "hidden_act": "gelu_pytorch_tanh",
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
            "initializer_range": 0.06,
        },
        image_token_index=vocabulary,
        vocab_size=vocabulary,
        projection_dim=96,
        hidden_size=96,
    )
    with seeded(seed):
        network = PaliGemmaForConditionalGeneration(config).eval()
    return LanguageBase("toy", network, tokenizer)


FAMILY = PaliGemmaFamily()
