"""Raw outputs of inspectors: from tensors to arrays, and the pictures' embeddings among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from kenpin.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

Outputs = Mapping[str, NDArray[Any]]
"""Raw outputs by name, n rows each."""
Rows = TypeVar("Rows", bound="Tensor | NDArray[Any]")


def as_arrays(outputs: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """The outputs as arrays on the CPU, those of 16 bits as float32: NumPy has no bfloat16."""
    at_home = {name: values.detach().cpu() for name, values in outputs.items()}
    return {
        name: (values.float() if values.is_floating_point() and values.itemsize < 4 else values).numpy()
        for name, values in at_home.items()
    }


def vectors_of(outputs: Mapping[str, Rows]) -> Rows:
    """The pictures' embeddings (n, d) among the raw outputs: learned ones, else a frozen base's features.

    Raises OptionError where there are neither.
    """
    vectors = outputs.get("embedding", outputs.get("features"))
    if vectors is None or vectors.ndim != 2:
        raise OptionError(
            "this run's model makes no embeddings of pictures; take a run of family embedder or mahalanobis, or a "
            "classifier with tuning head."
        )
    return vectors
