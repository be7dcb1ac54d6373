"""The base class of both detection families: picture and question in, scored boxes out."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from kenpin.codecs import in_reading_order
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.errors import LabelError, OptionError, RunError, first_line
from kenpin.models.bases import BaseRecord, check_base
from kenpin.models.contract import Batch, Task
from kenpin.models.framed import framing_by
from kenpin.models.language.attention_maps import detection_maps
from kenpin.models.language.bases import LanguageBase
from kenpin.models.language.decoding import LanguageDecoding
from kenpin.models.language.generation import Asked, generate_answers
from kenpin.models.language.grammar import Grammar
from kenpin.models.language.losses import IGNORED, example_losses, lengthened, token_losses
from kenpin.models.language.options import LanguageOptions
from kenpin.models.language.scores import AnswerReader
from kenpin.models.language.tuning import freeze_randomness, prepare, sees_frozen, vision_of
from kenpin.models.networks.lora import load_lora, without_adapters
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.pretrained import load_pretrained, load_tensors
from kenpin.models.networks.quiet import expected_warnings, without_bars
from kenpin.models.restoring import run_below
from kenpin.models.tiles import tiling_by
from kenpin.nearest import did_you_mean
from kenpin.plural import counted, is_are
from kenpin.records import Detections, Example, Map

_TRAINED, _ADAPTER, _WEIGHTS = "trained.safetensors", "adapter", "weights"

Detector = TypeVar("Detector", bound="LanguageDetector")


class LanguageDetector(LanguageDecoding):
    """A language model that answers with labels and boxes."""

    base: BaseRecord
    image_size_wh: tuple[int, int]
    codec: Any
    """The module of `kenpin.codecs` that writes and reads its answers."""

    def __init__(
        self, base: LanguageBase, task: Task, options: LanguageOptions, module: nn.Module | None = None
    ) -> None:
        self.labels = task.labels
        self.source, self._task, self._options = base, task, options
        self.image_size_wh = base.image_size_wh
        self.network = base.network
        self.is_half = options.frozen_dtype != "float32"
        if self.is_half:
            self.network.to(getattr(torch, options.frozen_dtype))
        self.tokenizer = base.tokenizer
        self.prompt = self.question()
        self._grammar: Grammar | None = self.grammar() if options.constrained else None
        self.base = BaseRecord(base.id, base.commit, self._probe())
        self.module: nn.Module = module or self._prepared()
        self.batch_size = options.predict_batch_size
        self.tiling, self.framing = tiling_by(options), framing_by(options)
        self.extract: OnEngine | None = None
        self.whole: OnEngine | None = None
        """What sees the picture, where it was trained and changes no more."""
        if sees_frozen(self.module):
            freeze_randomness(self.module)
            self.extract = self.looking(options.engine)

    def looking(self, engine: str) -> OnEngine:
        """What sees the picture, on an engine."""
        return OnEngine(
            self.features,
            vision_of(self.network),
            self.encode,
            processor=self.source.processor,
            size_wh=self.image_size_wh,
            engine=engine,
        )

    def settle(self) -> None:
        """What was learned changes no more: engines may compute it."""
        if self.extract is None and self._options.tuning != "qlora":
            self.whole = self.looking(self._options.engine)

    # ---- defined by each family ----

    @abstractmethod
    def question(self) -> str:
        """The prompt that asks for the boxes of the data set's classes."""

    @abstractmethod
    def grammar(self) -> Grammar:
        """The grammar of the possible answers."""

    @abstractmethod
    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures -> `pixel_values`, (n, 3, h, w) float32."""

    @abstractmethod
    def encode_answer_ids(self, answers: Sequence[Sequence[int]]) -> Batch:
        """Answers' tokens, without their end -> `labels`, (n, t) int64, IGNORED where nothing is to be learned, and the
        other inputs of `logits`."""

    @abstractmethod
    def logits(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Teacher-forced logits and the targets that they predict. -> (n, t, v), (n, t)."""

    @abstractmethod
    def asked(self, batch: Batch) -> Asked:
        """The prompts of a batch for generation."""

    @abstractmethod
    def looks(self, layer: str) -> bool:
        """Whether the layer of this name is attention from answers to the picture, whose tokens are the first keys."""

    @property
    @abstractmethod
    def first_query(self) -> int:
        """Index of the query from which the first token of an answer is predicted, in the pass of `logits`."""

    # ---- learning ----

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Refuse labels that answers cannot carry; note how many answers are longer than can be learned or
        generated."""
        for label in self.labels:
            if (problem := self.codec.problem_with(label)) is not None:
                raise LabelError(f"{training.root}: class {label!r} {problem}. Rename it.")
        longest, cut = 0, 0
        for example in training:
            length = self.answer_length(self._answer(example.boxes or Detections(), self._size_wh(example)))
            longest, cut = max(longest, length), cut + (length > self.room)
        if not cut:
            return (f"The longest answer takes {longest} of {counted(self.room, 'token')}.",)
        return (
            f"{cut} of {counted(len(training), 'answer')} {is_are(cut)} longer than the {counted(self.room, 'token')} "
            f"allowed, the longest has {longest}: the rest is not learned. Cut the pictures into tiles, or raise the "
            "number of tokens.",
        )

    @property
    @abstractmethod
    def room(self) -> int:
        """Most tokens of an answer, its end included."""

    def answer_length(self, answer: str) -> int:
        """Number of tokens of an answer, its end included."""
        return len(self._ids(answer)) + 1

    def _ids(self, text: str) -> list[int]:
        return cast(list[int], self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_answers(self, answers: Sequence[str]) -> Batch:
        """Answer texts -> the tensors of `encode_answer_ids`."""
        return self.encode_answer_ids([self._ids(answer) for answer in answers])

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Annotated boxes in reading order, as answers. Raises LabelError."""
        answers = []
        for example in examples:
            boxes = example.boxes or Detections()
            if unknown := sorted(set(boxes.labels) - set(self.labels)):
                raise LabelError(
                    f"{example.id}: class {unknown[0]!r} is not among {', '.join(self.labels)}; correct it."
                )
            answers.append(self._answer(boxes, self._size_wh(example)))
        return self.encode_answers(answers)

    def _answer(self, boxes: Detections, size_wh: tuple[int, int]) -> str:
        if self._options.constrained:
            boxes = replace(boxes, segments=None)  # the grammar admits no segments
        return cast(str, self.codec.encode(in_reading_order(boxes, size_wh, self.codec.BINS), size_wh))

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Loss summed over tokens, or over examples."""
        with self.arithmetic():
            logits, targets = self.logits(module, batch)
        losses = token_losses if self._options.loss == "token" else example_losses
        return losses(logits, targets).sum()

    def padded(self, batch: Batch, length: int) -> Batch:
        """See `Padded`."""
        return lengthened(batch, length)

    def loss_count(self, batch: Batch) -> Tensor:
        """Tokens to be learned, or examples."""
        labels = batch["labels"]
        return (labels != IGNORED).sum() if self._options.loss == "token" else torch.tensor(len(labels))

    # ---- answering ----

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Self:
        """The same model with another question, free to answer anything."""
        asked = copy.copy(self)
        asked.prompt, asked._grammar = prompt, None
        if max_new_tokens is not None:
            asked._options = self._options.model_copy(update={"max_new_tokens": max_new_tokens})
        return asked

    def answered_in(self, prompt: str) -> Literal["boxes", "words", "either"]:
        """Form of the answer to a prompt; either: boxes where the answer holds any, else words."""
        return "boxes" if prompt == self.question() else "either"

    def infer(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of the answers, (n, t), and the log-mass of each."""
        with self.arithmetic():
            answers = generate_answers(
                self.module,
                self.asked(batch),
                grammar=self._grammar,
                beams=self._options.beams,
                max_new_tokens=self._options.max_new_tokens,
            )
        return {"tokens": answers.tokens, "log_masses": answers.log_masses}

    @property
    def form(self) -> Literal["boxes", "words", "either"]:
        """Of the answers to the prompt."""
        return self.answered_in(self.prompt)

    # ---- maps ----

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """The attention of each detection's tokens; `label`: of detections of this class alone. Raises OptionError."""
        if way not in (None, "attention"):
            raise OptionError(f"option `way`: {way!r} is not for language models, which have only `attention`.")
        if label is not None and label not in self.labels:
            raise OptionError(
                f"option `label`: {label!r} is not a class of this run; {did_you_mean(label, self.labels)}"
            )
        with torch.inference_mode():
            return [detection_maps(self, *one, label) for one in zip(images, examples, strict=True)]

    @cached_property
    def reader(self) -> AnswerReader:
        """Turns tokens into scored detections."""
        tokenizer = self.tokenizer

        def text_of(ids: Sequence[int]) -> str:
            return cast(str, tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

        return AnswerReader(self.codec, text_of, self.marks, self.end)

    @property
    def marks(self) -> dict[int, str]:
        """Texts of the tokens that stand for themselves."""
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.get_added_vocab().values())
        return {id: self.tokenizer.decode([id], clean_up_tokenization_spaces=False) for id in sorted(special)}

    @property
    @abstractmethod
    def end(self) -> int:
        """The id that ends an answer."""

    # ---- base, saving and restoring ----

    def save(self, folder: Path) -> None:
        """The adapters, the trained tensors or all weights; the tokenizer beside them."""
        with without_bars(), expected_warnings():
            if self._options.tuning in ("lora", "qlora"):
                cast(Any, self.module).save_pretrained(folder / _ADAPTER, save_embedding_layers=False)
            elif self._options.tuning == "full":
                self.network.save_pretrained(folder / _WEIGHTS)
            else:
                learned = {n: p.detach().contiguous() for n, p in self.module.named_parameters() if p.requires_grad}
                save_file(learned, folder / _TRAINED)
        self.tokenizer.save_pretrained(folder / "processor")
        if self.source.processor is not None:
            self.source.processor.save_pretrained(folder / "processor")

    def restore(self, folder: Path) -> Self:
        """This inspector with the weights that `save` wrote. Raises RunError."""
        tuning = self._options.tuning
        if tuning in ("lora", "qlora"):
            fresh = replace(self.source, network=cast(Any, self.module).unload())
            with expected_warnings():
                return type(self)(fresh, self._task, self._options, load_lora(fresh.network, folder / _ADAPTER))
        try:
            if tuning == "full":
                with without_bars():
                    trained = load_pretrained(
                        type(self.network), folder / _WEIGHTS, dtype=self.network.dtype, use_safetensors=True
                    )
                self.network.load_state_dict(trained.state_dict())
            else:
                own = dict(self.module.named_parameters())
                for name, values in load_tensors(folder / _TRAINED).items():
                    own[name].data.copy_(values)
        except RunError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise RunError(
                f"{folder}: the trained weights do not fit the base ({first_line(error)}); provide the one it was "
                "trained on."
            ) from error
        return self

    def _prepared(self) -> nn.Module:
        options = self._options
        return prepare(
            self.network,
            options.tuning,
            rank=options.lora_rank,
            alpha=options.lora_alpha,
            dropout=options.lora_dropout,
            targets=options.lora_targets,
            seed=options.seed,
        )

    def features(self, pixel_values: Tensor) -> Tensor:
        """The picture tokens for the language model. (n, 3, h, w) -> (n, picture tokens, width)."""
        with self.arithmetic():
            return cast(Tensor, self.network.get_image_features(pixel_values).pooler_output)

    @cached_property
    def picture_tokens(self) -> int:
        """Number of tokens of a picture in the language model's input."""
        width, height = self.image_size_wh
        with torch.inference_mode():
            return self.features(self.on_device(torch.zeros(1, 3, height, width))).shape[1]

    def arithmetic(self) -> AbstractContextManager[object]:
        """Autocast for weights of two number formats; a training with a format of its own has set it already."""
        device = next(self.network.parameters()).device.type
        if not self.is_half or torch.is_autocast_enabled(device):
            return nullcontext()
        return torch.autocast(device, getattr(torch, self._options.frozen_dtype))

    def on_device(self, tensor: Tensor) -> Tensor:
        weight = next(self.network.parameters())
        return tensor.to(weight.device, weight.dtype if tensor.is_floating_point() else tensor.dtype)

    def _probe(self) -> tuple[float, ...]:
        """The base's output for a fixed picture and the family's question."""
        width, height = self.image_size_wh
        x, y = torch.linspace(0, 1, width).view(1, 1, 1, -1), torch.linspace(0, 1, height).view(1, 1, -1, 1)
        pixels = torch.sin(7 * x + 3 * y * y + torch.tensor([0.3, 1.1, 2.3]).view(1, 3, 1, 1))
        batch = {"pixel_values": self.on_device(pixels)} | self.encode_answers(["a"])
        with torch.inference_mode(), self.arithmetic():
            logits, _ = self.logits(self.network, {n: self.on_device(values) for n, values in batch.items()})
        last = logits[0, -1].float()
        indices = torch.linspace(0, last.numel() - 1, 16).long()
        return tuple(round(float(value), 4) for value in last[indices])

    def _size_wh(self, example: Example) -> tuple[int, int]:
        return example.size_wh or displayed_size(example.image)


def as_it_comes(
    kind: type[Detector], source: LanguageBase, options: LanguageOptions, prompt: str | None = None
) -> Detector:
    """A base that is not fine-tuned: without classes, asked `prompt`, or else the family's question."""
    inspector = kind(source, Task((), ()), options, source.network.requires_grad_(False))
    return inspector if prompt is None else inspector.prompted(prompt)


def base_of_run(options: LanguageOptions, family: str) -> LanguageBase:
    """The trained network of a run of the family, with its tokenizer, as a base. Raises RunError, OptionError."""
    below = run_below(options.base, family, tuning=options.tuning)
    before = cast(LanguageDetector, below.inspector)
    network = without_adapters(before.module.float())
    return replace(before.source, id=below.id, network=network, commit=below.commit)


def restored(inspector: LanguageDetector, folder: Path, base: BaseRecord) -> LanguageDetector:
    """The inspector with the weights that `save` wrote, where its base is that of the training. Raises RunError."""
    check_base(base, inspector.base, is_half=inspector.is_half)
    trained = inspector.restore(folder)
    trained.settle()
    return trained
