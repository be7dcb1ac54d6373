"""The one way from a data set to raw outputs, batch by batch: for fitting, scoring while training, and prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.images import bytes_of_size, read_image
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.plain_png import read_plain
from kenpin.data.streaming import in_batches, stream
from kenpin.errors import DatasetError, ImageError
from kenpin.models.contract import (
    Batch,
    EncodeGrey,
    Inspector,
    Localised,
    Progress,
    Questioned,
    ReadsGrey,
    ReadsTables,
    Trainable,
)
from kenpin.models.devices import Room, device_of, on_device
from kenpin.models.networks.cpu_memory import keep_freed_memory
from kenpin.models.networks.feature_store import FeatureStore, default_folder
from kenpin.records import Example, ImageSource, Prediction

KEPT_BYTES = 256 * 1024**2
"""Limit of the network inputs that are kept in memory while training."""
_ON_CPU, _ON_ONE_CORE, _ON_GPU = 8, 16, 64
"""Pictures a batch: on a CPU as many as keep the activations near its caches, on a GPU as many as fill it. With one
thread PyTorch leaves its fast convolution alone below 16 pictures, and takes half as long again."""
_ROWS = 1_024
"""Rows of a table a batch."""
OnError = Callable[[Example, ImageError], None]


def infer_batches(
    inspector: Inspector,
    dataset: Dataset,
    *,
    doing: str = "predicting",
    progress: Progress | None = None,
    on_error: OnError | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[list[Example], dict[str, Tensor]]]:
    """Examples with their raw outputs on the CPU, in the data set's order; their sizes are filled in where their
    pictures were opened.

    Features come from the feature store where it has them. A picture that cannot be opened is handed to `on_error` and
    left out. Raises ImageError where no `on_error` is given, DatasetError for a table where pictures are expected and
    the reverse.
    """
    room = Room(inspector)
    for examples, batch in _opened_batches(inspector, dataset, doing, progress, on_error, batch_size):
        for part, outputs in room.compute(inspector.infer, batch, len(examples)):
            yield examples[part], {name: values.cpu() for name, values in outputs.items()}


def infer_together(inspectors: Sequence[Inspector], images: Sequence[Image]) -> list[dict[str, Tensor]]:
    """Raw outputs of each inspector on the CPU, for the same pictures; features that several share are computed once.

    The feature store is left alone: a line sees each picture once.
    """
    shared: dict[str, Tensor] = {}
    answers = []
    if any(device_of(inspector).type == "cpu" for inspector in inspectors):
        keep_freed_memory()
    with torch.inference_mode():
        for inspector in inspectors:
            if inspector.extract is None:
                batch = inspector.encode(images)
            else:
                key = _feature_key(inspector)
                if key not in shared:
                    shared[key] = inspector.extract(on_device(inspector, inspector.encode(images))).float().cpu()
                batch = {"features": shared[key]}
            outputs = inspector.infer(on_device(inspector, batch))
            answers.append({name: values.cpu() for name, values in outputs.items()})
    return answers


def decode(inspector: Inspector, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
    """The inspector's predictions from raw outputs. NumPy's BLAS gets one thread where a network computes beside it:
    its threads busy-wait for their next product and take the cores from the network."""
    if isinstance(inspector, ReadsTables) and inspector.table_items:
        return inspector.decode(outputs, examples)
    with _blas().limit(limits=1):
        return inspector.decode(outputs, examples)


@cache
def _blas() -> Any:
    import scipy.linalg  # noqa: F401 brings a BLAS of its own, which is found only once it is loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def compute_features(
    inspector: Inspector, dataset: Dataset, *, doing: str = "computing features", progress: Progress | None = None
) -> Iterator[Tensor]:
    """Features of each picture, on the CPU, in the data set's order. Raises ImageError."""
    for _, batch in _opened_batches(inspector, dataset, doing, progress, None, None):
        yield from batch["features"]


@dataclass(frozen=True)
class StoredFeatures:
    """Features in the feature store, read picture by picture."""

    store: FeatureStore

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
        for opened, batch in _opened_batches(inspector, dataset, "reading pictures", progress, None, None):
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


def encode(inspector: Inspector, images: Sequence[Image], examples: Sequence[Example]) -> Batch:
    """Network inputs of these pictures, on the CPU."""
    if isinstance(inspector, Questioned):
        return inspector.encode_questions(images, examples)
    return inspector.encode(images)


def batch_size_of(inspector: Inspector) -> int:
    """Default batch size."""
    if inspector.batch_size is not None:
        return inspector.batch_size
    if device_of(inspector).type != "cpu":
        return _ON_GPU
    return _ON_CPU if torch.get_num_threads() > 1 else _ON_ONE_CORE


def _opened_batches(
    inspector: Inspector,
    dataset: Dataset,
    doing: str,
    progress: Progress | None,
    on_error: OnError | None,
    batch_size: int | None,
) -> Iterator[tuple[list[Example], Batch]]:
    """Examples with the inputs of `infer`, on the CPU."""
    if items := check_readable(inspector, dataset):
        yield from _numbers_in_batches(dataset, items, doing, progress, batch_size)
        return
    if device_of(inspector).type == "cpu":
        keep_freed_memory()
    size = batch_size or batch_size_of(inspector)
    done, room = 0, Room(inspector)
    encode_grey = _grey_encoder(inspector, dataset)
    for count, examples, batch in (
        _picture_batches(inspector, dataset, size, on_error, room)
        if encode_grey is None
        else _grey_batches(inspector, encode_grey, dataset, size, on_error, room)
    ):
        if examples:
            yield examples, batch
        done += count
        if progress is not None:
            progress(doing, done, len(dataset))


def _picture_batches(
    inspector: Inspector, dataset: Dataset, size: int, on_error: OnError | None, room: Room
) -> Iterator[tuple[int, list[Example], Batch]]:
    """For each batch the number of pictures read, the examples that could be opened, and their inputs."""
    store = store_of(inspector)
    for batch in in_batches(stream(partial(_open, store, dataset), dataset), size, _held_bytes):
        sound = _sound(batch, on_error)
        yield len(batch), [item.example for item in sound], _encoded(inspector, sound, store, room)
        del batch, sound  # else these pictures were held while the next ones are opened


def _grey_encoder(inspector: Inspector, dataset: Dataset) -> EncodeGrey | None:
    """The encoder of many grey pictures at once, where the inspector has one and the first picture fits it."""
    encode_grey = inspector.encode_grey if isinstance(inspector, ReadsGrey) else None
    return encode_grey if len(dataset) and read_plain([dataset[0].image.data]) is not None else None


def _grey_batches(
    inspector: Inspector,
    encode_grey: EncodeGrey,
    dataset: Dataset,
    size: int,
    on_error: OnError | None,
    room: Room,
) -> Iterator[tuple[int, list[Example], Batch]]:
    """Like `_picture_batches`, for grey pictures in memory; a batch with any other picture is opened one by one."""
    width, height = size_wh = inspector.image_size_wh
    examples = iter(dataset)
    while batch := list(islice(examples, size)):
        pixels = read_plain([example.image.data for example in batch])
        if pixels is not None and pixels.shape[1:] == (height, width):
            sized = [opened if opened.size_wh == size_wh else replace(opened, size_wh=size_wh) for opened in batch]
            yield len(batch), sized, encode_grey(pixels)
        else:
            sound = _sound([_open(None, dataset, example) for example in batch], on_error)
            yield len(batch), [item.example for item in sound], _encoded(inspector, sound, None, room)


def _sound(batch: list[_Opened], on_error: OnError | None) -> list[_Opened]:
    """The pictures that could be opened. Raises ImageError for any other, where no `on_error` takes it."""
    for item in batch:
        if item.error is not None:
            if on_error is None:
                raise item.error
            on_error(item.example, item.error)
    return [item for item in batch if item.error is None]


def check_readable(inspector: Inspector, dataset: Dataset) -> tuple[str, ...]:
    """Names of the table's columns to read; empty for an inspector of pictures.

    Raises DatasetError for a table where pictures are expected, and the reverse.
    """
    items = inspector.table_items if isinstance(inspector, ReadsTables) else ()
    if items and len(dataset) and not dataset.item_names:
        raise DatasetError(
            f"{dataset.root or 'the data set'}: it holds pictures, and this model judges rows of a table."
        )
    if not items:
        refuse_table(dataset)
    return items


def refuse_table(dataset: Dataset) -> None:
    """Refuse a table of numbers where pictures are expected. Raises DatasetError."""
    if dataset.item_names:
        raise DatasetError(
            f"{dataset.root or 'the data set'}: it is a table of numbers, and this model looks at pictures; train "
            "mahalanobis on it."
        )


def _numbers_in_batches(
    dataset: Dataset, items: tuple[str, ...], doing: str, progress: Progress | None, batch_size: int | None
) -> Iterator[tuple[list[Example], Batch]]:
    size, done = batch_size or _ROWS, 0
    for start in range(0, len(dataset), size):
        chosen = dataset.select(range(start, min(start + size, len(dataset))))
        yield list(chosen), {"features": torch.from_numpy(chosen.numbers(items))}
        done += len(chosen)
        if progress is not None:
            progress(doing, done, len(dataset))


@dataclass(frozen=True)
class _Opened:
    """An example with its picture, or with its stored features, or with the error that prevented both."""

    example: Example
    content: str = ""
    features: Tensor | None = None
    image: Image | None = None
    error: ImageError | None = None


def _held_bytes(opened: _Opened) -> int:
    return 0 if opened.image is None else bytes_of_size(opened.image.size)


def _open(store: FeatureStore | None, dataset: Dataset, example: Example) -> _Opened:
    content = ""
    try:
        source = dataset.source_of(example)
        if store is not None:
            once = read_bytes_once(source)  # features are stored under the hash of the bytes that they come from
            content, source = once.content, once.source
            (features,) = store.get([content])
            if features is not None:
                return _Opened(example, content, features=torch.from_numpy(np.array(features)))
        image = read_image(source)
        return _Opened(replace(example, size_wh=image.size), content, image=image)
    except ImageError as error:
        return _Opened(example, error=error)


def _encoded(inspector: Inspector, batch: list[_Opened], store: FeatureStore | None, room: Room) -> Batch:
    opened = [(item.image, item.example) for item in batch if item.image is not None]
    images = [image for image, _ in opened]
    encoded = encode(inspector, images, [example for _, example in opened]) if images else {}
    extract = inspector.extract
    if store is None or extract is None or not batch:
        return encoded
    rows: Iterator[Tensor] = iter(())
    if images:
        computed = torch.cat([of.float().cpu() for _, of in room.compute(extract, encoded, len(images))])
        store.put([item.content for item in batch if item.image is not None], computed.numpy())
        rows = iter(computed)
    return {"features": torch.stack([next(rows) if item.features is None else item.features for item in batch])}


def store_of(inspector: Inspector) -> FeatureStore | None:
    """The store of an inspector's features; None where it has no features."""
    if inspector.extract is None:
        return None
    return FeatureStore(default_folder(), _feature_key(inspector))


def _feature_key(inspector: Inspector) -> str:
    """Key in the feature store; inspectors with equal keys extract equal features."""
    base = inspector.base
    key = f"{base.id}\0{base.commit}\0{base.probe}\0{inspector.image_size_wh}"
    if isinstance(inspector, Localised):
        key += f"\0{inspector.feature_kind}"
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
