"""Which bytes live while a network computes, operation by operation, on any device and at any batch size."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WORKING, _LOGITS, _GRADIENTS = range(3)


@dataclass(frozen=True)
class Course:
    """Bytes that live after each operation, beyond those from before: (operations, 3), working, logits, gradients."""

    live_bytes: NDArray[np.int64]
    whole: bool = True
    """False where it was broken off for want of memory: then more would have been needed."""
    unseen_bytes: int = 0
    """What a GPU's allocator held at most beyond what was counted."""


class Peak(NamedTuple):
    """Bytes at the moment when most live."""

    working: int
    logits: int
    gradients: int


class _NoRoom(Exception):  # noqa: N818 it is no error: the count up to here stands
    """More lives than may."""


class _Meter(TorchDispatchMode):
    """Counts storages from when an operation returns them to when the last reference is gone."""

    def __init__(self, known: Iterable[Tensor], vocabulary: int | None, limit_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {_key(tensor) for tensor in known}
        self._vocabulary, self._limit_bytes = vocabulary, limit_bytes
        self._now = [0, 0, 0]
        self._living: dict[int, tuple[int, int, Any]] = {}
        self.course: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(returned):
            if isinstance(leaf, Tensor) and (key := _key(leaf)) not in self._known and key not in self._living:
                self._count(key, leaf)
        self.course.append(tuple(self._now))
        if sum(self._now) > self._limit_bytes:
            raise _NoRoom
        return returned

    def _count(self, key: int, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        # an entry for each word of the vocabulary: logits, or what the loss makes of them
        kind = _LOGITS if self._vocabulary in tensor.shape[1:] else _WORKING
        self._living[key] = (kind, storage.nbytes(), weakref.ref(storage, lambda _: self._forget(key)))
        self._now[kind] += storage.nbytes()

    def _forget(self, key: int) -> None:
        kind, count, _ = self._living.pop(key)
        self._now[kind] -= count

    def is_gradient(self, parameter: Tensor) -> None:
        """From now on what was working memory is this parameter's gradient."""
        if parameter.grad is None or (key := _key(parameter.grad)) not in self._living:
            return
        kind, count, reference = self._living[key]
        self._living[key] = (_GRADIENTS, count, reference)
        self._now[kind] -= count
        self._now[_GRADIENTS] += count


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def course_of(
    compute: Callable[[dict[str, Tensor]], object], module: nn.Module, batch: dict[str, Tensor], limit_bytes: int
) -> Course:
    """The course of computing with `batch`, which lies on the module's device; broken off at the limit."""
    device = next(module.parameters()).device
    on_gpu = device.type == "cuda"
    meter = _Meter([*module.parameters(), *module.buffers(), *batch.values()], vocabulary_of(module), limit_bytes)
    trained: list[Any] = [parameter for parameter in module.parameters() if parameter.requires_grad]
    hooks = [parameter.register_post_accumulate_grad_hook(meter.is_gradient) for parameter in trained]
    before = 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    whole = True
    try:
        with meter:
            compute(batch)
    except (_NoRoom, torch.cuda.OutOfMemoryError):
        whole = False
    finally:
        for hook in hooks:
            hook.remove()
    live_bytes = np.array(meter.course, np.int64).reshape(-1, 3)
    counted = int(live_bytes.sum(1).max(initial=0))
    most = torch.cuda.max_memory_allocated(device) - before if on_gpu else counted
    return Course(live_bytes, whole, max(most - counted, 0))


def vocabulary_of(module: nn.Module) -> int | None:
    """How many words a network's answers are made of; None where it does not answer in words."""
    config: Any = getattr(module, "config", None)
    count: int | None = getattr(config.get_text_config(), "vocab_size", None) if config is not None else None
    return count


def live_at(courses: Mapping[int, Course], pictures: int) -> NDArray[np.float64]:
    """The course of a step on so many pictures, from those of steps on 1, 2 … as many as were measured.

    Each operation's bytes are a line in the number of pictures, the moment of the peak is not: gradients weigh more in
    a small step. One picture is no point of the line, for some copies are not made of it.
    """
    last = max(courses)
    at = courses[pictures if pictures in courses else last].live_bytes.astype(float)
    if pictures in courses:
        return at
    if last > 2 and courses[last].whole and len(before := courses[last - 1].live_bytes) == len(at):
        return at + (pictures - last) * (at - before)
    scale: NDArray[np.float64] = np.array([pictures / last, pictures / last, 1.0])
    return at * scale


def peak_of(live_bytes: NDArray[np.float64], gradients_bytes: int | None) -> Peak:
    """The moment when most lives. gradients_bytes: of earlier batches of the same step, which are there throughout."""
    gradients = live_bytes[:, _GRADIENTS] if gradients_bytes is None else np.full(len(live_bytes), gradients_bytes)
    at = int((live_bytes[:, _WORKING] + live_bytes[:, _LOGITS] + gradients).argmax())
    return Peak(round(live_bytes[at, _WORKING]), round(live_bytes[at, _LOGITS]), round(float(gradients[at])))
