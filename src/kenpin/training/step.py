"""One step of a training by gradients: loss, gradients, clipping, and the change of the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.checkpoint import checkpoint

from kenpin.errors import OptionError
from kenpin.models.contract import Batch, Trainable
from kenpin.training.precision import DTYPES, Precision

# offsets and scales of normalisation are no weights of connections: drawn to zero, they only learn worse
_UNDECAYED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")


def make_optimiser(module: nn.Module, name: Literal["adamw", "sgd"], weight_decay: float) -> Optimizer:
    """An optimiser of all parameters that train; each step says at which rate."""
    norms = tuple(f"{name}." for name, part in module.named_modules() if isinstance(part, nn.LayerNorm))
    groups: tuple[list[Tensor], list[Tensor]] = [], []
    for called, parameter in module.named_parameters():
        if parameter.requires_grad:
            spared = weight_decay > 0 and (_UNDECAYED.search(called.lower()) or called.startswith(norms))
            groups[bool(spared)].append(parameter)
    wanted: Any = [
        {"params": of, "weight_decay": decay} for of, decay in zip(groups, (weight_decay, 0.0), strict=True) if of
    ]
    if name == "sgd":
        return SGD(wanted, lr=0.0)
    # in one pass over the weights, which on a CPU takes half the time; on GPUs torch has its own way of that
    on_cpu = all(parameter.device.type == "cpu" for group in groups for parameter in group)
    return AdamW(wanted, lr=0.0, fused=True if on_cpu else None)


@contextmanager
def computing_in(precision: Precision, module: nn.Module, device_type: str | None = None) -> Iterator[None]:
    """Meanwhile the module computes in this format, whoever calls it, and answers in 32 bits. What ships is scored as
    it will be loaded, so that nothing of it stays. device_type: where it computes, if that is not where it is now."""
    if precision == "fp32":
        yield
        return
    from accelerate.utils import convert_outputs_to_fp32

    device_type = device_type or next(module.parameters()).device.type
    before = module.__dict__.get("forward")
    module.forward = convert_outputs_to_fp32(torch.autocast(device_type, DTYPES[precision])(module.forward))
    try:
        yield
    finally:
        del module.__dict__["forward"]
        if before is not None:
            module.forward = before


@contextmanager
def recomputing(
    module: nn.Module, drawing: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Iterator[None]:
    """Meanwhile the layers of transformers keep only what they are given, and compute the rest again in the backward
    pass. drawing: what they are computed again in, for autograd leaves what their first pass was in. Raises
    OptionError where there are none."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[nn.Module] = []
    within: set[nn.Module] = set()
    for part in module.modules():  # outer ones first
        if isinstance(part, GradientCheckpointingLayer) and part not in within:
            layers.append(part)
            within.update(part.modules())
    if not layers:
        raise OptionError(
            "option `recompute`: this base has none of transformers' layers, which could be computed again; leave it "
            "out."
        )
    for layer in layers:
        layer.forward = partial(_computed_again, layer, layer.forward, drawing)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"]


def _computed_again(
    layer: nn.Module,
    forward: Callable[..., Any],
    drawing: Callable[[], AbstractContextManager[object]],
    *given: Any,
    **named: Any,
) -> Any:
    if layer.training and torch.is_grad_enabled():
        again: dict[str, Any] = {"use_reentrant": False, "context_fn": lambda: (nullcontext(), drawing())}
        return checkpoint(forward, *given, **again, **named)
    return forward(*given, **named)


class SummedLoss(nn.Module):
    """The summed loss of a batch as the output of a module: all that a pass computes lies between its begin and end,
    between which the weights of other processes are there and after which gradients are exchanged."""

    def __init__(self, inspector: Trainable) -> None:
        super().__init__()
        self.network = inspector.module
        self._inspector = inspector

    def forward(self, batch: Batch) -> Tensor:
        """Of this process's part of a batch."""
        return self._inspector.total_loss(self.network, batch)


def exchanging(inspector: Trainable) -> DistributedDataParallel:
    """The loss as each of several processes computes it, who then average their gradients; all hold all weights."""
    device = next(inspector.module.parameters()).device
    return DistributedDataParallel(
        SummedLoss(inspector),
        None if device.type == "cpu" else [device],
        find_unused_parameters=True,
        gradient_as_bucket_view=True,  # or gradients were held twice
    )


class GradientStep:
    """Steps of one training: `learn` from each batch of a step, then `change` the weights."""

    def __init__(
        self,
        inspector: Trainable,
        optimiser: Optimizer,
        *,
        precision: Precision,
        clip_norm: float | None,
        summed: nn.Module | None = None,
        ranks: int = 1,
    ) -> None:
        """summed: what computes the loss of a batch where several processes learn together; ranks: how many do."""
        self.optimiser = optimiser
        self.module = inspector.module
        self._clip_norm, self._ranks = clip_norm, ranks
        self._trained = [parameter for parameter in inspector.module.parameters() if parameter.requires_grad]
        device = self._trained[0].device
        # gradients of 16 bits without the range of bf16 would vanish
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._summed = partial(inspector.total_loss, inspector.module) if summed is None else summed
        # where all weights are here, what only looks needs no exchange
        self._looking = partial(inspector.total_loss, inspector.module) if self._waits else self._summed

    @property
    def is_sharded(self) -> bool:
        """Whether weights and states are divided among processes."""
        return any(isinstance(parameter, DTensor) for parameter in self._trained)

    @property
    def _waits(self) -> bool:
        """Whether the exchange of gradients may wait for the last batch of a step."""
        return isinstance(self._summed, DistributedDataParallel)

    def loss(self, batch: Batch, count: Tensor) -> Tensor:
        """A batch's share of the loss of the step."""
        # gradients are averaged over the processes, so that each gives its share of the sum as many times
        summed: Tensor = self._summed(batch)
        return summed * self._ranks / count

    def look(self, batch: Batch) -> Tensor:
        """The summed loss of a batch that nothing is learned from."""
        with torch.no_grad():
            found: Tensor = self._looking(batch)
        return found

    def learn(self, batch: Batch, count: Tensor, *, is_last: bool = True, counts: bool = True) -> Tensor:
        """Add the gradients of a batch on the device to those of the step, and return its share of the loss.

        count: over how many things the loss of the whole step is the mean, all batches of all processes together;
        is_last: of the step, when the processes exchange what they found; counts: whether anything is learned from it,
        or only taken part.
        """
        waits: Any = self._summed if self._waits and not is_last else None
        with nullcontext() if waits is None else waits.no_sync():
            loss = self.loss(batch, count)
            if not counts:
                loss = loss * 0.0
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def change(self, rate: float, *, measure: bool = True) -> tuple[Tensor | None, bool]:
        """Change the weights, and forget the gradients. Returns the gradient's norm before it was clipped, None where
        nobody asks to `measure` it, and whether the weights were changed: not by gradients beyond 16 bits."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimiser)
        norm = None
        if measure or self._clip_norm is not None:
            norm = get_total_norm([of.grad for of in self._trained if of.grad is not None])
        if norm is not None and self._clip_norm is not None:
            clip_grads_with_norm_(self._trained, self._clip_norm, norm)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        # as `zero_grad` does, which for a small network takes longer than its arithmetic
        for parameter in self._trained:
            parameter.grad = None
        return _whole(norm), self.scaler.get_scale() >= scale


def _whole(norm: Tensor | None) -> Tensor | None:
    """The norm over all processes, of gradients that are divided among them."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
