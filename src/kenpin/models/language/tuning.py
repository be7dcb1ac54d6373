"""The trained part of a language model with pictures: adapters, attention, all but the vision part, or everything."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from kenpin.errors import MissingExtraError, OptionError
from kenpin.installing import installing
from kenpin.models.networks.lora import matching_layers
from kenpin.models.networks.quiet import expected_warnings
from kenpin.models.networks.seeded import seeded

Tuning = Literal["lora", "attention", "frozen-vision", "full", "qlora"]
VISION = ("vision_tower", "multi_modal_projector")
"""Parts of both families' networks that look at the picture; everything else is language."""
_ADAPTED = frozenset({"lora_A", "lora_B", "modules_to_save"})  # of PEFT, which restores them frozen


def prepare(
    network: nn.Module,
    tuning: Tuning,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    targets: Sequence[str],
    whole: Sequence[str] = (),
    seed: int,
) -> nn.Module:
    """The network with the part that `tuning` names trainable and the rest frozen; wrapped where it has adapters.

    targets: endings of layer names, or patterns with `*`, for adapters; whole: endings of names of layers that train
    beside them. Raises OptionError where one matches nothing.
    """
    network.requires_grad_(False)
    if tuning in ("lora", "qlora"):
        return _with_adapters(network, rank, alpha, dropout, targets, whole, seed)
    for name, parameter in network.named_parameters():
        if _trains(name, tuning):
            parameter.data = parameter.data.float()  # small steps would be lost in half-size numbers
            parameter.requires_grad_()
    return network


def _trains(name: str, tuning: Tuning) -> bool:
    if tuning == "full":
        return True
    sees = any(part in name for part in VISION)
    if tuning == "frozen-vision":
        return not sees
    return not sees and any(part.endswith("_attn") for part in name.split("."))


def _with_adapters(
    network: nn.Module,
    rank: int,
    alpha: int,
    dropout: float,
    targets: Sequence[str],
    whole: Sequence[str],
    seed: int,
) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    layers = [
        name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d) and _plain(layer)
    ]
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        use_rslora=True,
        init_lora_weights="gaussian",
        target_modules=matching_layers(layers, targets),
        modules_to_save=list(whole) or None,
        bias="none",
    )
    with seeded(seed), expected_warnings():
        adapted: nn.Module = get_peft_model(network, config)
    return adapted


def _plain(layer: nn.Module) -> bool:
    return not isinstance(layer, nn.Conv2d) or layer.groups == 1


def sees_frozen(module: nn.Module) -> bool:
    """Whether no part that sees the picture trains, or was trained as adapters: its features are then the base's
    own."""
    return not any(
        parameter.requires_grad or not _ADAPTED.isdisjoint(name.split("."))
        for name, parameter in module.named_parameters()
        if any(part in name for part in VISION)
    )


def vision_of(network: nn.Module) -> nn.Module:
    """The parts of a network that see the picture."""
    parts = (part for name, part in network.named_modules() if name.rsplit(".", 1)[-1] in VISION)
    return nn.ModuleList(parts).eval()


def freeze_randomness(module: nn.Module) -> None:
    """Keep the frozen vision part in evaluation mode while the rest trains: it must drop nothing at random."""
    for name, part in module.named_modules():
        if name.rsplit(".", 1)[-1] in VISION:
            part.train(False)
            part.train = lambda mode=True, part=part: part


def four_bit(whole: Sequence[str] = (*VISION, "lm_head")) -> Any:
    """Configuration that loads a base in four bits, all but the parts `whole`.

    Raises MissingExtraError, OptionError where that is not possible.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(f"tuning qlora needs bitsandbytes: {installing('qlora')}")
    if not torch.cuda.is_available():
        raise OptionError("option `tuning`: qlora needs a CUDA device; take lora on this machine.")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=list(whole),
    )
