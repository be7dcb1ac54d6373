"""What a training reads: examples with their pictures, in the order of an epoch, as the tensors of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol

import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from kenpin.config import GradientOptions
from kenpin.data import streaming
from kenpin.data.dataset import Dataset
from kenpin.data.images import bytes_of_size, read_image
from kenpin.data.shard_order import shard_order
from kenpin.data.streaming import in_threads
from kenpin.models.augment import Augmenter
from kenpin.models.contract import Batch, Questioned, Sampled, Shrinks, Trainable
from kenpin.models.devices import compute_alone, is_far, reading_threads
from kenpin.models.inference import encode
from kenpin.models.kept_inputs import KeptInputs, StoredFeatures
from kenpin.records import Example

Row = tuple[Example, Image | Tensor]
Rows = list[Row] | tuple[Sequence[Example] | None, Batch]
_BATCHES_AHEAD = 2
"""Batches whose pictures are prepared while a GPU computes: one that is ready, and one in the making."""


class Batches(Protocol):
    """The batches of an epoch, each made when its turn comes near."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Reader:
    """Makes batches of the examples of a data set, of their pictures or of what was computed of these before."""

    inspector: Trainable
    dataset: Dataset
    batch_size: int
    augmenter: Augmenter | None = None
    kept: KeptInputs | StoredFeatures | None = None
    workers: int = 0

    def batches(
        self, order: list[int], epoch: int = 0, skip: int = 0, shares: Sequence[BatchShare] | None = None
    ) -> Batches:
        """The examples of these rows, batch after batch, without the first `skip` batches. shares: what this process
        computes of each batch; None: all of it."""
        in_memory = isinstance(self.kept, KeptInputs)
        starts = range(0, len(order), self.batch_size)
        rows = [order[start : start + self.batch_size] for start in starts]
        if shares is not None:
            rows = [share.of_rows(row) for share, row in zip(shares, rows, strict=True)]
        rows = rows[skip:]
        if is_far(self.inspector) and not in_memory and not self.workers:
            return _InThreads(_Opened(self, epoch), rows)
        return DataLoader(
            _Opened(self, epoch),
            batch_sampler=rows,
            collate_fn=self.collate,
            num_workers=0 if in_memory else self.workers,
            pin_memory=torch.cuda.is_available(),
        )

    def collate(self, rows: Rows) -> Batch:
        """Opened examples -> the tensors that the module is called with."""
        if isinstance(rows, tuple):
            listed, inputs = rows
            return inputs if listed is None else inputs | self.inspector.encode_targets(listed)
        examples, seen = zip(*rows, strict=True)
        features = [of for of in seen if isinstance(of, Tensor)]
        inputs = {"features": torch.stack(features)} if features else encode(self.inspector, seen, examples)
        return inputs | self.inspector.encode_targets(examples)


def readers(
    inspector: Trainable,
    training: Dataset,
    validation: Dataset,
    options: GradientOptions,
    augmenter: Augmenter | None,
    kept: Sequence[KeptInputs] | StoredFeatures | None,
) -> tuple[Reader, Reader]:
    """Readers of the training pictures, with augmentation, and of the validation pictures. kept: what was computed of
    both, where no augmentation changes them."""
    of_training, of_validation = (kept, kept) if kept is None or isinstance(kept, StoredFeatures) else kept
    size, workers = options.batch_size, options.workers
    return (
        Reader(inspector, training, size, augmenter, of_training, workers),
        Reader(inspector, validation, size, None, of_validation, workers),
    )


@dataclass(frozen=True)
class _Opened(TorchDataset[Row]):
    """The opened rows of a reader's data set, in one epoch."""

    reader: Reader
    epoch: int

    def __len__(self) -> int:
        return len(self.reader.dataset)

    def __getitems__(self, rows: list[int]) -> Rows:
        kept = self.reader.kept
        if isinstance(kept, KeptInputs):
            return kept.batch(rows)
        if isinstance(kept, StoredFeatures):
            chosen = self.reader.dataset.select(rows)
            if (features := kept.of(chosen.contents())) is not None:
                return list(zip(chosen, features, strict=True))
        inspector = self.reader.inspector
        if isinstance(inspector, Questioned):  # their texts are padded to the longest of the batch
            return [self[row] for row in rows]
        opened: list[Example] = []
        encoded: list[Batch] = []
        # so that large pictures do not lie in memory as a whole batch; each worker has its share of the room
        room = streaming.IN_FLIGHT_BYTES // max(1, self.reader.workers)
        for part in streaming.in_batches(map(self.__getitem__, rows), len(rows), _held_bytes, room):
            examples, images = zip(*part, strict=True)
            opened += examples
            encoded.append(encode(inspector, images, examples))
            del part, images  # else these pictures were held while the next ones are opened
        if len(encoded) == 1:  # nearly always; it would only be copied
            return opened, encoded[0]
        return opened, {name: torch.cat([one[name] for one in encoded]) for name in encoded[0]}

    def __getitem__(self, row: int) -> Row:
        example = self.reader.dataset[row]
        image = read_image(self.reader.dataset.source_of(example))
        if self.reader.augmenter is not None:
            image, example = self.reader.augmenter(image, example, self.epoch, row)
        example, inspector = replace(example, size_wh=image.size), self.reader.inspector
        return example, inspector.shrunk(image) if isinstance(inspector, Shrinks) else image


@dataclass(frozen=True)
class _InThreads:
    """Batches whose pictures several threads open, vary and prepare while a GPU computes the batches before them."""

    opened: _Opened
    rows: list[list[int]]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        torch.empty((), dtype=torch.int64).random_()  # a DataLoader draws a number, and dropout those after it
        for rows in self._of_rows():
            batch = self.opened.reader.collate(rows)  # texts too: a tokenizer serves one thread at a time
            yield {name: values.pin_memory() for name, values in batch.items()} if torch.cuda.is_available() else batch

    def _of_rows(self) -> Iterator[Rows]:
        reader, threads = self.opened.reader, reading_threads()
        if isinstance(reader.kept, StoredFeatures):  # of which a batch has all or none
            yield from in_threads(
                self.opened.__getitems__, self.rows, workers=threads, ahead=_BATCHES_AHEAD, begin=compute_alone
            )
            return
        each = in_threads(
            self._prepared,
            chain.from_iterable(self.rows),
            workers=threads,
            ahead=_BATCHES_AHEAD * reader.batch_size,
            begin=compute_alone,
        )
        for rows in self.rows:
            examples, seen = zip(*islice(each, len(rows)), strict=True)
            if isinstance(seen[0], dict):
                yield examples, {name: torch.cat([of[name] for of in seen]) for name in seen[0]}
            else:
                yield list(zip(examples, seen, strict=True))

    def _prepared(self, row: int) -> tuple[Example, Batch | Image | Tensor]:
        """One example with its picture as the network takes it, or as it is where texts are asked with it."""
        example, image = self.opened[row]
        inspector = self.opened.reader.inspector
        if isinstance(inspector, Questioned) or isinstance(image, Tensor):
            return example, image
        return example, encode(inspector, [image], [example])


def _held_bytes(row: Row) -> int:
    _, image = row
    return 0 if isinstance(image, Tensor) else bytes_of_size(image.size)


def training_order(inspector: Trainable, pictures: Dataset, seed: int, epoch: int) -> list[int]:
    """The rows that an epoch of training reads, from seed and epoch alone, so that a resumed training and other
    processes read the same."""
    if isinstance(inspector, Sampled):
        return list(inspector.epoch_order(pictures, epoch))
    if (of_shards := shard_order(pictures.files(), seed, epoch)) is not None:
        return of_shards
    shuffled: list[int] = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed + epoch)).tolist()
    return shuffled


def validation_order(inspector: Trainable, pictures: Dataset) -> list[int]:
    """The rows of a validation: in file order a batch of a compared loss might hold one class alone."""
    return list(inspector.epoch_order(pictures, 0) if isinstance(inspector, Sampled) else range(len(pictures)))


@dataclass(frozen=True)
class BatchShare:
    """What one process computes of a batch: consecutive pictures of it. Of fewer pictures than processes some get none;
    they compute the first one, which counts for nothing, since all must take part in what is exchanged."""

    begin: int
    end: int
    of: int
    """Pictures of the batch."""

    @property
    def is_empty(self) -> bool:
        """Whether what is computed counts for nothing."""
        return self.begin == self.end

    @property
    def computed(self) -> int:
        """Pictures that the process computes."""
        return max(1, self.end - self.begin)

    def of_rows(self, rows: list[int]) -> list[int]:
        """Those of a batch's rows that the process computes."""
        return rows[:1] if self.is_empty else rows[self.begin : self.end]


def shares_of(count: int, batch_size: int, rank: int, ranks: int) -> list[BatchShare]:
    """What one of several processes computes of each batch of so many pictures: together each picture once."""
    sizes = [min(batch_size, count - start) for start in range(0, count, batch_size)]
    return [BatchShare(size * rank // ranks, size * (rank + 1) // ranks, size) for size in sizes]
