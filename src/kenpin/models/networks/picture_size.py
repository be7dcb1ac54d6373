"""A network and its processor for pictures of another size than it was trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kenpin.errors import OptionError, first_line
from kenpin.models.networks.layers import is_in_stages
from kenpin.models.networks.lite0 import CELL_PX as LITE0_CELL_PX
from kenpin.models.networks.lite0 import Lite0Config


def at_size(base: str, network: Any, processor: Any, side_px: int) -> Any:
    """Change the network for square pictures with this side, and return a processor that makes them.

    Tables of positions are interpolated once, so that whatever computes the network later finds the right one. Raises
    OptionError where the side is no multiple of the patches', or the network cannot see pictures of it.
    """
    patch_px = _patch_px(network.config)
    if side_px % patch_px:
        below = side_px // patch_px * patch_px
        near = f"{below} or {below + patch_px}" if below else f"{patch_px}"
        raise OptionError(f"option `picture_px`: base {base} takes multiples of {patch_px} pixels alone; take {near}.")
    try:
        with torch.no_grad():
            for module in network.modules():
                if hasattr(module, "interpolate_pos_encoding"):
                    _interpolate(module, side_px)
                if hasattr(module, "image_size"):  # it refuses pictures of another one
                    module.image_size = side_px if isinstance(module.image_size, int) else (side_px, side_px)
            if hasattr(network.config, "image_size"):
                network.config.image_size = side_px
            network(torch.zeros(1, 3, side_px, side_px))
        return processor_at_size(processor, side_px)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:  # whatever it finds first
        raise OptionError(
            f"option `picture_px`: base {base} cannot see pictures of {side_px} pixels ({first_line(error)}); leave it "
            "out, or take another base."
        ) from error


def processor_at_size(processor: Any, side_px: int) -> Any:
    """The same, to bring pictures to this side; what it cuts off stays the same share."""
    size = {"height": side_px, "width": side_px}
    changed = {"size": size}
    if (shortest := processor.size.get("shortest_edge")) is not None:
        changed["size"] = {"shortest_edge": side_px}
    if getattr(processor, "do_center_crop", False):
        changed["crop_size"] = size
        if shortest is not None:
            changed["size"] = {"shortest_edge": round(side_px * shortest / processor.crop_size["height"])}
    return type(processor).from_dict({**processor.to_dict(), **changed})


def uncropped(processor: Any, size_wh: tuple[int, int]) -> Any:
    """The same, to bring pictures to this size without cutting anything off."""
    if not getattr(processor, "do_center_crop", False):
        return processor
    size = {"height": size_wh[1], "width": size_wh[0]}
    return type(processor).from_dict({**processor.to_dict(), "do_center_crop": False, "size": size})


def _patch_px(config: Any) -> int:
    """Of which a picture's side must be a multiple: the side of a patch, or of the coarsest cell of Lite0."""
    if isinstance(config, Lite0Config):
        return LITE0_CELL_PX
    side = getattr(config, "patch_size", None)
    side = side[0] if isinstance(side, list | tuple) else side
    return side if isinstance(side, int) and not is_in_stages(config) else 1


def _interpolate(module: Any, side_px: int) -> None:
    """Bring the positions of one embedding of patches to a picture's side."""
    patch_px = module.patch_embeddings.patch_size if hasattr(module, "patch_embeddings") else module.patch_size
    patch_px = patch_px[0] if isinstance(patch_px, list | tuple) else patch_px
    cells = (side_px // patch_px) ** 2
    embedding = getattr(module, "position_embedding", None)
    if isinstance(embedding, nn.Embedding):
        table = embedding.weight[None]
    elif isinstance(getattr(module, "position_embeddings", None), nn.Parameter):
        table = module.position_embeddings
    else:  # positions that are relative, or computed
        return
    others = table.shape[1] - int(table.shape[1] ** 0.5) ** 2
    found = module.interpolate_pos_encoding(table.new_zeros(1, others + cells, table.shape[2]), side_px, side_px)
    if isinstance(embedding, nn.Embedding):
        wider = nn.Embedding(found.shape[1], found.shape[2]).to(table)
        wider.weight.copy_(found[0])
        module.position_embedding = wider.requires_grad_(embedding.weight.requires_grad)
        module.num_positions = found.shape[1]
        module.register_buffer("position_ids", torch.arange(found.shape[1]).expand((1, -1)), persistent=False)
    else:
        module.position_embeddings = nn.Parameter(found.clone(), requires_grad=table.requires_grad)
    for holder in (module, getattr(module, "patch_embeddings", None)):
        if holder is not None and hasattr(holder, "num_patches"):
            holder.num_patches = cells
