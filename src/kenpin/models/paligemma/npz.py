"""PaliGemma's published `.npz` checkpoints: read as a transformers model, and written back under the same names."""

from __future__ import annotations

import math
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from kenpin.arrays import Arrays, Header, open_npz
from kenpin.errors import OptionError
from kenpin.files import check_free, new_file
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.models.networks.quiet import without_bars

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
    """Names of one weight's axes, `*` where it merges several; the array's leading axes that are not among them count
    the weights."""
    weights: tuple[str, ...]
    """Two where the axis `2` chooses between them; `{}` is the layer."""

    def order(self) -> list[int]:
        """Indices of a weight's axes, before merging, among the array's axes that do not count weights."""
        own = self.weight_axes.replace("*", " ").split()
        return [self.axes.split()[-len(own) :].index(axis) for axis in own]

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in self.axes.split())

    def weight_shape(self, sizes: Mapping[str, int], merged: bool = True) -> list[int]:
        """Shape of one weight; with `merged` false, with the axes that it merges still apart."""
        axes = self.weight_axes.split() if merged else self.weight_axes.replace("*", " ").split()
        return [math.prod(sizes[part] for part in axis.split("*")) for axis in axes]

    def weights_in(self, sizes: Mapping[str, int]) -> Iterator[tuple[tuple[int, ...], str]]:
        """Index in the array and name in transformers of each weight."""
        for index in np.ndindex(self.shape(sizes)[: -len(self.order())]):
            yield index, self.weights[index[-1] if len(self.weights) > 1 else 0].format(*index)


def _arrays(published: str, weights: str, *rows: tuple[str, str, str, str]) -> tuple[_Array, ...]:
    return tuple(
        _Array(published + name, axes, own, tuple(weights + weight for weight in names.split()))
        for name, axes, own, names in rows
    )


_ATTENTION = "img/Transformer/encoderblock/MultiHeadDotProductAttention_0/"
_HEADS_IN = ("image_layers image_width image_heads image_head_size", "image_heads*image_head_size image_width")
_HEADS_BIAS = ("image_layers image_heads image_head_size", "image_heads*image_head_size")
_HEADS_OUT = ("image_layers image_heads image_head_size image_width", "image_width image_heads*image_head_size")
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
        _ATTENTION,
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
        ("attn/q_einsum/w", "layers heads width head_size", "heads*head_size width", "self_attn.q_proj.weight"),
        ("attn/kv_einsum/w", "layers 2 kv_heads width head_size", "kv_heads*head_size width",
         "self_attn.k_proj.weight self_attn.v_proj.weight"),
        ("attn/attn_vec_einsum/w", "layers heads head_size width", "width heads*head_size", "self_attn.o_proj.weight"),
        ("mlp/gating_einsum", "layers 2 width mlp", "mlp width", "mlp.gate_proj.weight mlp.up_proj.weight"),
        ("mlp/linear", "layers mlp width", "width mlp", "mlp.down_proj.weight"),
        ("pre_attention_norm/scale", "layers width", "width", "input_layernorm.weight"),
        ("pre_ffw_norm/scale", "layers width", "width", "post_attention_layernorm.weight"),
    ),
)  # fmt: skip


def model_from_npz(path: str | Path, dtype: torch.dtype = torch.float32) -> PaliGemmaForConditionalGeneration:
    """The transformers model of a big_vision checkpoint, in evaluation mode, with its sizes taken from the arrays.

    Names may begin with `params/` (published) or not (saved by big_vision's notebook); float16, float32, float64 and
    bfloat16 (2-byte void) arrays are converted to `dtype`. The image token is the id after the last one of the
    vocabulary. Raises OptionError, one sentence that names file, array and remedy.
    """
    path = Path(path)
    headers = _headers(path)
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in headers) else ""
    expected = {prefix + array.name for array in _ARRAYS}
    for name in sorted(expected - headers.keys()):
        raise OptionError(f"{path}: array {name} is missing; {_SHORTAGE}.")
    for name in sorted(headers.keys() - expected):
        raise OptionError(f"{path}: array {name} belongs to no PaliGemma 1 checkpoint; remove it, or {_SHORTAGE}.")
    for name, (_, kind) in headers.items():
        if kind not in _READABLE:
            raise OptionError(f"{path}: array {name} is of type {kind}; write it as float16, bfloat16 or float32.")
    sizes = _sizes(path, prefix, {name: shape for name, (shape, _) in headers.items()})
    weights: dict[str, Tensor] = {}
    with open_npz(path) as arrays:
        for array in _ARRAYS:
            stacked = _read(path, arrays, prefix + array.name)
            for index, weight in array.weights_in(sizes):
                part = stacked[index].permute(array.order()).reshape(array.weight_shape(sizes))
                weights[weight] = part.to(dtype, copy=True, memory_format=torch.contiguous_format)
    with without_bars():
        model, report = load_pretrained(
            PaliGemmaForConditionalGeneration,
            None,
            config=_config(sizes),
            state_dict=weights,
            dtype=dtype,
            output_loading_info=True,
        )
    if wrong := sorted(report["missing_keys"] | report["unexpected_keys"]):
        # a weight under another name would stay random without any other error
        raise RuntimeError(f"this release of transformers names {wrong[0]} differently; install the one kenpin states.")
    return model


def npz_from_model(
    model: PaliGemmaForConditionalGeneration,
    path: str | Path,
    dtype: torch.dtype | None = None,
    *,
    vocabulary: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write a PaliGemma 1 model under the published names, the inverse of `model_from_npz` bit for bit.

    dtype: float16, bfloat16 (as 2-byte void) or float32; None keeps the type of each weight. vocabulary: number of
    embedding rows to write; None: all. transformers' own checkpoints have rows that the published ones lack (257216,
    257152). Raises OptionError, OutputExistsError.
    """
    path = Path(path)
    check_free(path, overwrite)
    sizes = _sizes_of(model.config)
    weights: dict[str, Tensor] = model.state_dict()
    expected = {weight for array in _ARRAYS for _, weight in array.weights_in(sizes)}
    head = weights.pop("lm_head.weight", None)
    for weight in sorted(weights.keys() ^ expected):
        raise OptionError(
            f"{path}: a published checkpoint has no room for a model "
            f"{'with' if weight in weights else 'without'} the weight {weight}; merge adapters, and give a PaliGemma 1."
        )
    if head is not None and not torch.equal(head, weights["model.language_model.embed_tokens.weight"]):
        raise OptionError(f"{path}: a published checkpoint has no room for an lm_head of its own; tie it again.")
    with new_file(path, overwrite=overwrite) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for array in _ARRAYS:
            shape = array.shape(sizes)
            back = np.argsort(array.order()).tolist()
            parts = [
                weights[weight].detach().cpu().reshape(array.weight_shape(sizes, merged=False)).permute(back)
                for _, weight in array.weights_in(sizes)
            ]
            stacked = torch.stack(parts).reshape(shape)
            if array.name == "llm/embedder/input_embedding":
                stacked = stacked[:vocabulary]
            with archive.open(f"{_PREFIX}{array.name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, _as_numpy(path, array.name, stacked, dtype), allow_pickle=False)


def _headers(path: Path) -> dict[str, Header]:
    """Shape and type of every array, without reading the gigabytes behind them."""
    try:
        with open_npz(path) as arrays:
            return arrays.headers
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read as an .npz checkpoint ({error}); {_SHORTAGE}.") from error


def _read(path: Path, arrays: Arrays, name: str) -> Tensor:
    try:
        array = arrays.read(name)
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: array {name} cannot be read ({error}); copy the file again.") from error
    if array.dtype.kind == "V":  # NumPy has no bfloat16
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _as_numpy(path: Path, name: str, weights: Tensor, dtype: torch.dtype | None) -> NDArray[Any]:
    converted = weights.to(dtype or weights.dtype)
    if converted.dtype not in _WRITABLE:
        raise OptionError(f"{path}: array {name} cannot be {converted.dtype}; write float16, bfloat16 or float32.")
    if not torch.isfinite(converted).all():
        raise OptionError(
            f"{path}: array {name} would hold numbers that are not finite in {converted.dtype}; write float32, and "
            "where that fails too, go back to a checkpoint from before the training diverged."
        )
    if converted.dtype == torch.bfloat16:
        return converted.view(torch.int16).numpy().view("V2")
    return converted.numpy()


def _sizes(path: str | Path, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Size of each axis, as most arrays have it. Raises OptionError that names the array that does not fit."""
    votes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for array in _ARRAYS:
        axes, shape = array.axes.split(), shapes[prefix + array.name]
        if len(shape) != len(axes) or 0 in shape:
            raise OptionError(
                f"{path}: array {prefix}{array.name} has shape {shape}; its axes must be {', '.join(axes)}, none of "
                f"them empty: {_SHORTAGE}."
            )
        for axis, size in zip(axes, shape, strict=True):
            votes[axis][size] += 1
    sizes = {axis: int(axis) if axis.isdigit() else count.most_common(1)[0][0] for axis, count in votes.items()}
    for array in _ARRAYS:
        if (shape := shapes[prefix + array.name]) != array.shape(sizes):
            raise OptionError(
                f"{path}: array {prefix}{array.name} has shape {shape}, but the other arrays make its axes "
                f"({', '.join(array.axes.split())}) {array.shape(sizes)}; {_SHORTAGE}."
            )
    for name, holds, rule in (
        ("img/embedding/kernel", sizes["patch_height"] == sizes["patch_width"], "patches are square"),
        ("img/pos_embedding", math.isqrt(sizes["patches"]) ** 2 == sizes["patches"], "pictures are square"),
        (
            f"{_ATTENTION}query/kernel",
            sizes["image_heads"] * sizes["image_head_size"] == sizes["image_width"],
            "heads times head size is the width of the image model",
        ),
        ("llm/layers/attn/kv_einsum/w", sizes["heads"] % sizes["kv_heads"] == 0, "query heads share key heads evenly"),
        ("llm/layers/attn/q_einsum/w", sizes["head_size"] % 2 == 0, "rotary positions need an even head size"),
    ):
        if not holds:
            raise OptionError(
                f"{path}: array {prefix}{name} has shape {shapes[prefix + name]}, but in PaliGemma {rule}; {_SHORTAGE}."
            )
    return sizes


def _sizes_of(config: PaliGemmaConfig) -> dict[str, int]:
    image, text = config.vision_config, config.text_config
    return {
        "1": 1,
        "2": 2,
        "3": 3,
        "patch_height": image.patch_size,
        "patch_width": image.patch_size,
        "patches": (image.image_size // image.patch_size) ** 2,
        "image_layers": image.num_hidden_layers,
        "image_width": image.hidden_size,
        "image_mlp": image.intermediate_size,
        "image_heads": image.num_attention_heads,
        "image_head_size": image.hidden_size // image.num_attention_heads,
        "vocabulary": text.vocab_size,
        "layers": text.num_hidden_layers,
        "width": text.hidden_size,
        "mlp": text.intermediate_size,
        "heads": text.num_attention_heads,
        "kv_heads": text.num_key_value_heads,
        "head_size": text.head_dim,
    }


def _config(sizes: Mapping[str, int]) -> PaliGemmaConfig:
    # settings that no shape shows are stated, even where they are defaults of today's transformers
    return PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "image_size": math.isqrt(sizes["patches"]) * sizes["patch_height"],
            "patch_size": sizes["patch_height"],
            "num_hidden_layers": sizes["image_layers"],
            "hidden_size": sizes["image_width"],
            "intermediate_size": sizes["image_mlp"],
            "num_attention_heads": sizes["image_heads"],
            "layer_norm_eps": 1e-6,
            "hidden_act": "gelu_pytorch_tanh",
            "vision_use_head": False,
        },
        text_config={
            "model_type": "gemma",
            "vocab_size": sizes["vocabulary"],
            "num_hidden_layers": sizes["layers"],
            "hidden_size": sizes["width"],
            "intermediate_size": sizes["mlp"],
            "num_attention_heads": sizes["heads"],
            "num_key_value_heads": sizes["kv_heads"],
            "head_dim": sizes["head_size"],
            "rms_norm_eps": 1e-6,
            "hidden_act": "gelu_pytorch_tanh",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        },
        image_token_index=sizes["vocabulary"],
        vocab_size=sizes["vocabulary"],
        projection_dim=sizes["width"],
        hidden_size=sizes["width"],
    )
