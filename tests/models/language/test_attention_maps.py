"""Maps of detections against transformers' own attention, and the tokens that say each detection."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kenpin.data.images import read_image
from kenpin.models.language.attention_maps import _paid
from kenpin.models.looking.attention import watched_attention
from kenpin.models.networks.layers import as_grid
from tests.objects import SIZE_WH, made_objects
from tests.toy_runs import of_base

ANSWERS = {
    "florence2": "dent<loc_1><loc_20><loc_300><loc_400>傷<loc_0><loc_0><loc_5><loc_6><loc_7><loc_7><loc_9><loc_9>",
    "paligemma": "<loc0010><loc0020><loc0300><loc0400> dent ; <loc0000><loc0000><loc0050><loc0060> 傷",
}


def _inspector(family: str) -> Any:
    inspector: Any = of_base(family, "toy").inspector
    with torch.no_grad():  # opinionated, so that attention is not even
        for name, parameter in inspector.network.named_parameters():
            if "language_model" in name and parameter.ndim == 2:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return inspector


def _own_attention(inspector: Any, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Each layer's, (1, heads, queries, keys), as transformers gives it in plain arithmetic."""
    kept: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda *seen: kept.append(seen[2][1]))
        for name, layer in inspector.network.named_modules()
        if inspector.looks(name)
    ]
    inspector.network.set_attn_implementation("eager")
    inspector.logits(inspector.network, batch)
    for hook in hooks:
        hook.remove()
    inspector.network.set_attn_implementation("sdpa")
    return tuple(kept)


@pytest.mark.parametrize("family", ANSWERS)
def test_attention_is_that_with_which_each_token_was_predicted(family: str) -> None:
    torch.manual_seed(0)
    inspector = _inspector(family)
    ids = inspector._ids(ANSWERS[family])
    batch = inspector.encode([read_image(made_objects(1)[0].image)]) | inspector.encode_answer_ids([ids])
    with torch.inference_mode():
        with watched_attention(inspector.network, inspector.looks) as layers:
            logits, targets = inspector.logits(inspector.network, batch)
        own = _own_attention(inspector, batch)
        paid = _paid(inspector, layers, len(ids))
    assert len(layers) == len(own) == 2
    assert paid.shape[0] == len(ids)
    assert logits.shape[1] == targets.shape[1]
    # the queries that predict the answer's tokens are the last ones, but for that of the end
    places = inspector.picture_tokens
    last = torch.stack([layer[0, :, -len(ids) - 1 : -1, :places].mean(dim=0) for layer in own]).mean(dim=0)
    expected = as_grid(last[..., None], inspector.image_size_wh[::-1])[:, 0]
    assert torch.allclose(paid, 100 * expected, atol=1e-4)
    assert float((paid[0] - paid[1]).abs().max()) > 1e-3  # tokens differ, so that another one's would be seen


@pytest.mark.parametrize("family", ANSWERS)
def test_tokens_of_a_detection_say_its_label_and_its_box(family: str) -> None:
    inspector = _inspector(family)
    ids = inspector._ids(ANSWERS[family])
    said = inspector.reader.tokens_of([*ids, inspector.end], SIZE_WH)
    found = inspector.reader.read([*ids, inspector.end], [0.0] * (len(ids) + 1), SIZE_WH).detections
    assert len(said) == len(found) > 1
    for tokens, label in zip(said, found.labels, strict=True):
        text = inspector.tokenizer.decode([ids[token] for token in tokens])
        assert label in text
        assert text.count("<loc") == 4
    assert said[0] != said[1]
