"""The one way to weights, processors and tokenizers of transformers: no code that comes with them is run or asked for.

transformers asks on the terminal whether to run code that a folder names, where it is not told; and what is fetched for
an `attn_implementation` of the hub is code, too. So everything is loaded from here (a test holds that), the answer is
always no, and what names code is refused before anything of it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from kenpin.errors import RunError

MAX_SIDE_PX = 8_192
"""Longest side to which a processor may bring pictures: a batch of eight such takes 6 GB."""
_LARGEST_CONFIGURATION_BYTES = 16 * 1024**2
_OWN_IMPLEMENTATIONS = {"eager", "sdpa", "flex_attention", "grouped_mm", "batched_mm"}
"""Ways to compute attention and experts that PyTorch and transformers have themselves; others are fetched from the hub,
where their package is not installed."""
_SIZES = ("size", "crop_size", "pad_size", "max_image_size")
_LENGTHS = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")


def load_pretrained(kind: Any, source: str | Path | None, **settings: Any) -> Any:
    """`kind.from_pretrained(source)` for a class of transformers, with nothing run that comes with the weights.

    source: hub id or folder; None where `settings` hold the weights. Raises OSError, ValueError with the cause.
    """
    if source is not None:
        refuse_code(source)
    loaded = kind.from_pretrained(source, trust_remote_code=False, **settings)
    check_sizes(loaded)
    return loaded


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name. Raises RunError where it cannot be read, or a number is none."""
    try:
        tensors = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{path}: cannot be read ({error}); restore it from a copy or train again.") from error
    check_finite(tensors, path)
    return tensors


def check_finite(tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises RunError where a weight is NaN or infinite: its scores would be none, and no threshold judges them."""
    for name, values in tensors.items():
        # the sum is of one pass and without a copy; it may overflow where all are finite, and only then all are asked
        if values.is_floating_point() and not values.sum().isfinite() and not torch.isfinite(values).all():
            raise RunError(
                f"{where}: {name} holds numbers that are none (NaN or infinity); restore it from a copy or train again."
            )


def refuse_code(source: str | Path) -> None:
    """Raises ValueError where a configuration names code of its own, or an implementation that is fetched."""
    for file, configuration in _configurations(source):
        for key, value in _entries(configuration):
            if key == "auto_map" and value:
                raise ValueError(f"{file} names code of its own (auto_map), which is never run")
            named = value.values() if isinstance(value, dict) else [value]
            if key.endswith(("attn_implementation", "experts_implementation", "implementation_internal")):
                for one in named:
                    if isinstance(one, str) and one not in _OWN_IMPLEMENTATIONS:
                        raise ValueError(f"{file} names {one!r} as {key}, and nothing that computes is fetched")


def _configurations(source: str | Path) -> Iterator[tuple[str, Any]]:
    """The configurations of a folder, or of a hub id, each with its file's name."""
    from transformers import PreTrainedConfig

    folder = Path(source)
    if not folder.is_dir():
        try:
            yield "config.json", PreTrainedConfig.get_config_dict(str(source))[0]
        except (OSError, ValueError):
            return  # whoever loads it has the better error
    for path in sorted(folder.glob("*config.json")):
        if not path.is_file() or path.stat().st_size > _LARGEST_CONFIGURATION_BYTES:
            raise ValueError(f"{path.name} is no file, or larger than any configuration")
        try:
            yield path.name, json.loads(path.read_text(encoding="utf-8"))
        except RecursionError as error:
            raise ValueError(f"{path.name} is nested too deeply") from error


def _entries(configuration: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    waiting = [configuration]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found.items()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def check_sizes(loaded: Any) -> None:
    """Raises ValueError where a processor brings pictures to a size that no memory holds."""
    for name in _SIZES:
        size: Any = getattr(loaded, name, None)
        lengths_px = {key: size.get(key) or 0 for key in _LENGTHS} if hasattr(size, "get") else {}
        # Qwen's state the least and the largest area as edges
        are_areas = bool(lengths_px.get("shortest_edge") and lengths_px.get("longest_edge"))
        most = MAX_SIDE_PX**2 if are_areas else MAX_SIDE_PX
        for key, length_px in lengths_px.items():
            if isinstance(length_px, int | float) and length_px > most:
                raise ValueError(f"its processor brings pictures to {length_px:,} pixels ({key}), more than {most:,}")
