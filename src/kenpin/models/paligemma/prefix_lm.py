"""PaliGemma's prefix attention through transformers: rows to be scored by teacher forcing, and prompts to be answered.

transformers sees the prefix both ways only where `token_type_ids` (0: picture and prefix, 1: suffix) are given, and it
keeps padding out only where `attention_mask` is: both functions always give both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

PAD = 0


def teacher_forced_logits(
    model: Any,
    tokens: Tensor,
    mask_ar: Tensor,
    mask_input: Tensor,
    *,
    image_id: int,
    picture_tokens: int,
    columns: Tensor | None = None,
    **picture: Any,
) -> Tensor:
    """Logits with which tokens are predicted from the picture and the tokens before them.

    tokens, mask_ar, mask_input: (b, t), padded on the right. Picture and prefix see each other both ways, the suffix
    sees all before it, and no token sees padding. columns: which of the tokens, (k,), from 1; None: all but the
    first. picture: `pixel_values`, or what else the model takes for it. -> (b, k, v)
    """
    image = tokens.new_full((len(tokens), picture_tokens), image_id)
    if columns is None:
        columns = torch.arange(1, tokens.shape[1], device=tokens.device)
    output = model(
        input_ids=torch.cat([image, tokens[:, :-1]], dim=1),
        attention_mask=torch.cat([torch.ones_like(image), mask_input[:, :-1]], dim=1),
        token_type_ids=torch.cat([torch.zeros_like(image), mask_ar[:, :-1]], dim=1),
        use_cache=False,
        # each column takes 257,152 numbers, so only the columns asked for are computed
        logits_to_keep=picture_tokens + columns - 1,
        **picture,
    )
    return cast(Tensor, output.logits)


def prompt_inputs(
    prompts: Sequence[Sequence[int]], *, image_id: int, picture_tokens: int, device: torch.device
) -> dict[str, Tensor]:
    """The model's inputs for prompts, without their pictures. prompts: b rows of ids, each bos, prefix and newline."""
    longest = max(map(len, prompts))
    # padding on the left: generation continues from the last column
    padding = [[PAD] * (longest - len(prompt)) for prompt in prompts]
    rows = [[*pad, *[image_id] * picture_tokens, *prompt] for pad, prompt in zip(padding, prompts, strict=True)]
    tokens = torch.tensor(rows, device=device)
    mask = torch.tensor([pad + [1] * (len(row) - len(pad)) for pad, row in zip(padding, rows, strict=True)])
    return {"input_ids": tokens, "attention_mask": mask.to(device), "token_type_ids": torch.zeros_like(tokens)}
