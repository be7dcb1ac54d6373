"""A toy chat model: a tiny random LLaVA, with a tokenizer made from questions and answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kenpin.models.language.toy import toy_tokenizer
from kenpin.models.networks.seeded import seeded
from kenpin.models.vlm.bases import ChatBase, read_processor

_SIDE_PX, _PATCH_PX = 64, 8
_PAD, _BEGIN, _END, _IMAGE = _SPECIALS = ("<pad>", "<s>", "</s>", "<image>")
_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{% for part in message.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def toy_base(texts: Sequence[str], seed: int, saved_processor: Path | None = None) -> ChatBase:
    """Random weights from the seed. texts: those that a tokenizer is made for, where none was saved."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    processor = _processor(texts) if saved_processor is None else read_processor(saved_processor, LlavaConfig())
    config = LlavaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "image_size": _SIDE_PX,
            "patch_size": _PATCH_PX,
            "num_hidden_layers": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(processor.tokenizer),
            "num_hidden_layers": 2,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "pad_token_id": _SPECIALS.index(_PAD),
            "bos_token_id": _SPECIALS.index(_BEGIN),
            "eos_token_id": _SPECIALS.index(_END),
            "initializer_range": 0.06,
        },
        image_token_index=_SPECIALS.index(_IMAGE),
        image_seq_length=(_SIDE_PX // _PATCH_PX) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    with seeded(seed):
        network = LlavaForConditionalGeneration(config).eval()
    return ChatBase("toy", network, processor)


def _processor(texts: Sequence[str]) -> Any:
    from transformers import LlavaProcessor, SiglipImageProcessorPil

    specials = [*_SPECIALS, "<user>", "<assistant>"]
    tokenizer = toy_tokenizer(texts, specials=specials, marks=(), pad=_PAD, bos=_BEGIN, eos=_END)
    tokenizer.padding_side = "left"
    return LlavaProcessor(
        SiglipImageProcessorPil(size={"height": _SIDE_PX, "width": _SIDE_PX}),
        tokenizer,
        patch_size=_PATCH_PX,
        vision_feature_select_strategy="full",
        image_token=_IMAGE,
        chat_template=_TEMPLATE,
    )
