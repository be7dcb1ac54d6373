"""Bases: their identity and size, and checks of whether one is there, and is the one that a run was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.errors import OptionError, RunError
from kenpin.nearest import nearest_name
from kenpin.network import check_hub

if TYPE_CHECKING:
    from torch import nn

_MISSPELT = 0.8  # share of equal letters from which a name is not one of the hub's few without an owner


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """Identity of the pretrained weights of an inspector."""

    id: str
    commit: str | None
    """Commit hash on the hub; for a run that training continues from, `seal` and the hash of its record; None for local
    folders, packages and toy models."""
    probe: tuple[float, ...]
    """The base's output for a fixed picture: it detects a wrong base, whatever its name."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Number and size of a base's weights, known before it is loaded."""

    base: str
    weights: int
    bytes_each: float
    """Bytes that each weight takes at least once it is loaded."""

    @property
    def total_bytes(self) -> int:
        """Bytes of all weights."""
        return round(self.weights * self.bytes_each)


def trainable_share(module: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in module.parameters())


def check_there(base: str, built_in: Sequence[str] = ("toy",)) -> None:
    """Refuse a path that does not exist, and a misspelt built-in base, before it is taken for a hub id, and a hub id
    where the hub does not answer. Raises OptionError, DownloadError."""
    if "/" not in base and not Path(base).exists() and (near := nearest_name(base, built_in, like=_MISSPELT)):
        raise OptionError(f"base {base!r}: there is no such folder; did you mean `{near}`?")
    if (base.startswith(("/", ".", "~")) or base.count("/") > 1) and not Path(base).exists():
        raise OptionError(f"base {base!r}: there is no such folder; give a hub id, or a folder of save_pretrained.")
    if base not in built_in and not Path(base).exists():
        check_hub(base, "models")


def check_base(expected: BaseRecord, loaded: BaseRecord, *, is_half: bool = False) -> None:
    """Refuse a base whose output for the probe differs; `is_half`: its weights have 8 or 11 bits, so that each kind of
    processor rounds in its own way. Raises RunError with both names."""
    rounding = 1e-3 + (0.05 * max(map(abs, expected.probe), default=0.0) if is_half else 0.0)
    same = len(expected.probe) == len(loaded.probe) and all(
        abs(a - b) <= rounding + 1e-2 * abs(a) for a, b in zip(expected.probe, loaded.probe, strict=True)
    )
    if not same or (expected.commit and loaded.commit and expected.commit != loaded.commit):
        raise RunError(
            f"this run was trained on base {expected.id} (commit {expected.commit or 'none'}), but what loads as "
            f"{loaded.id} (commit {loaded.commit or 'none'}) answers differently; provide the base it was trained on."
        )
