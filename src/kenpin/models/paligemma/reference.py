"""PaliGemma's reference arithmetic: picture, token row and loss exactly as big_vision computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kenpin.errors import ShapeError
from kenpin.models.language.losses import IGNORED, example_losses


class TextRow(NamedTuple):
    """One example's tokens and masks, each (length,) int64, 0 on padding."""

    tokens: Tensor
    mask_ar: Tensor
    """1 where a token must not be seen by earlier tokens: on the suffix and its end."""
    mask_loss: Tensor
    """1 where a token is to be learned: on the suffix and its end."""
    mask_input: Tensor
    """1 on tokens, 0 on padding."""


def preprocess_image(pixels: NDArray[np.uint8], side_px: int) -> Tensor:
    """A picture as the network takes it. (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) uint8 -> (3, side, side) float32 in
    [-1, 1]. Grey is repeated, alpha dropped. Raises ShapeError.

    # finetune_paligemma.ipynb, preprocess_image: bilinear with antialias on float, no rounding to bytes
    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in pixels.shape:
        raise ShapeError(
            f"picture of {pixels.shape} {pixels.dtype}; give uint8, (height, width) or (height, width, 1, 3 or 4)."
        )
    planes = torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)[..., :3].astype(np.float32)).permute(2, 0, 1)
    resized = functional.interpolate(planes[None], size=(side_px, side_px), mode="bilinear", antialias=True)[0]
    return resized.expand(3, -1, -1) / 127.5 - 1


def encode_text(
    prefix_ids: Sequence[int],
    suffix_ids: Sequence[int] | None,
    length: int,
    *,
    newline: int,
    bos: int,
    eos: int,
    ends_empty: bool = False,
) -> TextRow:
    """Question and answer as one row: bos, prefix, newline, suffix, eos, padded with 0 or cut on the right to `length`.

    Without a suffix, or with an empty one, the row is a prompt and has no eos. `ends_empty`: an empty suffix is an
    answer too (an empty picture), and has an eos.
    # finetune_paligemma.ipynb, preprocess_tokens
    """
    prompt = [bos, *prefix_ids, newline]
    answered = suffix_ids is not None and (ends_empty or len(suffix_ids) > 0)
    answer = [*(suffix_ids or ()), eos] if answered else []

    def row(values: list[int]) -> Tensor:
        return torch.tensor((values + [0] * length)[:length])

    learned = row([0] * len(prompt) + [1] * len(answer))
    return TextRow(row(prompt + answer), learned, learned.clone(), row([1] * (len(prompt) + len(answer))))


def per_example_loss(logits: Tensor, tokens: Tensor, mask_loss: Tensor) -> Tensor:
    """Mean negative log-likelihood of each example's learned tokens; 0 where it has none. Its mean over the batch is
    the reference's loss, in which a short answer weighs as much as a long one.

    logits: (b, t - 1, v), position i predicting token i + 1; tokens, mask_loss: (b, t) -> (b,) float32 in nats.
    # finetune_paligemma.ipynb, update_fn
    """
    return example_losses(logits, tokens[:, 1:].masked_fill(mask_loss[:, 1:] == 0, IGNORED))
