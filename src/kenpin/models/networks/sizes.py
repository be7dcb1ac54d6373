"""Number of weights of a base, from its configuration alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kenpin.models.bases import Announced
from kenpin.models.networks.backbones import BUILT_IN
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.run.record import TOGETHER

FOUR_BITS = "4 bits"


def announced_by(base: str, dtype: str | None = None) -> Announced | None:
    """Number and size of weights by the configuration of a model of transformers; None where there is none.

    dtype: number format that the weights are loaded in, `FOUR_BITS` among them; None: as the configuration says.
    """
    import transformers

    try:
        config = load_pretrained(transformers.AutoConfig, base)
        kind = getattr(transformers, config.architectures[0])
        with torch.device("meta"):
            network = kind(config)
    except Exception:  # noqa: BLE001 loading a broken base gives the better error
        return None
    count = sum(parameter.numel() for parameter in network.parameters())
    if dtype == FOUR_BITS:
        return Announced(base, count, 0.5)
    kept = dtype or config.dtype or "float32"
    return Announced(base, count, (getattr(torch, kept) if isinstance(kept, str) else kept).itemsize)


def announced_together(bases: Sequence[str]) -> Announced | None:
    """Number and size of the weights of all these, of which built-in ones are too small to count; None where none is
    known."""
    known = [found for base in bases if base not in BUILT_IN and (found := announced_by(base)) is not None]
    if len(known) < 2:
        return known[0] if known else None
    weights = sum(one.weights for one in known)
    return Announced(TOGETHER.join(one.base for one in known), weights, sum(one.total_bytes for one in known) / weights)
