"""Tiny random chat models of several classes, saved as a hub would give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from kenpin.models.language.toy import toy_tokenizer

_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "initializer_range": 0.1,
    "max_position_embeddings": 1024,
}
_VISION: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
_PARTS = "{% for part in message.content %}{{ IMAGE if part.type == 'image' else part.text }}{% endfor %}"


def save_llava(folder: Path) -> Path:
    """LLaVA 1.5: CLIP before Llama; its turns open with a word and end with the end of a text."""
    template = (
        "{% for message in messages %}{{ 'USER: ' if message.role == 'user' else 'ASSISTANT: ' }}"
        + _PARTS.replace("IMAGE", "'<image>\n'")
        + "{{ ' ' if message.role == 'user' else '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    )
    tokenizer = _tokenizer("<s>", "</s>", "<image>")
    image_processor = transformers.LlavaImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    transformers.LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)
    vision = {"model_type": "clip_vision_model", "image_size": 28, "patch_size": 14, **_VISION}
    config = transformers.LlavaConfig(
        vision_config=vision,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **_TEXT},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    return _saved(transformers.LlavaForConditionalGeneration, config, folder)


def save_smolvlm(folder: Path) -> Path:
    """SmolVLM: pictures are cut into tiles, whose tokens stand between marks; an answer follows a space."""
    template = (
        "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
        "{{ ':' if message.content[0].type == 'image' else ': ' }}"
        + _PARTS.replace("IMAGE", "'<image>'")
        + "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    marks = ["<fake_token_around_image>", "<image>", "<global-img>"]
    marks += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = _tokenizer("<|im_start|>", "<end_of_utterance>", *marks)
    image_processor = transformers.SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    transformers.Idefics3Processor(image_processor, tokenizer, image_seq_len=4, chat_template=template).save_pretrained(
        folder
    )
    config = transformers.SmolVLMConfig(
        vision_config={"image_size": 32, "patch_size": 8, **_VISION},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": 0, **_TEXT},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return _saved(transformers.SmolVLMForConditionalGeneration, config, folder)


def save_qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL: pictures keep their size and shape; places are counted in three directions."""
    return _save_qwen(folder, "Qwen2VL", {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2})


def save_qwen2_5_vl(folder: Path) -> Path:
    """Qwen2.5-VL: as Qwen2-VL, with windows of attention on pictures."""
    vision = {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 48, "window_size": 28}
    return _save_qwen(folder, "Qwen2_5_VL", {**vision, "fullatt_block_indexes": [1]})


def _save_qwen(folder: Path, name: str, vision: dict[str, Any]) -> Path:
    template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n"
        + _PARTS.replace("IMAGE", "'<|vision_start|><|image_pad|><|vision_end|>'")
        + "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    pads = {f"{kind}_token_id": f"<|{kind}_pad|>" for kind in ("image", "video")}
    tokenizer = _tokenizer(None, "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", *pads.values())
    tokenizer.chat_template = template
    image_processor = transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56}, patch_size=14
    )
    tokenizer.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    ids = {key: tokenizer.convert_tokens_to_ids(token) for key, token in pads.items()}
    for key, token in (("vision_start_token_id", "<|vision_start|>"), ("vision_end_token_id", "<|vision_end|>")):
        ids[key] = tokenizer.convert_tokens_to_ids(token)
    config = getattr(transformers, f"{name}Config")(
        vision_config={"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, **vision},
        text_config={
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
            **_TEXT,
        },
        **ids,
    )
    return _saved(getattr(transformers, f"{name}ForConditionalGeneration"), config, folder)


BASES: dict[str, Callable[[Path], Path]] = {
    "llava": save_llava,
    "smolvlm": save_smolvlm,
    "qwen2-vl": save_qwen2_vl,
    "qwen2.5-vl": save_qwen2_5_vl,
}


def _tokenizer(begin: str | None, end: str, *others: str) -> Any:
    specials = ["<pad>", *([begin] if begin else []), end, *others]
    texts = ["What is it?", "red circle, upper left", "a scratch"]
    return toy_tokenizer(texts, specials=specials, marks=(), pad="<pad>", bos=begin, eos=end)


def _saved(kind: Any, config: Any, folder: Path) -> Path:
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    return folder
