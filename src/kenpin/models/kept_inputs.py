"""Network inputs of all pictures of a training, computed once: in memory, or as features on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.models.contract import Batch, Progress, Trainable
from kenpin.models.inference import opened_batches, store_of
from kenpin.models.networks.shared_features import Store
from kenpin.records import Example, ImageSource

KEPT_BYTES = 256 * 1024**2
"""Limit of the network inputs that are kept in memory while training."""


@dataclass(frozen=True)
class StoredFeatures:
    """Features in the feature store, read picture by picture."""

    store: Store

    def of(self, contents: Sequence[str]) -> list[Tensor] | None:
        """The features of pictures with these content hashes; None where those of one of them are gone, for other runs
        may have dropped them."""
        found = self.store.get(contents)
        features = [torch.from_numpy(np.array(array)) for array in found if array is not None]
        return features if len(features) == len(contents) else None


@dataclass(frozen=True)
class KeptInputs:
    """Network inputs of all pictures of a data set, in memory: `encode`d pictures, or features."""

    rows: Batch
    """Tensors with a row for each picture; the targets are among them where each is a number."""
    examples: Sequence[Example] | None
    """Without the pictures' bytes; None where the targets are among the rows."""

    def batch(self, indices: Sequence[int]) -> tuple[Sequence[Example] | None, Batch]:
        """The examples and rows of these indices."""
        at = torch.tensor(indices)
        examples = None if self.examples is None else [self.examples[index] for index in indices]
        return examples, {name: rows.index_select(0, at) for name, rows in self.rows.items()}


def keep_inputs(
    inspector: Trainable, datasets: Sequence[Dataset], progress: Progress
) -> tuple[KeptInputs, ...] | StoredFeatures | None:
    """Network inputs of all pictures, computed once: in memory where they are small enough, else features on disk. None
    where neither fits. Raises ImageError."""
    pictures = sum(map(len, datasets))
    store = store_of(inspector)
    kept: list[KeptInputs] = []
    for dataset in datasets:
        examples: list[Example] | None = []
        batches: list[Batch] = []
        for opened, batch in opened_batches(
            inspector, dataset, "reading pictures", progress, None, None, is_reused=True
        ):
            picture_bytes = kept_bytes(batch)
            if store is not None and picture_bytes * pictures > store.limit_bytes:
                return None
            if batches and any(rows.shape[1:] != batches[0][name].shape[1:] for name, rows in batch.items()):
                return None  # questions, or pieces of pictures, of different lengths
            if picture_bytes * pictures <= KEPT_BYTES:
                if examples is None or not batches:
                    targets = inspector.encode_targets(opened)
                    if all(rows.ndim == 1 for rows in targets.values()):
                        examples, batch = None, batch | targets
                if examples is not None:
                    examples += [
                        example if example.image.data is None else _without_bytes(example) for example in opened
                    ]
                batches.append(batch)
            elif store is None or not store.is_usable:
                return None
        if batches:
            kept.append(KeptInputs({name: torch.cat([b[name] for b in batches]) for name in batches[0]}, examples))
    if len(kept) == len(datasets):
        return tuple(kept)
    return StoredFeatures(store) if store is not None and store.is_usable else None


def _without_bytes(example: Example) -> Example:
    return replace(example, image=ImageSource(example.image.path))


def kept_bytes(batch: Batch) -> int:
    """Bytes of one picture of a batch."""
    return sum(rows.nbytes // len(rows) for rows in batch.values())
