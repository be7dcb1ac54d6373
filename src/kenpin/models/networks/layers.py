"""Layers of a network of transformers: how many it has, and what each gives, as grids of cells over the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from kenpin.errors import OptionError
from kenpin.plural import counted

_MOST_OTHER_TOKENS = 16
"""Tokens of the whole picture before those of its cells: of the class, and registers."""


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """What a layer gives."""

    grid: Tensor
    """(n, c, rows, columns)."""
    of_picture: Tensor | None = None
    """The class token, (n, c), where there is one."""

    def pooled(self) -> Tensor:
        """The class token and the mean of the cells, or the mean and the largest of each channel. -> (n, 2 c)."""
        mean = self.grid.mean(dim=(2, 3))
        return torch.cat([mean, self.grid.amax(dim=(2, 3))] if self.of_picture is None else [self.of_picture, mean], 1)


def classifies(network: Any) -> bool:
    """Whether a network of transformers has a head for classes."""
    return "ForImageClassification" in type(network).__name__


def body_of(network: Any) -> Any:
    """The network without its head."""
    name = body_name_of(network)
    return network if name is None else getattr(network, name)


def body_name_of(network: Any) -> str | None:
    """Name of the part of a classifier that sees; None where that is the network itself."""
    if not classifies(network):  # and its `base_model` may be a part of it
        return None
    if network.base_model is not network:
        return str(network.base_model_prefix)
    parts = (name for name, part in network.named_children() if isinstance(part, PreTrainedModel))
    return next(parts, None)


def layer_count(config: Any) -> int | None:
    """Number of layers, or of stages of a network that halves the picture again and again; None where the
    configuration does not tell."""
    for name in ("depths", "hidden_sizes", "encoder_hidden_sizes"):
        stages = getattr(config, name, None)
        if isinstance(stages, Sequence) and stages:
            return len(stages)
    layers = getattr(config, "num_hidden_layers", None)
    return layers if isinstance(layers, int) else None


def is_in_stages(config: Any) -> bool:
    """Whether its layers are stages, of different sizes."""
    return isinstance(getattr(config, "depths", None) or getattr(config, "hidden_sizes", None), Sequence)


def in_quarters(count: int) -> tuple[int, ...]:
    """A layer at the end of each quarter of the depth.

    >>> in_quarters(12), in_quarters(2)
    ((3, 6, 9, 12), (1, 2))
    """
    return tuple(sorted({max(1, round(count * quarter / 4)) for quarter in (1, 2, 3, 4)}))


def layer_outputs(
    body: Any, pixel_values: Tensor, layers: Sequence[int], *, has_class_token: bool
) -> list[LayerOutput]:
    """What these layers give, 1 the first; tokens each with mean 0 and deviation 1 over their channels, for layers of
    one network differ in scale. (n, 3, h, w) -> one for each layer. Raises OptionError."""
    output = body(pixel_values, output_hidden_states=True)
    # of a network with windows the tokens, and beside them the same as grids
    states = getattr(output, "reshaped_hidden_states", None) or getattr(output, "hidden_states", None)
    if states is None:
        raise OptionError(f"option `layers`: {type(body).__name__} gives none but its last; leave it out.")
    if max(layers) >= len(states) or min(layers) < 1:
        raise OptionError(
            f"option `layers`: {type(body).__name__} has {counted(len(states) - 1, 'layer')}; give numbers from 1 to "
            f"{len(states) - 1}."
        )
    return [_of_state(states[layer], tuple(pixel_values.shape[2:]), has_class_token) for layer in layers]


def _of_state(state: Tensor, size_hw: tuple[int, ...], has_class_token: bool) -> LayerOutput:
    if state.ndim == 4:
        return LayerOutput(state)
    tokens = nn.functional.layer_norm(state, state.shape[-1:])
    return LayerOutput(as_grid(tokens, size_hw), tokens[:, 0] if has_class_token else None)


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
    if not rows or tokens - rows * columns > _MOST_OTHER_TOKENS:
        raise OptionError(
            f"{counted(tokens, 'token')} of a picture of {width} × {height} pixels make no grid; take another base."
        )
    places = hidden[:, tokens - rows * columns :].transpose(1, 2)
    return places.reshape(hidden.shape[0], hidden.shape[2], rows, columns)
