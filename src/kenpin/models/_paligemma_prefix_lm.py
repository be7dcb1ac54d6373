"""PaliGemma's prefix attention through transformers: answers scored by teacher forcing, and decoded greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from transformers import PaliGemmaForConditionalGeneration

# transformers sees the prefix both ways only where `token_type_ids` (0: picture and prefix, 1: suffix) are given, and
# keeps padding out of it only where `attention_mask` is: both functions below always give both


def teacher_forced_logits(
    model: PaliGemmaForConditionalGeneration, pixel_values: Tensor, tokens: Tensor, mask_ar: Tensor, mask_input: Tensor
) -> Tensor:
    """Logits with which each token but the first is predicted from the picture and the tokens before it.

    pixel_values: (b, 3, h, w); tokens, mask_ar, mask_input: (b, t), padded on the right -> (b, t - 1, v). Picture and
    prefix see each other both ways, the suffix sees what stands before it, and nothing sees padding.
    """
    picture = tokens.new_full((len(tokens), _picture_tokens(model)), model.config.image_token_id)
    output = model(
        input_ids=torch.cat([picture, tokens[:, :-1]], dim=1),
        pixel_values=pixel_values,
        attention_mask=torch.cat([torch.ones_like(picture), mask_input[:, :-1]], dim=1),
        token_type_ids=torch.cat([torch.zeros_like(picture), mask_ar[:, :-1]], dim=1),
        use_cache=False,
        logits_to_keep=tokens.shape[1] - 1,
    )
    return cast(Tensor, output.logits)


def decode_greedily(
    model: PaliGemmaForConditionalGeneration,
    pixel_values: Tensor,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    eos: int,
) -> list[list[int]]:
    """The likeliest next token again and again, until `eos` (kept) or `max_new_tokens`.

    pixel_values: (b, 3, h, w); prompts: b rows of ids, each bos, prefix and newline -> b rows of ids.
    """
    picture = [model.config.image_token_id] * _picture_tokens(model)
    longest = max(len(prompt) for prompt in prompts)
    # padding stands on the left: generation goes on from the last column, whatever is there
    padding = [[0] * (longest - len(prompt)) for prompt in prompts]
    rows = [[*pad, *picture, *prompt] for pad, prompt in zip(padding, prompts, strict=True)]
    tokens = torch.tensor(rows, device=pixel_values.device)
    mask = torch.tensor([pad + [1] * (len(row) - len(pad)) for pad, row in zip(padding, rows, strict=True)])
    generated = model.generate(
        input_ids=tokens,
        pixel_values=pixel_values,
        attention_mask=mask.to(tokens.device),
        token_type_ids=torch.zeros_like(tokens),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=eos,
        pad_token_id=0,
    )
    answers = generated[:, tokens.shape[1] :].tolist()
    return [answer[: answer.index(eos) + 1] if eos in answer else answer for answer in answers]


def _picture_tokens(model: PaliGemmaForConditionalGeneration) -> int:
    vision = model.config.vision_config
    return int((vision.image_size // vision.patch_size) ** 2)
