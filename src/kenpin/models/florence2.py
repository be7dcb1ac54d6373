"""Florence-2: a small encoder-decoder that answers `<OD>` with labels and boxes, and other tasks with words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from PIL.Image import Image
from pydantic import Field
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from kenpin.codecs import florence2 as codec
from kenpin.config import TOY
from kenpin.errors import OptionError
from kenpin.models._family import BaseRecord, Batch, Inspector, Task
from kenpin.models._language.bases import LanguageBase, from_pretrained, location_ids, untrained_options
from kenpin.models._language.detector import LanguageDetector, as_it_comes, base_of_run, restored
from kenpin.models._language.grammar import Florence2Grammar, Grammar
from kenpin.models._language.losses import IGNORED
from kenpin.models._language.options import LanguageOptions
from kenpin.models._language.toy import toy_tokenizer
from kenpin.models._seeded import seeded
from kenpin.run_folder import is_run

QUESTIONS = {
    "<OD>": "Locate the objects with category name in the image.",
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
    "<OCR>": "What is the text in the image?",
    "<OCR_WITH_REGION>": "What is the text in the image, with regions?",
    "<DENSE_REGION_CAPTION>": "Locate the objects in the image, with their descriptions.",
    "<REGION_PROPOSAL>": "Locate the region proposals in the image.",
}
"""What each task token stands for: the network was trained on the sentences."""
QUESTIONS_WITH_WORDS = {
    "<CAPTION_TO_PHRASE_GROUNDING>": "Locate the phrases in the caption: {}",
    "<OPEN_VOCABULARY_DETECTION>": "Locate {} in the image.",
    "<REFERRING_EXPRESSION_SEGMENTATION>": "Locate {} in the image with mask",
    "<REGION_TO_SEGMENTATION>": "What is the polygon mask of region {}",
    "<REGION_TO_CATEGORY>": "What is the region {}?",
    "<REGION_TO_DESCRIPTION>": "What does the region {} describe?",
    "<REGION_TO_OCR>": "What text is in the region {}?",
}
"""The same of task tokens that words follow; these take the place of `{}`."""
_IN_BOXES = ("<OD>", "<DENSE_REGION_CAPTION>", "<CAPTION_TO_PHRASE_GROUNDING>", "<OPEN_VOCABULARY_DETECTION>")
"""Tasks answered with a label and two corners of each box; the others are answered in words, in four corners of each
text, in outlines, or in boxes without a label."""
_TASK = re.compile(r"<[A-Z_]+>")
_TOY_SIDE_PX = 128


class Florence2Options(LanguageOptions):
    """Options of `kenpin train florence2`."""

    toy: ClassVar[dict[str, Any]] = {
        "tuning": "full",
        "epochs": 150.0,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "evaluate_every": 200,
        "keep": "last",
        "patience": None,
    }

    base: str = Field(
        "florence-community/Florence-2-base-ft",
        description=f"Pretrained weights: a hub id, a folder of save_pretrained, or of a run to go on from; {TOY}.",
    )
    lora_targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "fc2", "lm_head"),
        description="Endings of the names of the layers to adapt, or patterns with *.",
    )


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
        """As many as are generated, and the decoder has positions for."""
        positions: int = self.network.config.text_config.max_position_embeddings
        return min(self._options.max_new_tokens, positions - 2)

    @cached_property
    def locations(self) -> range:
        """Ids of `<loc_0>` to `<loc_999>`."""
        return location_ids(self.tokenizer, [f"<loc_{i}>" for i in range(codec.BINS)], self.source.id)

    def answered_in(self, prompt: str) -> Literal["boxes", "words", "either"]:
        """As the prompt's task is answered."""
        task = _TASK.match(prompt)
        if task is None:
            return "either"
        return "boxes" if task.group() in _IN_BOXES else "words"

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

    def generation_inputs(self, batch: Batch) -> dict[str, Any]:
        """The encoder runs once; the answer begins after the decoder's start token and bos."""
        seen = self._seen(batch)
        if "inputs_embeds" in seen:
            encoder = self.network.get_encoder()
            read = BaseModelOutput(last_hidden_state=encoder(**seen).last_hidden_state)
            seen = {"attention_mask": seen["attention_mask"], "encoder_outputs": read}
        text = self.network.config.text_config
        return {
            "inputs": seen,
            "end": self.end,
            "pad": text.pad_token_id,
            "location_ids": self.locations,
            "start": (text.decoder_start_token_id, self.tokenizer.bos_token_id),
        }

    def looks(self, layer: str) -> bool:
        """The decoder's attention to what the encoder made of the picture and the question."""
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


def sentence_of(prompt: str) -> str:
    """What the network is asked: a task token's sentence, with the words behind it; other prompts as they are.

    Raises OptionError for a token that is no task, and for words behind a task that takes none, or the reverse.

    >>> sentence_of("<CAPTION>")
    'What does the image describe?'
    >>> sentence_of("<OPEN_VOCABULARY_DETECTION> a scratch")
    'Locate a scratch in the image.'
    """
    task = _TASK.match(prompt)
    if task is None:
        return prompt
    name, words = task.group(), prompt[task.end() :].strip()
    if name not in QUESTIONS | QUESTIONS_WITH_WORDS:
        known = ", ".join((*QUESTIONS, *QUESTIONS_WITH_WORDS))
        raise OptionError(f"option `prompt`: Florence-2 knows no task {name}; give one of {known}, or a sentence.")
    if bool(words) is not (name in QUESTIONS_WITH_WORDS):
        remedy = "leave them out" if words else f'write for instance "{name}a scratch"'
        raise OptionError(f"option `prompt`: task {name} takes {'no words' if words else 'words'} behind it; {remedy}.")
    return QUESTIONS[name] if name in QUESTIONS else QUESTIONS_WITH_WORDS[name].format(words)


class Florence2Family:
    """Inspectors that say in Florence-2's words what is where."""

    Options = Florence2Options
    target = "boxes"
    good_alone = False

    def create(self, options: Florence2Options, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        return Florence2Detector(_load(options, task), task, options)

    def restore(self, folder: Any, base: BaseRecord, options: Florence2Options, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        return restored(Florence2Detector(_load(options, task), task, options), folder, base)

    def closeness(self, config: Any) -> int:
        """Made for Florence-2."""
        return 2 if getattr(config, "model_type", None) == "florence2" else 0

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The base as it comes, asked for boxes. Raises OptionError, MissingExtraError."""
        options = untrained_options(Florence2Options, base, dtype)
        return as_it_comes(Florence2Detector, _load(options, Task((), ())), options, prompt)


def _load(options: Florence2Options, task: Task) -> LanguageBase:
    if options.base == "toy":
        return _toy(task, options.seed)
    if is_run(Path(options.base)):
        return base_of_run(options, "florence2")
    from transformers import Florence2ForConditionalGeneration

    return from_pretrained(Florence2ForConditionalGeneration, options, pictures=True)


def _toy(task: Task, seed: int) -> LanguageBase:
    from transformers import CLIPImageProcessorPil, Florence2Config, Florence2ForConditionalGeneration

    tokenizer = toy_tokenizer(
        [*task.labels, *QUESTIONS.values()],
        specials=["<s>", "<pad>", "</s>", "<unk>"],
        marks=["<image>", *(f"<loc_{i}>" for i in range(codec.BINS))],
        pad="<pad>",
        bos="<s>",
        eos="</s>",
    )
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 128,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 256,
            "decoder_ffn_dim": 256,
            "dropout": 0.0,
            "max_position_embeddings": 1024,
            # at the usual 0.02 it learns the answers' statistics without looking at the picture
            "init_std": 0.06,
        },
        vision_config={
            "depths": [1, 1, 1, 1],
            "embed_dim": [32, 64, 96, 128],
            "num_heads": [2, 2, 4, 4],
            "num_groups": [2, 2, 4, 4],
            "window_size": 4,
            "projection_dim": 128,
            "drop_path_rate": 0.0,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with seeded(seed):
        network = Florence2ForConditionalGeneration(config).eval()
    size = {"height": _TOY_SIDE_PX, "width": _TOY_SIDE_PX}
    processor = CLIPImageProcessorPil(size=size, do_center_crop=False, resample=3)
    return LanguageBase("toy", network, tokenizer, processor)


FAMILY = Florence2Family()
