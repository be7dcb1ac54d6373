"""The chat model as an inspector: a picture and a question in, an answer in words out."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from kenpin.data.dataset import Dataset
from kenpin.errors import LabelError, OptionError, ShapeError
from kenpin.models.bases import BaseRecord
from kenpin.models.contract import Batch
from kenpin.models.language.losses import IGNORED, example_losses, lengthened, token_losses
from kenpin.models.networks.quiet import expected_warnings, without_bars
from kenpin.models.outputs import Outputs
from kenpin.models.vlm.bases import ChatBase, no_larger_than
from kenpin.models.vlm.generation import generated, settings_of, streamed
from kenpin.models.vlm.looking import Looking
from kenpin.models.vlm.options import VlmOptions
from kenpin.models.vlm.soft_tokens import RunVectors, SoftPrompted, with_room
from kenpin.plural import counted, is_are
from kenpin.records import Example, ImageSource, Prediction, Sampling

ADAPTER, WEIGHTS, PROJECTOR, EMBEDDER, CHAT = "adapter", "weights", "projector.safetensors", "embedder", "chat.json"
_ANY_QUESTION = "Describe accurately what you see."
_VECTORS, _SOFT_AT = "vectors", "soft_at"


class ChatInspector:
    """A chat model that answers a question on each picture: the example's own, or `question`."""

    labels: tuple[str, ...] = ()
    extract = None

    def __init__(
        self,
        source: ChatBase,
        network: nn.Module,
        base: BaseRecord,
        options: VlmOptions,
        *,
        question: str | None = None,
        vectors: RunVectors | None = None,
    ) -> None:
        """network: the source's, ready to train or trained; base: its record from before the training."""
        self.source, self.base, self._options, self._vectors = source, base, options, vectors
        self.image_size_wh = source.image_size_wh
        self.batch_size = options.predict_batch_size
        self.question = options.question or question or _ANY_QUESTION
        self.turns = source.turns
        self._accepted = frozenset(signature(type(source.network).forward).parameters)
        self.module: nn.Module = network
        self._looking: Looking | None = None
        # a base without a probe, asked as it comes, has no key to keep features by
        if vectors is None and base.probe and Looking.fits(network, source.network, self._accepted):
            how = {"size_wh": self.image_size_wh, "engine": options.engine}
            self._looking = Looking(source.network, self.encode, base, **how)
        if vectors is not None:
            self.module = SoftPrompted(network, vectors.dimension, options.soft_tokens, options.seed)

    # ---- inputs ----

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures with the inspector's own question."""
        return self.encode_questions(images, [Example("", ImageSource())] * len(images))

    def encode_questions(self, images: Sequence[Image], examples: Sequence[Example]) -> Batch:
        """Pictures with their questions -> prompts, `input_ids` (n, t), padded on the left, and the processor's tensors
        of the pictures, n rows each. Raises OptionError."""
        return self._asked(images, [example.prefix or self.question for example in examples])

    def shrunk(self, image: Image) -> Image:
        """No larger than the option `picture_px` says; as it is where vectors are made of it too."""
        return image if self._vectors is not None else no_larger_than(image, self._options.picture_px)

    def _asked(self, images: Sequence[Image], questions: Sequence[str], vectors: Tensor | None = None) -> Batch:
        for question in questions:
            if mark := self.turns.mark_in(question):
                raise OptionError(f"question {question!r}: {mark} means something else to the model; leave it out.")
        prompts = [self.turns.prompt(question) for question in questions]
        tokenizer = self.source.tokenizer
        begun = tokenizer.bos_token is not None and prompts[0].startswith(tokenizer.bos_token)
        made = self.source.processor(
            text=prompts,
            images=[no_larger_than(image, self._options.picture_px) for image in images],
            padding=True,
            add_special_tokens=not begun,
            return_tensors="pt",
        )
        batch = _by_picture({name: values for name, values in made.items() if name in self._accepted})
        if self._vectors is None:
            return batch
        shape, soft_tokens = batch["input_ids"].shape, self._options.soft_tokens
        beside = (batch["input_ids"] == self.source.network.config.image_token_id).int().argmax(1)
        fills = {"input_ids": tokenizer.pad_token_id, "attention_mask": 1}
        roomy = {
            name: with_room(rows, beside, soft_tokens, fills.get(name, 0))
            for name, rows in batch.items()
            if rows.shape == shape
        }
        return batch | roomy | {_SOFT_AT: beside, _VECTORS: self._vectors.of(images) if vectors is None else vectors}

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Answers -> `labels` (n, t): their tokens with their ends, IGNORED behind them."""
        rows = [torch.tensor(self.turns.answer_ids(example.suffix or "")) for example in examples]
        return {"labels": nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=IGNORED)}

    # ---- learning ----

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Refuse texts that contain special tokens of the model; note answers that are too long to be generated."""
        for example in training:
            for text in (example.prefix or "", example.suffix or ""):
                if mark := self.turns.mark_in(text):
                    raise LabelError(f"{example.id}: {mark} in a text means something else to the model; reword it.")
        room = self._options.max_new_tokens
        lengths = [len(self.turns.answer_ids(answer)) for answer in set(training.column("suffix"))]
        notes = [f"The longest answer takes {max(lengths)} of {counted(room, 'token')}."]
        if longer := sum(length > room for length in lengths):
            notes = [
                f"{counted(longer, 'answer')} {is_are(longer)} longer than the {counted(room, 'token')} allowed, the "
                f"longest has {max(lengths)}; raise --max-new-tokens."
            ]
        if None in training.column("prefix"):
            notes.append(f"Pictures without a question of their own are asked: {self.question}")
        if self.source.crops:
            notes.append(
                f"The processor of {self.source.id} cuts pictures to squares: the ends of long ones are not seen."
            )
        return tuple(notes)

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Loss summed over the tokens of the answers, or over examples; prompts have no loss."""
        logits = self.answer_logits(module, batch)
        losses = token_losses if self._options.loss == "token" else example_losses
        return losses(logits, batch["labels"]).sum()

    def padded(self, batch: Batch, length: int) -> Batch:
        """See `Padded`."""
        return batch | lengthened({"labels": batch["labels"]}, length)

    def loss_count(self, batch: Batch) -> Tensor:
        """Tokens to be learned, or examples."""
        labels = batch["labels"]
        return (labels != IGNORED).sum() if self._options.loss == "token" else torch.tensor(len(labels))

    def answer_logits(self, module: nn.Module, batch: Batch) -> Tensor:
        """Teacher-forced logits of the answers' tokens. -> (n, t, v)"""
        labels, inputs = batch["labels"], self._seen(batch)
        prompts = inputs["input_ids"]
        is_answer = (labels != IGNORED).long()
        behind = {
            "input_ids": labels.masked_fill(labels == IGNORED, self.source.tokenizer.pad_token_id),
            "attention_mask": is_answer,
        }
        for name, rows in list(inputs.items()):
            if isinstance(rows, Tensor) and rows.shape == prompts.shape:
                inputs[name] = torch.cat([rows, behind.get(name, torch.zeros_like(labels)).to(rows.dtype)], dim=1)
        if "image_grid_thw" not in inputs:  # Qwen computes its three-dimensional positions itself
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        count = labels.shape[1]
        if "logits_to_keep" in self._accepted:
            inputs["logits_to_keep"] = count + 1  # each position takes a number for each token of the vocabulary
        with self.source.arithmetic():
            return cast(Tensor, module(**inputs, use_cache=False).logits[:, -count - 1 : -1])

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """The module's inputs of a batch."""
        return _by_piece({name: rows for name, rows in batch.items() if name != "labels"})

    def _seen(self, batch: Batch) -> dict[str, Any]:
        """The inputs, with picture tokens in place of pixels where an engine computes them."""
        inputs = self._inputs(batch)
        return inputs if self._looking is None else self._looking.seen(inputs)

    # ---- answering ----

    @property
    def vector_dimension(self) -> int | None:
        """See `Conversational`."""
        return None if self._vectors is None else self._vectors.dimension

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Self:
        """The same model with another question."""
        asked = copy.copy(self)
        asked.question = prompt
        if max_new_tokens is not None:
            asked._options = self._options.model_copy(update={"max_new_tokens": max_new_tokens})
        return asked

    def infer(self, batch: Batch) -> dict[str, Tensor]:
        """Answers as `tokens` (n, t), by greedy decoding."""
        return {"tokens": self._generated(batch, self._settings(None), None)}

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Answers -> their texts."""
        rows = zip(examples, outputs["tokens"].tolist(), strict=True)
        return [Prediction(example.id, text=self.turns.text_of(row)) for example, row in rows]

    def answer(
        self,
        images: Sequence[Image],
        questions: Sequence[str],
        *,
        schema: Mapping[str, Any] | None = None,
        sampling: Sampling | None = None,
        max_new_tokens: int | None = None,
        vectors: NDArray[np.float32] | None = None,
    ) -> list[str]:
        """One answer a picture (mode RGB) and question; see `Conversational`."""
        if vectors is not None and (self._vectors is None or vectors.shape != (len(images), self._vectors.dimension)):
            wanted = "none" if self._vectors is None else f"({len(images)}, {self._vectors.dimension})"
            raise ShapeError(f"embeddings of shape {vectors.shape}; this model takes {wanted}.")
        answers: list[str] = []
        for start in range(0, len(images), self.batch_size):
            part = slice(start, start + self.batch_size)
            given = None if vectors is None else torch.from_numpy(vectors[part].astype(np.float32))
            batch = self._asked(images[part], questions[part], given)
            seed = None if sampling is None else sampling.seed + start
            with torch.inference_mode():
                settings = self._settings(max_new_tokens, schema, sampling)
                tokens = self._generated(self._placed(batch), settings, seed)
            answers += map(self.turns.text_of, tokens.tolist())
        return answers

    def stream(
        self, image: Image, question: str, *, sampling: Sampling | None = None, max_new_tokens: int | None = None
    ) -> Iterator[str]:
        """The pieces of one answer, as they come."""
        inputs = self._seen(self._placed(self._asked([image], [question])))
        seed = None if sampling is None else sampling.seed
        settings = self._settings(max_new_tokens, None, sampling)

        def generate(**given: Any) -> Any:
            with self.source.arithmetic():
                return cast(Any, self.module).generate(**given)

        self.module.eval()
        return streamed(generate, inputs, settings, seed, self.source.tokenizer)

    def _settings(
        self, max_new_tokens: int | None, schema: Mapping[str, Any] | None = None, sampling: Sampling | None = None
    ) -> dict[str, Any]:
        own = self.source.network.generation_config.eos_token_id
        ends = {self.turns.end_ids[-1], *(own if isinstance(own, list) else [own])} - {None}
        length = max_new_tokens or self._options.max_new_tokens
        return settings_of(self.source.tokenizer, sorted(ends), length, schema, sampling)

    def _generated(self, batch: Batch, settings: Mapping[str, Any], seed: int | None) -> Tensor:
        self.module.eval()
        with self.source.arithmetic():
            return generated(cast(Any, self.module).generate, self._seen(batch), settings, seed)

    def _placed(self, batch: Batch) -> Batch:
        device = self.source.network.device
        return {name: values.to(device) for name, values in batch.items()}

    # ---- saving ----

    def save(self, folder: Path) -> None:
        """Write the trained weights, the processor, the question, and the run that computes embeddings."""
        network: Any = self.module.network if isinstance(self.module, SoftPrompted) else self.module
        with without_bars(), expected_warnings():
            if self._options.tuning in ("lora", "qlora"):
                network.save_pretrained(folder / ADAPTER, save_embedding_layers=False)
            elif self._options.tuning == "full":
                network.save_pretrained(folder / WEIGHTS)
        settings: dict[str, Any] = {"question": self.question}
        if isinstance(self.module, SoftPrompted) and self._vectors is not None:
            save_file(self.module.projector.state_dict(), folder / PROJECTOR)
            self._vectors.copy_to(folder / EMBEDDER)
            settings["space"] = self._vectors.run.id
        (folder / CHAT).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
        self.source.processor.save_pretrained(folder / "processor")


def _by_picture(batch: Batch) -> Batch:
    """Rows by picture where the processor has rows by patch (Qwen), padded to the longest."""
    grid = batch.get("image_grid_thw")
    if grid is None:
        if len(batch["pixel_values"]) != len(batch["input_ids"]):
            raise OptionError(
                "this base cuts pictures into tiles, and kenpin cannot tell which picture a tile is of; take another "
                "base."
            )
        return batch
    pieces = torch.split(batch["pixel_values"], grid.prod(1).tolist())
    return batch | {"pixel_values": nn.utils.rnn.pad_sequence(list(pieces), batch_first=True)}


def _by_piece(inputs: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `_by_picture`."""
    grid = inputs.get("image_grid_thw")
    if grid is None:
        return inputs
    counts = grid.prod(1)
    is_there = torch.arange(inputs["pixel_values"].shape[1], device=counts.device) < counts[:, None]
    return inputs | {"pixel_values": inputs["pixel_values"][is_there]}
