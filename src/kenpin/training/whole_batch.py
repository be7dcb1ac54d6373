"""What a network computes over a whole batch, where each of several processes sees some of its pictures only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from kenpin.models.contract import Batch, Trainable
from kenpin.models.in_parts import Compares, Padded
from kenpin.training.batches import BatchShare
from kenpin.training.processes import Processes


class WholeBatch:
    """Makes the parts of a batch that several processes compute add up to what one process computes: batches are
    normalised and compared over all of their pictures, and what is drawn at random is drawn for all of them."""

    def __init__(self, inspector: Trainable, processes: Processes) -> None:
        self.processes = processes
        self._inspector = inspector
        self._share: BatchShare | None = None

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Meanwhile the inspector's network computes so; of one process it stays as it is."""
        if self.processes.world_size == 1:
            yield
            return
        with ExitStack() as at_end:
            for layer in self._inspector.module.modules():
                if isinstance(layer, _BatchNorm):
                    at_end.enter_context(_normalising(layer, self))
            if isinstance(self._inspector, Compares):
                self._inspector.compare_over(self._gathered)
                at_end.callback(self._inspector.compare_over, None)
            yield

    @contextmanager
    def share(self, share: BatchShare) -> Iterator[None]:
        """Meanwhile this share of a batch is computed, forwards and backwards."""
        if self.processes.world_size == 1:
            yield
            return
        self._share = share
        try:
            with self.drawing():
                yield
        finally:
            self._share = None

    def drawing(self) -> AbstractContextManager[object]:
        """Meanwhile what is drawn at random is drawn for the batch of which a share is being computed."""
        return nullcontext() if self._share is None else _DrawnForAll(self._share)

    def padded(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        """The batches of a step, their answers as long as the longest that any process has: what is drawn at random has
        then one shape. On the CPU."""
        if self.processes.world_size == 1 or not isinstance(self._inspector, Padded):
            return batches
        lengths = [self.processes.largest(batch["labels"].shape[1]) for batch in batches]
        return [self._inspector.padded(batch, length) for batch, length in zip(batches, lengths, strict=True)]

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, in which an empty share counts for nothing; gradients go back to all."""
        assert self._share is not None
        return cast(Tensor, _Total.apply(values * 0 if self._share.is_empty else values))  # type: ignore[no-untyped-call]

    def rows_of(self, count: int) -> int:
        """How many rows a tensor has for the whole batch that has so many for this share. Raises RuntimeError where
        these are not as many for each picture."""
        share = self._share
        if share is None or count % share.computed:
            raise RuntimeError(
                f"the rows of a tensor, {count}, are not as many for each picture of a batch; learn with one process"
            )
        return count // share.computed * share.of

    def _gathered(self, vectors: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        share = self._share
        if share is None:
            return vectors, numbers
        found = []
        for own in (vectors, numbers):
            rows = own.new_zeros((share.of, *own.shape[1:]))
            if not share.is_empty:
                # not in place: gradients go back through it
                rows = torch.cat([rows[: share.begin], own, rows[share.end :]])
            rows = rows + own.sum() * 0 if share.is_empty else rows
            found.append(cast(Tensor, _Total.apply(rows)))  # type: ignore[no-untyped-call]
        return found[0], found[1]


class _Total(torch.autograd.Function):
    """The sum over the processes, each of which gives the sum of its gradients back to all."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        values = values.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(gradient)
        return gradient


@contextmanager
def _normalising(layer: _BatchNorm, whole: WholeBatch) -> Iterator[None]:
    """Meanwhile the layer takes mean and variance of the whole batch. torch's own such layer is for GPUs alone."""
    before, own = layer.__dict__.get("forward"), layer.forward

    def forward(x: Tensor) -> Tensor:
        if not layer.training:
            return own(x)
        rows = whole.rows_of(len(x))
        count = rows * (x[0].numel() // x.shape[1])
        if count == 1:  # one number has no variance
            return functional.batch_norm(
                x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps
            )
        over, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
        values = x.float()
        mean = whole.total(values.sum(over)) / count
        centred = values - mean.view(shape)
        variance = whole.total(centred.square().sum(over)) / count
        if layer.running_mean is not None and layer.running_var is not None and layer.num_batches_tracked is not None:
            with torch.no_grad():
                layer.num_batches_tracked += 1
                share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
                layer.running_mean.lerp_(mean, share)
                layer.running_var.lerp_(variance * count / (count - 1), share)
        normal = centred * torch.rsqrt(variance + layer.eps).view(shape)
        if layer.affine:
            normal = normal * layer.weight.view(shape) + layer.bias.view(shape)
        return normal.to(x.dtype)

    layer.forward = forward  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        del layer.__dict__["forward"]
        if before is not None:
            layer.forward = before  # type: ignore[method-assign]


class _DrawnForAll(TorchFunctionMode):
    """Draws what is dropped at random for all pictures of a batch, on every process, and takes the rows of its share:
    then a picture meets the same chance whichever process sees it, and the same as with one process."""

    def __init__(self, share: BatchShare) -> None:
        super().__init__()
        self._share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self._dropped(*args, **kwargs)
        if func is functional.scaled_dot_product_attention and kwargs.get("dropout_p", 0.0) > 0.0:
            return self._attended(*args, **kwargs)
        if func is torch.rand:
            return self._drawn(*args, **kwargs)
        return func(*args, **kwargs)

    def _own(self, count: int) -> tuple[int, slice] | None:
        """Rows of the whole batch where this share has `count`, and which of them are its own; None where it has not as
        many for each picture."""
        share = self._share
        each, rest = divmod(count, share.computed)
        if rest or not each:
            return None
        begin = 0 if share.is_empty else share.begin
        return each * share.of, slice(each * begin, each * (begin + share.computed))

    def _dropped(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0.0 or not input.ndim or (own := self._own(len(input))) is None:
            return functional.dropout(input, p, training, inplace)
        rows, mine = own
        # torch's own way of drawing, so that one process draws the same
        kept = functional.dropout(input.new_ones((rows, *input.shape[1:])), p)[mine]
        return input.mul_(kept) if inplace else input * kept

    def _attended(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """As its documentation writes it out: the fused ones draw by themselves."""
        if enable_gqa:
            each = query.shape[-3] // key.shape[-3]
            key, value = (of.repeat_interleave(each, -3) for of in (key, value))
        scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
        return self._dropped(scores.softmax(-1), dropout_p) @ value

    def _drawn(self, *size: Any, **kwargs: Any) -> Tensor:
        shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
        own = self._own(shape[0]) if shape else None
        if own is None:
            return torch.rand(*size, **kwargs)
        rows, mine = own
        return torch.rand((rows, *shape[1:]), **kwargs)[mine]
