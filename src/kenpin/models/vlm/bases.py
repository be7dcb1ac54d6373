"""Chat models with pictures: any of transformers by hub id or path, its processor built without torchvision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image, Resampling

from kenpin.errors import OptionError, first_line
from kenpin.models.bases import BaseRecord, check_there
from kenpin.models.language.tuning import four_bit
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.models.networks.probe import probe_picture
from kenpin.models.networks.quiet import without_bars
from kenpin.models.vlm.turns import Turns

PARTS_THAT_SEE = ("vision_tower", "vision_model", "visual", "multi_modal_projector", "connector")
"""Names of the parts before the language model, in chat models of transformers."""


@dataclass
class ChatBase:
    """Pretrained weights with the processor that turns pictures and chats into tokens."""

    id: str
    network: Any
    processor: Any
    commit: str | None = None
    half: torch.dtype | None = None
    """16-bit number format of its weights; None: 32 or 4 bits."""

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of its processor."""
        return self.processor.tokenizer

    @property
    def image_size_wh(self) -> tuple[int, int]:
        """Width and height in pixels to which pictures, or their tiles, are resized."""
        side: int | None = getattr(self.network.config.vision_config, "image_size", None)
        # Qwen takes pictures of many sizes, and states the largest area
        side = side or isqrt(self.processor.image_processor.size["longest_edge"])
        return side, side

    @property
    def crops(self) -> bool:
        """Whether the processor cuts the ends off long pictures."""
        return bool(getattr(self.processor.image_processor, "do_center_crop", False))

    @cached_property
    def turns(self) -> Turns:
        """Its chat template."""
        return Turns(self.processor)

    def arithmetic(self) -> AbstractContextManager[object]:
        """Autocast for weights of two number formats; a training with a format of its own has set it already."""
        device = self.network.device.type
        if self.half is None or torch.is_autocast_enabled(device):
            return nullcontext()
        return torch.autocast(device, self.half)

    def record(self) -> BaseRecord:
        """Identity of the base, with its output for a fixed picture and question."""
        asked = self.turns.prompt("a")
        made = self.processor(text=[asked], images=[probe_picture(self.image_size_wh)], return_tensors="pt")
        accepted = signature(type(self.network).forward).parameters
        inputs = {name: values.to(self.network.device) for name, values in made.items() if name in accepted}
        with torch.inference_mode(), self.arithmetic():
            logits = self.network(**inputs).logits[0, -1].float()
        indices = torch.linspace(0, logits.numel() - 1, 16).long()
        return BaseRecord(self.id, self.commit, tuple(round(float(value), 4) for value in logits[indices]))


def load_base(base: str, *, dtype: str | None) -> ChatBase:
    """The chat model of this hub id or folder, in a number format, or in 4 bits.

    Raises OptionError, MissingExtraError.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText

    check_there(base)
    how = {"dtype": dtype} if dtype else {"quantization_config": four_bit((*PARTS_THAT_SEE, "lm_head"))}
    try:
        processor = read_processor(base, load_pretrained(AutoConfig, base))
        with without_bars():
            network = load_pretrained(AutoModelForImageTextToText, base, **how).eval()
    except (OSError, ValueError, KeyError) as error:
        raise OptionError(
            f"base {base!r} cannot be loaded as a chat model with pictures ({first_line(error)}); give toy, a hub "
            "id, or a folder that save_pretrained wrote."
        ) from error
    if processor.chat_template is None:
        raise OptionError(f"base {base!r}: it has no chat template; take one that was tuned on instructions.")
    half = None if dtype in (None, "float32") else getattr(torch, dtype)
    return ChatBase(base, network, processor, getattr(network.config, "_commit_hash", None), half)


def read_processor(source: str | Path, config: Any) -> Any:
    """The processor that belongs to a model's configuration, for pictures alone: parts for videos need torchvision."""
    from transformers import PROCESSOR_MAPPING, AutoImageProcessor, AutoTokenizer, Idefics3Processor

    # the same prompts; SmolVLM's own class needs packages for videos
    kind: Any = Idefics3Processor if config.model_type == "smolvlm" else PROCESSOR_MAPPING[type(config)]
    attributes = [name for name in kind.get_attributes() if "video" not in name]
    kind = type(kind.__name__, (kind,), {"get_attributes": classmethod(lambda cls: attributes)})
    tokenizer = load_pretrained(AutoTokenizer, source)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # generation continues from the last column of the prompt, so padding is on the left
    tokenizer.padding_side = "left"
    # the PIL processor by name: answers must not depend on whether torchvision is installed
    pictures = load_pretrained(AutoImageProcessor, source, backend="pil")
    parts = {"image_processor": pictures, "tokenizer": tokenizer}
    settings, _ = kind.get_processor_dict(str(source))
    processor = kind.from_args_and_dict([parts[name] for name in attributes], settings)
    processor.chat_template = processor.chat_template or tokenizer.chat_template
    return processor


def no_larger_than(image: Image, side_px: int | None) -> Image:
    """The picture, its longest side reduced to at most `side_px`."""
    if side_px is None or max(image.size) <= side_px:
        return image
    scale = side_px / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Resampling.LANCZOS)
