"""Which number format a device computes natively."""

from __future__ import annotations

from typing import Literal

import torch

from kenpin.errors import OptionError

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> tuple[Precision, str]:
    """The format to compute in, and a sentence that says why. Raises OptionError where the device cannot."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        best: Precision = "bf16" if major >= 8 else "fp16" if (major, minor) >= (5, 3) else "fp32"
        name = torch.cuda.get_device_name(device)
    else:
        best = "bf16" if device.type == "cpu" and _cpu_computes_bf16() else "fp32"
        name = f"this {device.type.upper()}"
    if wanted == "auto":
        return best, f"Arithmetic in {best}, which {name} computes natively."
    if wanted == "fp16" and device.type == "cpu":
        raise OptionError("precision fp16 is not for training on a CPU; take auto, bf16 or fp32.")
    slower = "" if wanted in (best, "fp32") else f" although {name} computes {best} natively"
    return wanted, f"Arithmetic in {wanted}, as asked{slower}."


def _cpu_computes_bf16() -> bool:
    # AVX512-BF16 or AMX; without them bf16 is emulated and slower than fp32
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
