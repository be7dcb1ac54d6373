"""A toy PaliGemma: a tiny random network of the real class, with a tokenizer made from the data set's own text."""

from __future__ import annotations

from kenpin.codecs import paligemma as codec
from kenpin.models.contract import Task
from kenpin.models.language.bases import (
    LanguageBase,
)
from kenpin.models.language.toy import toy_tokenizer
from kenpin.models.networks.seeded import seeded
from kenpin.models.paligemma.inspector import SEGMENTS


def toy_base(task: Task, seed: int) -> LanguageBase:
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    tokenizer = toy_tokenizer(
        [codec.prefix(task.labels), *(f" {label}{codec.SEPARATOR}" for label in task.labels)],
        specials=["<pad>", "<eos>", "<bos>", "<unk>"],
        marks=[*map(codec.location, range(codec.BINS)), *SEGMENTS],
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
