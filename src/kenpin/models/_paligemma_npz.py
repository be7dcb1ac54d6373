"""PaliGemma's published `.npz` checkpoints: read as a transformers model, and written back under the same names."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from kenpin.errors import OptionError, OutputExistsError
from kenpin.models._quiet import without_bars

_PREFIX = "params/"
_SHORTAGE = "give a whole PaliGemma 1 checkpoint as big_vision publishes it"
_READABLE = tuple(np.dtype(name) for name in ("float16", "float32", "float64", "V2"))
_WRITABLE = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True, slots=True)
class _Array:
    """One published array: its axes, and the weights of transformers that are stacked in it."""

    name: str
    axes: str
    """Names of the array's axes; a number stands for its own size."""
    weight_axes: str
    """Names of one weight's axes, `*` where it merges several; the array's leading axes that are not here count the
    weights."""
    weights: tuple[str, ...]
    """Two where the axis `2` chooses between them; `{}` is the layer."""

    def order(self) -> list[int]:
        """Where a weight's axes, before merging, stand among the array's axes that do not count weights."""
        own = self.weight_axes.replace("*", " ").split()
        return [self.axes.split()[-len(own) :].index(axis) for axis in own]

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in self.axes.split())

    def weight_shape(self, sizes: Mapping[str, int], merged: bool = True) -> list[int]:
        """Shape of one weight; with `merged` false, with the axes that it merges still apart."""
        axes = self.weight_axes.split() if merged else self.weight_axes.replace("*", " ").split()
        return [math.prod(sizes[part] for part in axis.split("*")) for axis in axes]

    def places(self, sizes: Mapping[str, int]) -> Iterator[tuple[tuple[int, ...], str]]:
        """Index in the array and name in transformers of each weight."""
        for index in np.ndindex(self.shape(sizes)[: -len(self.order())]):
            yield index, self.weights[index[-1] if len(self.weights) > 1 else 0].format(*index)


def _arrays(published: str, weights: str, *rows: tuple[str, str, str, str]) -> tuple[_Array, ...]:
    return tuple(
        _Array(published + name, axes, own, tuple(weights + weight for weight in names.split()))
        for name, axes, own, names in rows
    )


_HEADS_IN = ("image_layers image_width image_heads image_head", "image_heads*image_head image_width")
_HEADS_BIAS = ("image_layers image_heads image_head", "image_heads*image_head")
_HEADS_OUT = ("image_layers image_heads image_head image_width", "image_width image_heads*image_head")
_IMAGE_NORM = ("image_layers image_width", "image_width")
# google-research/big_vision, models/vit.py, models/ppp/gemma.py and models/proj/paligemma/paligemma.py
_ARRAYS = (
    *_arrays(
        "img/",
        "model.",
        ("embedding/kernel", "patch_height patch_width 3 image_width", "image_width 3 patch_height patch_width",
         "vision_tower.embeddings.patch_embedding.weight"),
        ("embedding/bias", "image_width", "image_width", "vision_tower.embeddings.patch_embedding.bias"),
        ("pos_embedding", "1 patches image_width", "patches image_width",
         "vision_tower.embeddings.position_embedding.weight"),
        ("Transformer/encoder_norm/scale", "image_width", "image_width", "vision_tower.post_layernorm.weight"),
        ("Transformer/encoder_norm/bias", "image_width", "image_width", "vision_tower.post_layernorm.bias"),
        ("head/kernel", "image_width width", "width image_width", "multi_modal_projector.linear.weight"),
        ("head/bias", "width", "width", "multi_modal_projector.linear.bias"),
    ),
    *_arrays(
        "img/Transformer/encoderblock/",
        "model.vision_tower.encoder.layers.{}.",
        ("LayerNorm_0/scale", *_IMAGE_NORM, "layer_norm1.weight"),
        ("LayerNorm_0/bias", *_IMAGE_NORM, "layer_norm1.bias"),
        ("LayerNorm_1/scale", *_IMAGE_NORM, "layer_norm2.weight"),
        ("LayerNorm_1/bias", *_IMAGE_NORM, "layer_norm2.bias"),
        ("MlpBlock_0/Dense_0/kernel", "image_layers image_width image_mlp", "image_mlp image_width", "mlp.fc1.weight"),
        ("MlpBlock_0/Dense_0/bias", "image_layers image_mlp", "image_mlp", "mlp.fc1.bias"),
        ("MlpBlock_0/Dense_1/kernel", "image_layers image_mlp image_width", "image_width image_mlp", "mlp.fc2.weight"),
        ("MlpBlock_0/Dense_1/bias", *_IMAGE_NORM, "mlp.fc2.bias"),
    ),
    *_arrays(
        "img/Transformer/encoderblock/MultiHeadDotProductAttention_0/",
        "model.vision_tower.encoder.layers.{}.self_attn.",
        ("query/kernel", *_HEADS_IN, "q_proj.weight"),
        ("query/bias", *_HEADS_BIAS, "q_proj.bias"),
        ("key/kernel", *_HEADS_IN, "k_proj.weight"),
        ("key/bias", *_HEADS_BIAS, "k_proj.bias"),
        ("value/kernel", *_HEADS_IN, "v_proj.weight"),
        ("value/bias", *_HEADS_BIAS, "v_proj.bias"),
        ("out/kernel", *_HEADS_OUT, "out_proj.weight"),
        ("out/bias", *_IMAGE_NORM, "out_proj.bias"),
    ),
    *_arrays(
        "llm/",
        "model.language_model.",
        ("embedder/input_embedding", "vocabulary width", "vocabulary width", "embed_tokens.weight"),
        ("final_norm/scale", "width", "width", "norm.weight"),
    ),
    *_arrays(
        "llm/layers/",
        "model.language_model.layers.{}.",
        ("attn/q_einsum/w", "layers heads width head", "heads*head width", "self_attn.q_proj.weight"),
        ("attn/kv_einsum/w", "layers 2 kv_heads width head", "kv_heads*head width",
         "self_attn.k_proj.weight model.language_model.layers.{}.self_attn.v_proj.weight"),
        ("attn/attn_vec_einsum/w", "layers heads head width", "width heads*head", "self_attn.o_proj.weight"),
        ("mlp/gating_einsum", "layers 2 width mlp", "mlp width", "mlp.gate_proj.weight mlp.up_proj.weight"),
        ("mlp/linear", "layers mlp width", "width mlp", "mlp.down_proj.weight"),
        ("pre_attention_norm/scale", "layers width", "width", "input_layernorm.weight"),
        ("pre_ffw_norm/scale", "layers width", "width", "post_attention_layernorm.weight"),
    ),
)  # fmt: skip
