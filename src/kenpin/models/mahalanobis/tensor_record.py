"""What records of tensors alone have in common: they go to a device, and to and from the arrays of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class TensorRecord:
    """A record whose fields are tensors, all of them on one device."""

    mean: Tensor
    """Of the items of good parts' cells, (k,)."""

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        if self.mean.device == device:
            return self
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays for an `.npz` file."""
        return {field.name: getattr(self, field.name).cpu().numpy() for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`. Raises KeyError, and ValueError where they do not fit together."""
        return cls(**{field.name: torch.from_numpy(np.asarray(arrays[field.name])) for field in fields(cls)})
