"""Attention weights of a pass, recomputed from queries and keys, since the fast kernels do not return them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Attention:
    """One layer's attention in one pass: queries (n, heads, q, d), keys and values (n, heads or fewer, k, d)."""

    query: Tensor
    key: Tensor
    value: Tensor
    bias: Tensor | None
    """Mask added before the softmax, (n or 1, heads or 1, q, k)."""
    scale: float
    softcap: float | None
    gradient: Tensor | None = None
    """Gradient of the output, (n, q, heads, d), once it was computed."""

    def weights(self, head: int, queries: slice | Tensor = slice(None)) -> Tensor:
        """Weights of one head's queries on each key, rows adding up to 1. -> (n, queries, k). One head at a time: all
        heads of all layers together would not fit beside the network."""
        scores = self.query[:, head, queries].float() @ self._of(self.key, head).float().mT * self.scale
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        if self.bias is not None:
            scores = scores + self.bias[:, min(head, self.bias.shape[1] - 1), queries]
        return scores.softmax(dim=-1)

    def weight_gradients(self, head: int) -> Tensor:
        """Gradient of the score with respect to one head's weights. -> (n, q, k)."""
        assert self.gradient is not None
        return self.gradient[:, :, head].float() @ self._of(self.value, head).float().mT

    @property
    def heads(self) -> int:
        """Number of query heads; several may share keys and values."""
        return self.query.shape[1]

    def _of(self, tensor: Tensor, head: int) -> Tensor:
        return tensor[:, head * tensor.shape[1] // self.heads]


@contextmanager
def watched_attention(
    network: nn.Module, layers: Callable[[str], bool] = lambda name: True
) -> Iterator[list[Attention]]:
    """Records the attention of the network's layers of these names, in their order, while the context is open.

    The network's outputs do not change, whatever kernel computes them. Other networks are not recorded.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as functions  # noqa: N811

    watched = {id(module) for name, module in network.named_modules() if layers(name)}
    seen: list[Attention] = []

    def watching(compute: Callable[..., Any]) -> Callable[..., Any]:
        def attend(
            module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
        ) -> Any:
            output, weights = compute(module, query, key, value, attention_mask, **settings)
            if id(module) in watched:
                seen.append(_noted(module, query, key, value, attention_mask, settings))
                if output.requires_grad:
                    output.register_hook(lambda gradient, at=seen[-1]: setattr(at, "gradient", gradient))
            return output, weights

        return attend

    usual = dict(functions._local_mapping)
    functions.update({name: watching(compute) for name, compute in functions.items()} | {"eager": watching(_eager)})
    try:
        yield seen
    finally:
        functions._local_mapping.clear()
        functions._local_mapping.update(usual)


def rollout(layers: Sequence[Attention], start: Tensor) -> Tensor:
    """How much of each input token flows into the output tokens: mean over the heads, half of each token staying with
    itself. start: (n, tokens), the weight of each output token. -> (n, tokens), of the same sum.

    # Abnar & Zuidema 2020, eq. 1: the product of 0.5 A + 0.5 I over the layers, here from the last to the first, so
    # that a row is carried and no matrix.
    """
    row = start
    for layer in reversed(layers):
        paid = torch.zeros_like(row)
        for head in range(layer.heads):
            paid += (row[:, None] @ layer.weights(head))[:, 0]
        row = 0.5 * row + 0.5 * paid / layer.heads
    return row


def relevance(layers: Sequence[Attention], start: Tensor) -> Tensor:
    """How much each input token contributes to a score, by its attention times the score's gradient.

    # Chefer, Gur & Wolf 2021 (Generic attention-model explainability), eq. 5 and 6: R ← R + E_h[(∇A ∘ A)⁺] R.
    """
    row = start
    for layer in reversed(layers):
        paid = torch.zeros_like(row)
        for head in range(layer.heads):
            paid += (row[:, None] @ (layer.weights(head) * layer.weight_gradients(head)).relu())[:, 0]
        row = row + paid / layer.heads
    return row


def _noted(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, settings: dict[str, Any]
) -> Attention:
    causal = settings.get("is_causal")
    if causal is None:
        causal = getattr(module, "is_causal", True)  # as the kernels take it
    length, keys = query.shape[2], key.shape[2]
    bias = mask
    if mask is not None and mask.dtype == torch.bool:
        bias = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -torch.inf)
    elif mask is None and causal and length > 1:
        bias = torch.full((1, 1, length, keys), -torch.inf, device=query.device).triu(1)
    scale = settings.get("scaling")
    return Attention(
        query.detach(),
        key.detach(),
        value.detach(),
        None if bias is None else bias.detach()[..., :keys],
        query.shape[-1] ** -0.5 if scale is None else scale,
        settings.get("softcap"),
    )


def _eager(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention in plain arithmetic, for networks without a kernel."""
    noted = _noted(module, query, key, value, attention_mask, settings)
    shared = noted.heads // key.shape[1]
    keys, values = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    scores = query.float() @ keys.float().mT * noted.scale
    if noted.softcap is not None:
        scores = noted.softcap * torch.tanh(scores / noted.softcap)
    if noted.bias is not None:
        scores = scores + noted.bias
    output = scores.softmax(dim=-1).to(value.dtype) @ values
    return output.transpose(1, 2).contiguous(), None
