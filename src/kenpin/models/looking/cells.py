"""The outputs of a backbone's stages, or its tokens, as grids of cells over the picture."""

from __future__ import annotations

import math
from typing import Any, cast

from torch import Tensor

from kenpin.errors import OptionError
from kenpin.models.networks.backbones import Backbone
from kenpin.models.networks.lite0 import Lite0ForImageClassification
from kenpin.plural import counted

_STRIDES = (8, 16)
"""Strides in pixels of the stages that are used of a convolutional network of transformers: finer ones see edges only,
coarser ones classes."""


def cell_outputs(backbone: Backbone, pixel_values: Tensor, stages: tuple[int, ...]) -> list[Tensor]:
    """Outputs of these stages of Lite0; of another network, of its stages with strides of 8 and 16 pixels, or its last
    layer's tokens. (n, 3, h, w) -> each (n, c, rows, columns). Raises OptionError."""
    network: Any = backbone.network
    if isinstance(network, Lite0ForImageClassification):
        outputs = network.stage_outputs(pixel_values, upto=max(stages))
        return [outputs[stage] for stage in stages]
    output = network.base_model(pixel_values, output_hidden_states=True)
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None:
        raise OptionError(f"base {backbone.id}: {type(network).__name__} gives no grid of features; take another base.")
    if hidden.ndim == 4:
        by_stride = {
            pixel_values.shape[3] // state.shape[3]: state for state in output.hidden_states if state.ndim == 4
        }
        return [by_stride[stride] for stride in _STRIDES if stride in by_stride] or [hidden]
    return [as_grid(hidden, tuple(pixel_values.shape[2:]))]


def as_grid(hidden: Tensor, size_hw: tuple[int, ...] | None) -> Tensor:
    """Tokens as the cells of a picture of this size, without class and register tokens; a grid is returned as it is.
    (n, tokens, c) -> (n, c, rows, columns). Raises OptionError."""
    if hidden.ndim == 4:
        return hidden
    height, width = cast(tuple[int, int], size_hw)
    tokens = hidden.shape[1]
    # patches are squares, and come after the few tokens of the whole picture
    rows = math.isqrt(tokens * height // width)
    while rows and (rows * width) % height:
        rows -= 1
    columns = rows * width // height
    if not rows or tokens - rows * columns > 16:
        raise OptionError(
            f"{counted(tokens, 'token')} of a picture of {width} × {height} pixels make no grid; take another base."
        )
    places = hidden[:, tokens - rows * columns :].transpose(1, 2)
    return places.reshape(hidden.shape[0], hidden.shape[2], rows, columns)
