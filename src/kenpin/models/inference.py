"""The one way from a data set to raw outputs, batch by batch: for fitting, scoring while training, and prediction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.images import as_rgb, bytes_of_size, read_grey_or_rgb, read_image
from kenpin.data.plain_png import read_plain
from kenpin.data.streaming import in_batches, in_threads, pipelined, shared_out, stream
from kenpin.data.targets import refuse_pictures, refuse_table
from kenpin.errors import ImageError
from kenpin.models.contract import (
    Batch,
    EncodeGrey,
    Inspector,
    OnError,
    OwnFeatures,
    Progress,
    Questioned,
    ReadsGrey,
    ReadsTables,
    Whole,
)
from kenpin.models.devices import Room, compute_alone, device_of, is_far, on_device, reading_threads
from kenpin.models.networks.cpu_memory import keep_freed_memory
from kenpin.models.networks.feature_pass import FeaturePass
from kenpin.models.networks.feature_store import FeatureStore, default_folder
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.recent_features import RECENT
from kenpin.models.networks.shared_features import Store, features_in_use
from kenpin.models.opened import sound
from kenpin.models.outputs import Outputs, as_arrays
from kenpin.models.tables import numbers_in_batches
from kenpin.records import Example

_ON_CPU, _ON_ONE_CORE, _ON_GPU = 8, 16, 64
"""Pictures a batch: on a CPU as many as keep the activations near its caches, on a GPU as many as fill it. With one
thread PyTorch leaves its fast convolution alone below 16 pictures, and takes half as long again."""


def infer_batches(
    inspector: Inspector,
    dataset: Dataset,
    *,
    doing: str = "predicting",
    progress: Progress | None = None,
    on_error: OnError | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """Examples with their raw outputs on the CPU, in the data set's order; their sizes are filled in where their
    pictures were opened.

    Features come from the feature store where it has them. A picture that cannot be opened is handed to `on_error` and
    left out. Raises ImageError where no `on_error` is given, DatasetError for a table where pictures are expected and
    the reverse.
    """
    room = Room(inspector)
    for examples, batch in opened_batches(inspector, dataset, doing, progress, on_error, batch_size):
        for part, outputs in room.compute(inspector.infer, batch, len(examples)):
            yield examples[part], as_arrays(outputs)


def infer_together(
    inspectors: Sequence[Inspector], images: Sequence[Image], known: dict[str, Outputs] | None = None
) -> list[Outputs]:
    """Raw outputs of each inspector on the CPU, for the same pictures, mode RGB or L; features that several share are
    computed once. known: features by their keys, of all pictures; what is computed is added to them.

    The feature store is left alone: a line sees each picture once.
    """
    for inspector in inspectors:
        inspector.module.eval()
    shared: dict[str, Outputs] = {} if known is None else known
    answers: list[Outputs] = []
    if any(device_of(inspector).type == "cpu" for inspector in inspectors):
        keep_freed_memory()
    with torch.inference_mode():
        for inspector in inspectors:
            key = feature_key(inspector)
            if inspector.extract is not None and key in shared:
                batch = {"features": torch.from_numpy(shared[key]["features"])}
            else:
                batch = _batch_at_once(inspector, images)
            if inspector.extract is not None:
                shared[key] = {"features": batch["features"].numpy()}
            outputs = inspector.infer(on_device(inspector, batch))
            answers.append(as_arrays(outputs))
    return answers


def features_at_once(inspector: Inspector, images: Sequence[Image]) -> Tensor:
    """Features of a few pictures, mode RGB or L, by an inspector that has features; (n, numbers), on the CPU."""
    inspector.module.eval()
    with torch.inference_mode():
        return _batch_at_once(inspector, images)["features"]


def _batch_at_once(inspector: Inspector, images: Sequence[Image]) -> Batch:
    """What `infer` takes of a few pictures that somebody waits for."""
    if (frozen := frozen_of(inspector)) is not None:
        return {frozen.output: frozen.at_once(images)}
    batch = inspector.encode([*map(as_rgb, images)])
    if inspector.extract is None:
        return batch
    return {"features": inspector.extract(on_device(inspector, batch)).float().cpu()}


def compute_features(
    inspector: Inspector, dataset: Dataset, *, doing: str = "computing features", progress: Progress | None = None
) -> Iterator[Tensor]:
    """Features of each picture, on the CPU, in the data set's order. Raises ImageError."""
    for _, batch in opened_batches(inspector, dataset, doing, progress, None, None):
        yield from batch["features"]


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


def opened_batches(
    inspector: Inspector,
    dataset: Dataset,
    doing: str,
    progress: Progress | None,
    on_error: OnError | None,
    batch_size: int | None,
    is_reused: bool = False,
) -> Iterator[tuple[list[Example], Batch]]:
    """Examples with the inputs of `infer`, on the CPU. is_reused: they are read from the feature store again and again
    later, so that all are kept there."""
    if items := check_readable(inspector, dataset):
        for rows, numbers in numbers_in_batches(dataset, items, doing, progress, batch_size):
            yield rows, {"features": torch.from_numpy(numbers)}
        return
    if device_of(inspector).type == "cpu":
        keep_freed_memory()
    size = batch_size or batch_size_of(inspector)
    key = None if inspector.extract is None else feature_key(inspector)
    contents = None if key is None else dataset.hashed()
    if key is not None and contents is not None and (kept := RECENT.of(key, contents)) is not None:
        yield from _known_batches(dataset, kept, size, doing, progress)
        return
    done, room = 0, Room(inspector)
    encode_grey = _grey_encoder(inspector, dataset)
    for count, examples, batch in (
        _picture_batches(inspector, dataset, size, on_error, room, is_reused)
        if encode_grey is None
        else _grey_batches(inspector, encode_grey, dataset, size, on_error, room)
    ):
        if examples:
            if key is not None and contents is not None and len(examples) == count:
                RECENT.keep(key, contents[done : done + count], batch["features"])
            yield examples, batch
        done += count
        if progress is not None:
            progress(doing, done, len(dataset))


def _known_batches(
    dataset: Dataset, rows: Sequence[Tensor], size: int, doing: str, progress: Progress | None
) -> Iterator[tuple[list[Example], Batch]]:
    """All examples with their features, of which none is computed or read."""
    examples = iter(dataset)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        yield list(islice(examples, len(some))), {"features": torch.stack(list(some))}
        if progress is not None:
            progress(doing, start + len(some), len(rows))


def _picture_batches(
    inspector: Inspector, dataset: Dataset, size: int, on_error: OnError | None, room: Room, is_reused: bool
) -> Iterator[tuple[int, list[Example], Batch]]:
    """For each batch the number of pictures read, the examples that could be opened, and their inputs."""
    kept, frozen = store_of(inspector), frozen_of(inspector)
    with FeaturePass(kept, len(dataset), is_reused=is_reused) if kept is not None else nullcontext() as store:

        def begin(batch: list[_Opened]) -> Callable[[], tuple[int, list[Example], Batch]]:
            opened = sound(batch, on_error)
            count, examples = len(batch), [item.example for item in opened]
            finish = _encoded(inspector, opened, store, room, frozen)
            return lambda: (count, examples, finish())

        open_one = partial(_open, inspector, store, dataset, frozen)
        if is_far(inspector):
            opened = in_threads(open_one, dataset, workers=reading_threads(), ahead=2 * size, begin=compute_alone)
        else:
            opened = stream(open_one, dataset)
        if frozen is not None:
            size = shared_out(size, len(dataset), frozen.depth)
        batches = in_batches(opened, size, _held_bytes)
        yield from pipelined(batches, begin, 0 if frozen is None else frozen.depth)


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
            sized = [one if one.size_wh == size_wh else replace(one, size_wh=size_wh) for one in batch]
            yield len(batch), sized, encode_grey(pixels)
        else:
            opened = sound([_open(inspector, None, dataset, None, example) for example in batch], on_error)
            yield len(batch), [item.example for item in opened], _encoded(inspector, opened, None, room, None)()


def check_readable(inspector: Inspector, dataset: Dataset) -> tuple[str, ...]:
    """Names of the table's columns to read; empty for an inspector of pictures.

    Raises DatasetError for a table where pictures are expected, and the reverse.
    """
    items = inspector.table_items if isinstance(inspector, ReadsTables) else ()
    (refuse_pictures if items else refuse_table)(dataset)
    return items


@dataclass(frozen=True)
class _Opened:
    """An example with its picture, or that as the engine or torch takes it, or with its stored features, or with the
    error that prevented all of these."""

    example: Example
    content: str = ""
    features: Tensor | None = None
    image: Image | None = None
    row: NDArray[Any] | None = None
    inputs: Batch | None = None
    error: ImageError | None = None


def _held_bytes(opened: _Opened) -> int:
    if opened.row is not None:
        return opened.row.nbytes
    if opened.inputs is not None:
        return sum(values.nbytes for values in opened.inputs.values())
    return 0 if opened.image is None else bytes_of_size(opened.image.size)


def _open(
    inspector: Inspector,
    store: FeaturePass | None,
    dataset: Dataset,
    frozen: OnEngine | None,
    example: Example,
) -> _Opened:
    content = ""
    try:
        if store is None:
            source = dataset.source_of(example)
        else:
            content = dataset.content_ahead(example)
            if content and (features := _stored(store, content)) is not None:
                return _Opened(example, content, features=features)
            once = dataset.read_once(example)  # features are stored under the hash of the bytes that they come from
            content, source = once.content, once.source
            if (features := _stored(store, content)) is not None:
                return _Opened(example, content, features=features)
        if frozen is not None:
            image = read_grey_or_rgb(source)
            return _Opened(replace(example, size_wh=image.size), content, row=frozen.prepare(image))
        image = read_image(source)
        opened = replace(example, size_wh=image.size)
        # questions of a batch are made equally long
        if is_far(inspector) and not isinstance(inspector, Questioned):
            return _Opened(opened, content, inputs=inspector.encode([image]))
        return _Opened(opened, content, image=image)
    except ImageError as error:
        return _Opened(example, error=error)


def _stored(store: FeaturePass, content: str) -> Tensor | None:
    features = store.get(content)
    return None if features is None else torch.from_numpy(np.array(features))


def _encoded(
    inspector: Inspector,
    batch: list[_Opened],
    store: FeaturePass | None,
    room: Room,
    frozen: OnEngine | None,
) -> Callable[[], Batch]:
    """Begin with the inputs of `infer`; the function returned waits for them."""
    if frozen is not None:
        new = [item for item in batch if item.row is not None]
        begun = time.perf_counter()
        wait = frozen.begin(np.stack([item.row for item in new if item.row is not None])) if new else None

        def finish() -> Batch:
            computed = None if wait is None else wait()
            # so many batches are computed at the same time
            seconds = (time.perf_counter() - begun) / max(1, frozen.depth)
            return _completed(batch, computed, store, frozen.output, seconds)

        return finish
    encoded, count = _joined(inspector, batch)
    extract = inspector.extract
    if store is None or extract is None or not batch:
        return lambda: encoded
    computed, begun = None, time.perf_counter()
    if count:
        computed = torch.cat([of.float().cpu() for _, of in room.compute(extract, encoded, count)])
    seconds = time.perf_counter() - begun
    bare = [replace(item, image=None, inputs=None) for item in batch]
    found = _completed(bare, computed, store, "features", seconds)
    return lambda: found


def _joined(inspector: Inspector, batch: list[_Opened]) -> tuple[Batch, int]:
    """Network inputs of the pictures of a batch whose features are not known yet, and how many these are."""
    pictures = [(item.image, item.example) for item in batch if item.image is not None]
    if pictures:
        images, examples = zip(*pictures, strict=True)
        return encode(inspector, images, examples), len(pictures)
    each = [item.inputs for item in batch if item.inputs is not None]
    return {name: torch.cat([inputs[name] for inputs in each]) for name in (each[0] if each else ())}, len(each)


def _completed(
    batch: list[_Opened], computed: Tensor | None, store: FeaturePass | None, name: str, computing_s: float
) -> Batch:
    """Rows of all pictures of a batch: those that were computed, which are stored, between those that were."""
    if not batch:
        return {}
    rows: Iterator[Tensor] = iter(())
    if computed is not None:
        if store is not None:
            store.put([item.content for item in batch if item.features is None], computed.numpy(), computing_s)
        rows = iter(computed)
    return {name: torch.stack([next(rows) if item.features is None else item.features for item in batch])}


def frozen_of(inspector: Inspector) -> OnEngine | None:
    """What computes the inspector's features, or all of it, on an engine; None where torch does."""
    whole = inspector.whole if isinstance(inspector, Whole) else None
    frozen = inspector.extract if whole is None else whole
    return frozen if isinstance(frozen, OnEngine) and frozen.is_on else None


def store_of(inspector: Inspector) -> Store | None:
    """The store of an inspector's features, or those that others computed; None where it has no features."""
    if inspector.extract is None:
        return None
    key = feature_key(inspector)
    return features_in_use(key) or FeatureStore(default_folder(), key)


def feature_key(inspector: Inspector) -> str:
    """Key in the feature store; inspectors with equal keys extract equal features."""
    base = inspector.base
    key = f"{base.id}\0{base.commit}\0{base.probe}\0{inspector.image_size_wh}"
    if (frozen := frozen_of(inspector)) is not None:
        key += f"\0{frozen.key}"
    if isinstance(inspector, OwnFeatures):
        key += f"\0{inspector.feature_kind}"
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
